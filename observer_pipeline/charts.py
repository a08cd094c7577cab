"""Small pictures for people, as Markdown that the Dagster UI draws.

Invariant: a picture is at most 60 kB, for it is stored with the event; it shows counts that stand as
numbers beside it. The libraries are imported only when a picture is drawn.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST_BYTES = 60_000
# Wide enough for a person to see an outage of some minutes in a day of twelve hours.
_BIN_MINUTES = 5
_COLOURS = ("#2563a8", "#d97706", "#15803d", "#7c3aed")
_PALETTE = 32


def day_picture(per_minute: Mapping[str, Mapping[int, int]], coverage: Mapping[str, Sequence[int]]) -> str:
    """Draws what a trading day brought: records per minute, and which symbols traded when.

    Args:
        per_minute: Kind of record -> minute of the day (Korean time) -> records.
        coverage: Symbol -> minutes of the day in which it traded; the busiest symbols first.

    Returns:
        Markdown with the picture inside; empty where there is nothing to draw.
    """
    minutes = [minute for counts in per_minute.values() for minute in counts]
    if not minutes:
        return ""
    from matplotlib.figure import Figure  # noqa: PLC0415 - costs a second

    first, last = min(minutes) // 60 * 60, (max(minutes) // 60 + 1) * 60
    figure = Figure(figsize=(9, 1.2 * len(per_minute) + 2.6), dpi=100, layout="constrained")
    *records, symbols = figure.subplots(
        len(per_minute) + 1, 1, sharex=True, height_ratios=[1] * len(per_minute) + [2]
    )
    for axes, colour, (kind, counts) in zip(records, _COLOURS, per_minute.items(), strict=False):
        axes.fill_between(range(first, last), [counts.get(m, 0) for m in range(first, last)], color=colour)
        axes.set_ylabel(f"{kind}\na minute", fontsize=8)
        axes.set_ylim(bottom=0)
    _draw_coverage(symbols, coverage, first, last)
    hours = range(first, last + 1, 60)
    symbols.set_xticks(hours, [f"{minute // 60:02d}:00" for minute in hours], fontsize=8)
    symbols.set_xlim(first, last)
    return _markdown(figure, "Records per minute, and the minutes in which each symbol traded")


def _draw_coverage(axes: Axes, coverage: Mapping[str, Sequence[int]], first: int, last: int) -> None:
    bins = range(first, last, _BIN_MINUTES)
    rows = [
        [sum(start <= minute < start + _BIN_MINUTES for minute in minutes) for start in bins]
        for minutes in coverage.values()
    ]
    axes.set_ylabel(f"{len(coverage)} symbols,\nbusiest first", fontsize=8)
    axes.set_yticks([])
    if rows:
        extent = (first, last, len(rows), 0)
        axes.imshow(rows, aspect="auto", interpolation="nearest", cmap="Blues", vmin=0, extent=extent)


def _markdown(figure: Figure, title: str) -> str:
    """Returns a figure as Markdown, with fewer pixels where it is too large."""
    from PIL import Image  # noqa: PLC0415 - as above

    for resolution in (figure.dpi, figure.dpi * 0.7, figure.dpi * 0.4):
        drawn, packed = io.BytesIO(), io.BytesIO()
        figure.savefig(drawn, format="png", dpi=resolution)
        # A palette makes the file four times smaller.
        Image.open(drawn).convert("RGB").quantize(_PALETTE).save(packed, format="png", optimize=True)
        encoded = base64.b64encode(packed.getvalue()).decode()
        if len(encoded) <= LARGEST_BYTES:
            return f"![{title}](data:image/png;base64,{encoded})"
    return f"The picture of this day would need {len(encoded):,} bytes."
