"""Working ahead in another thread.

Invariant: the items come out in order, each once, and the source runs in one thread only; at most so many
items as were allowed are made before they are asked for. Once it is closed, nothing of it is at work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")


def made_ahead(items: Iterator[_Item], number: int = 1) -> Generator[_Item]:
    """Yields items while the next ones are made in another thread; whoever may stop early closes it.

    It pays where the work releases the interpreter, as polars, pyarrow and hashlib do. Left to the collector
    of garbage, it would perhaps be closed by its own thread, which cannot wait for its own end.

    Args:
        items: The source; a generator is closed at the end.
        number: How many items may wait: more than one where whoever asks does so in bursts.
    """
    end = object()
    try:
        with ThreadPoolExecutor(1, thread_name_prefix="lake-ahead") as thread:
            waiting = deque(thread.submit(next, items, end) for _ in range(number))
            try:
                while (item := waiting.popleft().result()) is not end:
                    waiting.append(thread.submit(next, items, end))
                    # Whoever asked has it alone: what is given back must not stay until the next one comes.
                    handed_over = [item]
                    del item
                    yield handed_over.pop()  # type: ignore[misc]  # `end` is no item; nothing else comes
            finally:
                for future in waiting:
                    future.cancel()
    finally:
        if isinstance(items, Generator):
            items.close()
