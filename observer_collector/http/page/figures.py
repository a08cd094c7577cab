"""How figures, instants and states are written.

Invariant: every figure carries the value that the JSON has (`data`, `time`), and no state is told by its
colour alone: a mark has a sign and a word.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from observer_collector.http.page.language import Speech
from observer_collector.http.page.markup import Markup, element, join

NOTHING = "–"
_SIZES = ("B", "kB", "MB", "GB", "TB")
_STEP = 1000
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Level(Enum):
    """How good a state is: the name of its colour, and its sign."""

    GOOD = ("good", "●")
    IDLE = ("idle", "○")
    WARNING = ("warning", "▲")
    BAD = ("bad", "✕")


def mark(level: Level, words: str, *more: str) -> Markup:
    """Returns a state: sign, words, and what is to be said beside it."""
    name, sign = level.value
    return element(
        "span", element("span", sign, aria_hidden="true"), " ", words, *more, class_=f"mark {name}"
    )


def number(value: float, decimals: int = 0) -> Markup:
    """Returns a number with thousands apart."""
    return element("data", f"{value:,.{decimals}f}", value=value)


def size(value: int) -> Markup:
    """Returns a number of bytes in units of thousand."""
    amount, unit = float(value), _SIZES[0]
    for unit in _SIZES:
        if amount < _STEP or unit == _SIZES[-1]:
            break
        amount /= _STEP
    return element("data", f"{amount:.{0 if unit == _SIZES[0] else 1}f} {unit}", value=value)


def instant(iso: str | None, *, of_day: str = "") -> Markup:
    """Returns the time of day of an instant, with its date where it is of another day.

    Args:
        iso: The instant; None where there is none.
        of_day: An instant of the day that needs no date.
    """
    if iso is None:
        return Markup(NOTHING)
    moment = datetime.fromisoformat(iso)
    same = bool(of_day) and moment.date() == datetime.fromisoformat(of_day).date()
    return element("time", f"{moment:%H:%M:%S}" if same else f"{moment:%Y-%m-%d %H:%M}", datetime=iso)


def duration(seconds: float, say: Speech) -> Markup:
    """Returns a duration in its two largest units."""
    whole = int(seconds)
    for unit, name, below, below_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= unit:
            words = f"{whole // unit} {say(name)} {whole % unit // below} {say(below_name)}"
            return element("data", words, value=whole)
    return element("data", f"{whole} {say('s')}", value=whole)


def facts(*pairs: tuple[str, str]) -> Markup:
    """Returns a list of names and what they have."""
    return element(
        "dl",
        join(element("div", element("dt", name), element("dd", content)) for name, content in pairs),
    )


def card(title: str, *content: str, name: str) -> Markup:
    """Returns a section with its heading; `name` is its anchor."""
    return element(
        "section", element("h2", title, id=f"{name}-title"), *content,
        class_="card", id=name, aria_labelledby=f"{name}-title",
    )  # fmt: skip


def table(caption: str, heads: tuple[str, ...], rows: list[Markup], *, name: str) -> Markup:
    """Returns a table in a region that scrolls by itself; the first cell of a row is its heading."""
    head = element("tr", join(element("th", words, scope="col") for words in heads))
    body = element("tbody", join(rows))
    inner = element("table", element("caption", caption, id=f"{name}-caption"), element("thead", head), body)
    return element(
        "div", inner, class_="wide", tabindex="0", role="region", aria_labelledby=f"{name}-caption"
    )


def row(head: str, *cells: str, identity: str = "") -> Markup:
    """Returns a row of such a table."""
    first = element("th", head, scope="row")
    return element("tr", first, join(element("td", cell) for cell in cells), data_row=identity or None)
