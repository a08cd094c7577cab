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

    from observer_pipeline.completeness import SymbolCompleteness

LARGEST_BYTES = 60_000
# Wide enough for a person to see an outage of some minutes in a day of twelve hours.
_BIN_MINUTES = 5
_COLOURS = ("#2563a8", "#d97706", "#15803d", "#7c3aed")
_PALETTE = 32
# Of the map of coverage: nothing, captured, a hole.
_STATES = ("#f1f5f9", "#2563a8", "#dc2626")


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


def completeness_picture(found: Sequence[SymbolCompleteness], traded: Mapping[str, Sequence[int]]) -> str:
    """Draws where data are and where they are not: a map of symbols and time, and an account beside it.

    Args:
        found: The symbols to draw, the worst first.
        traded: Symbol -> minutes of the day in which it traded.

    Returns:
        Markdown with the picture inside; empty where there is nothing to draw.
    """
    minutes = [minute for one in found for minute in (*traded.get(one.symbol, ()), *one.minutes)]
    if not minutes:
        return ""
    from matplotlib.colors import ListedColormap  # noqa: PLC0415 - costs a second
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    first, last = min(minutes) // 60 * 60, (max(minutes) // 60 + 1) * 60
    figure = Figure(figsize=(9, 0.22 * len(found) + 1.4), dpi=100, layout="constrained")
    time, account = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
    cells = [_cells(one, traded.get(one.symbol, ()), range(first, last, _BIN_MINUTES)) for one in found]
    time.imshow(
        cells, aspect="auto", interpolation="nearest", cmap=ListedColormap(_STATES), vmin=0, vmax=2,
        extent=(first, last, len(found) - 0.5, -0.5),
    )  # fmt: skip
    hours = range(first, last + 1, 60)
    time.set_xticks(hours, [f"{minute // 60:02d}" for minute in hours], fontsize=7)
    time.set_yticks(range(len(found)), [one.symbol for one in found], fontsize=6)
    time.set_title("blue: traded and captured · red: a hole reaches into it", fontsize=8)
    _draw_account(account, found)
    return _markdown(figure, "Coverage by symbol and time, and the account of shares")


def _cells(one: SymbolCompleteness, traded: Sequence[int], bins: range) -> list[int]:
    """Returns a symbol's row of the map: 0 nothing, 1 captured, 2 a hole."""
    whole, broken = (
        {(minute - bins.start) // bins.step for minute in some} for some in (traded, one.minutes)
    )
    return [2 if number in broken else int(number in whole) for number in range(len(bins))]


def _draw_account(axes: Axes, found: Sequence[SymbolCompleteness]) -> None:
    """Draws captured, filled and missing shares as parts of what was traded."""
    left = [0.0] * len(found)
    for colour, name, values in (
        (_STATES[1], "captured", [one.captured for one in found]),
        ("#d97706", "filled", [min(one.filled, one.missed) for one in found]),
        (_STATES[2], "missing", [one.missing for one in found]),
    ):
        whole = [max(one.captured + one.missed, 1) for one in found]
        widths = [100 * value / total for value, total in zip(values, whole, strict=True)]
        axes.barh(range(len(found)), widths, left=left, color=colour, height=0.8, label=name)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of shares traded", fontsize=7)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=6, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)


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
        # A palette makes the file four times smaller; it must hold the rare colours too, for red is the news.
        pixels = Image.open(drawn).convert("RGB")
        pixels.quantize(_PALETTE, method=Image.Quantize.MAXCOVERAGE).save(packed, format="png", optimize=True)
        encoded = base64.b64encode(packed.getvalue()).decode()
        if len(encoded) <= LARGEST_BYTES:
            return f"![{title}](data:image/png;base64,{encoded})"
    return f"The picture of this day would need {len(encoded):,} bytes."
