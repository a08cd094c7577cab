"""Working one step ahead.

Invariant: the items come out in order, each once, and the source runs in one thread only; at most one
item is made before it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")


def one_ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """Yields items while the next one is made in another thread.

    It pays where the work releases the interpreter, as polars, pyarrow and hashlib do.
    """
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="lake-ahead") as thread:
        future = thread.submit(next, items, end)
        while (item := future.result()) is not end:
            future = thread.submit(next, items, end)
            yield item  # type: ignore[misc]  # `end` is no item, and the only other thing that comes
