"""The live summary of a stack: one screen on a terminal, one line now and then elsewhere.

Invariant: it only shows; what cannot be read is shown as unknown.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from observer.stack.progress import Progress
from observer.stack.status import Status, StatusReader

_BEAT_SECONDS = 1.0
_LINE_SECONDS = 5.0


class Screen:
    """Shows a stack's status until it is closed.

    Args:
        reader: Reads the status.
        progress: Where lines go when there is no terminal.
        head: Lines above the numbers: addresses, where logs are.
    """

    def __init__(self, reader: StatusReader, progress: Progress, head: Sequence[str]) -> None:
        self._reader = reader
        self._progress = progress
        self._head = tuple(head)
        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False) if sys.stdout.isatty() else None

    async def run(self) -> None:
        """Shows the status until it is cancelled."""
        if self._live is None:
            await self._print_lines()
            return
        with self._live as live:
            while True:
                live.update(render(await self._reader.read(), self._head), refresh=True)
                await asyncio.sleep(_BEAT_SECONDS)

    async def _print_lines(self) -> None:
        for line in self._head:
            self._progress.say(f"  {line}")
        told: tuple[str, ...] = ()
        while True:
            status = await self._reader.read()
            for note in status.notes:
                if note not in told:
                    self._progress.say(f"  {note}")
            told = status.notes
            self._progress.say(f"  {one_line(status)}")
            await asyncio.sleep(_LINE_SECONDS)


def one_line(status: Status) -> str:
    """Returns the status in one line."""
    sent = f" · sent {_number(status.sent)}" if status.simulated else ""
    waiting = f" · waits for {status.waiting}" if status.waiting else ""
    failed = f", {status.runs[1]} failed" if status.runs and status.runs[1] else ""
    return (
        f"{status.now:%m-%d %H:%M:%S} {status.phase} · {status.speed:.0f}×{sent}"
        f" · journaled {_number(status.journaled)} · lake {_number(status.lake)}"
        f" · warehouse {_number(status.warehouse)} · quarantined {status.quarantined}"
        f" · holes {_number(status.holes)} · runs {_number(status.runs and status.runs[0])}{failed}{waiting}"
    )


def render(status: Status, head: Sequence[str]) -> RenderableType:
    """Returns the status as one screen."""
    numbers = Table.grid(padding=(0, 3))
    for _ in range(4):
        numbers.add_column(justify="left")
    for left, right in zip(_flow(status), _condition(status), strict=True):
        numbers.add_row(*left, *right)
    clock = Text.assemble(
        (f"{status.now:%A %Y-%m-%d %H:%M:%S}", "bold"),
        f"  {status.phase}   {status.speed:.0f}× real time",
        (f"   waits for {status.waiting}" if status.waiting else "", "yellow"),
    )
    notes = [Text(note, style="yellow", overflow="ellipsis", no_wrap=True) for note in status.notes]
    lines = [Text(line) for line in head]
    return Panel(Group(clock, Text(), numbers, *notes, Text(), *lines), title="Observer", title_align="left")


def _flow(status: Status) -> list[tuple[str, str]]:
    return [
        ("sent by the broker", _number(status.sent) if status.simulated else "it does not tell"),
        ("journaled", _number(status.journaled)),
        ("in the lake", _number(status.lake)),
        ("in PostgreSQL", _number(status.warehouse)),
        ("quarantined", _number(status.quarantined)),
    ]


def _condition(status: Status) -> list[tuple[str, str]]:
    failed = f", {status.runs[1]} failed" if status.runs and status.runs[1] else ""
    return [
        ("collector", status.collector),
        ("registrations", _number(status.slots)),
        ("holes / gaps", f"{_number(status.holes)} / {status.gaps}"),
        ("Dagster runs", f"{_number(status.runs and status.runs[0])}{failed} {status.in_flight}"),
        ("free disk", f"{status.free_gigabytes:.1f} GB"),
    ]


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"
