"""Which of several answers a client prefers (RFC 9110, 12.4 and 12.5).

Invariant: what a client says never fails; where it says nothing, or nothing that can be understood, it gets
the first of what is offered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

JSON, HTML = "application/json", "text/html"

_Fits = Callable[[str, str], int]


def preferred_type(header: str) -> str:
    """Returns `text/html` to whom an `Accept` header prefers it, as browsers do; else `application/json`."""
    return _preferred(header, (JSON, HTML), _fits_type)


def preferred_language(header: str, offered: Sequence[str]) -> str:
    """Returns the language that an `Accept-Language` header prefers; the first offered where none fits."""
    return _preferred(header, offered, _fits_language)


def _preferred(header: str, offered: Sequence[str], fits: _Fits) -> str:
    ranges = [_read(part) for part in header.split(",") if part.strip()]

    def quality(offer: str) -> float:
        # The most specific range decides, also where it says no.
        found = max(((fits(name, offer), value) for name, value in ranges), default=(0, 0.0))
        return found[1] if found[0] else 0.0

    return max(offered, key=quality)


def _read(part: str) -> tuple[str, float]:
    name, *parameters = (text.strip().lower() for text in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, min(max(float(value), 0.0), 1.0)
            except ValueError:
                return name, 0.0
    return name, 1.0


def _fits_type(name: str, offer: str) -> int:
    """Returns how specific a media range is about an offer; 0 where it does not fit."""
    if name == offer:
        return 3
    if name == f"{offer.partition('/')[0]}/*":
        return 2
    return 1 if name == "*/*" else 0


def _fits_language(name: str, offer: str) -> int:
    if name.partition("-")[0] == offer:
        return 2
    return 1 if name == "*" else 0
