"""What the stack says while it starts and stops.

Invariant: each step is one line with its real seconds; a terminal sees a step while it is under way.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_WIDTH = 58


class Progress:
    """Prints steps.

    Args:
        output: Where to.
    """

    def __init__(self, output: TextIO | None = None) -> None:
        self._output = output or sys.stdout
        self._is_terminal = self._output.isatty()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Prints a title, and behind it how long the block took, or that it failed."""
        started = time.monotonic()
        if self._is_terminal:
            self._write(f"  … {title}")
        try:
            yield
        except BaseException:
            self._line("✗", title, started)
            raise
        self._line("✓", title, started)

    def say(self, text: str = "") -> None:
        """Prints a line."""
        self._write(f"{text}\n")

    def _line(self, sign: str, title: str, started: float) -> None:
        back = "\r" if self._is_terminal else ""
        self._write(f"{back}  {sign} {title:<{_WIDTH}}{time.monotonic() - started:6.1f} s\n")

    def _write(self, text: str) -> None:
        # A terminal or pipe that is gone must not keep the stack from stopping.
        with suppress(OSError):
            self._output.write(text)
            self._output.flush()
