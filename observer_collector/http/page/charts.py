"""Two small charts.

Invariant: a chart says in words what it shows; its shapes have no text, so that they may be stretched to any
width, and the words around them are of the page's own size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from observer_collector.http.page.figures import card, instant, number
from observer_collector.http.page.language import Speech
from observer_collector.http.page.markup import Markup, element, join

_WIDTH, _HEIGHT = 600, 120
_SPAN_SECONDS = 30 * 60
# A chart of an almost silent feed is not stretched to its full height.
_LOWEST_TOP = 1.0
_GAP_SECONDS = 60


def rates(status: Mapping[str, Any], say: Speech) -> Markup:
    """Returns the records per second of the last thirty minutes."""
    title = say("Records per second, last 30 minutes")
    samples: Sequence[tuple[int, float]] = status["rates"]["samples"]
    until = datetime.fromisoformat(status["time"])
    highest = max((rate for _, rate in samples), default=0.0)
    words = f"{title}: {say('now')} {status['rates']['now']:,.1f}, {say('highest')} {highest:,.1f}"
    top = max(highest, _LOWEST_TOP)
    begins = until.timestamp() - _SPAN_SECONDS
    drawing = join(
        element("path", d=_area(run, begins, top), class_="area") for run in _runs(samples) if len(run) > 1
    )
    axis = element(
        "p",
        instant((until - timedelta(seconds=_SPAN_SECONDS)).isoformat(), of_day=status["time"]),
        element("span", say("highest"), " ", number(round(highest, 1), 1)),
        instant(status["time"], of_day=status["time"]),
        class_="axis",
    )
    return card(title, _figure(drawing, words), axis, name="rates")


def latency(status: Mapping[str, Any], say: Speech) -> Markup:
    """Returns how long records took until they were on the disk, as a histogram of the feed's groups."""
    title = say("From receipt to disk")
    found = status["latency"]["scalp"]
    counts, groups = found["counts"], found["groups"]
    edges = ["0", *(f"{bound:g}" for bound in found["bounds_seconds"]), "∞"]
    most = max(counts) or 1
    step = _WIDTH / len(counts)
    bars = join(
        element(
            "g",
            element("title", f"{edges[index]}–{edges[index + 1]} {say('s')}: {count:,}"),
            element(
                "rect", class_="bar", x=round(index * step + 1, 1), width=round(step - 2, 1),
                y=round(_HEIGHT * (1 - count / most), 1), height=round(_HEIGHT * count / most, 1),
            ),
        )
        for index, count in enumerate(counts)
    )  # fmt: skip
    within = _within(counts, found["bounds_seconds"], say)
    words = f"{title}: {groups:,} {say('groups of records')}; {within}"
    axis = element(
        "p",
        element("span", f"0 {say('s')}"),
        element("span", within),
        element("span", f"> {edges[-2]} {say('s')}"),
        class_="axis",
    )
    longest = element(
        "p",
        say("groups of records"), ": ", number(groups), " · ", say("longest"), " ",
        number(found["longest_seconds"], 3), f" {say('s')}",
    )  # fmt: skip
    return card(title, _figure(bars, words), axis, longest, name="latency")


def _within(counts: Sequence[int], bounds: Sequence[float], say: Speech) -> str:
    """Returns the bound below which 99 of 100 groups lie, in words."""
    groups, seen = sum(counts), 0
    if not groups:
        return say("nothing yet")
    for count, bound in zip(counts, bounds, strict=False):
        seen += count
        if seen >= 0.99 * groups:
            return f"99 % ≤ {bound:g} {say('s')}"
    return f"99 % > {bounds[-1]:g} {say('s')}"


def _figure(drawing: Markup, words: str) -> Markup:
    return element(
        "svg",
        drawing,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=words,
    )


def _runs(samples: Sequence[tuple[int, float]]) -> list[list[tuple[int, float]]]:
    """Returns the samples in runs without a pause: what nobody counted is no zero."""
    runs: list[list[tuple[int, float]]] = []
    for sample in samples:
        if not runs or sample[0] - runs[-1][-1][0] > _GAP_SECONDS:
            runs.append([])
        runs[-1].append(sample)
    return runs


def _area(run: Sequence[tuple[int, float]], begins: float, top: float) -> str:
    points = [
        (round((at - begins) / _SPAN_SECONDS * _WIDTH, 1), round(_HEIGHT * (1 - rate / top), 1))
        for at, rate in run
    ]
    line = " ".join(f"L{x} {y}" for x, y in points)
    return f"M{points[0][0]} {_HEIGHT} {line} L{points[-1][0]} {_HEIGHT} Z"
