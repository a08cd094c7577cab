"""Short ways to say a finding."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from observer_contracts.evidence.environment import Value
from observer_contracts.model import Finding, Location, Status

_LONGEST_VALUE = 120


def passed(about: str, expected: str, observed: str, *evidence: Location) -> Finding:
    """The object is as the contract asks."""
    return Finding(Status.PASS, about, expected, observed, evidence)


def failed(about: str, expected: str, observed: str, *evidence: Location, remedy: str = "") -> Finding:
    """The object breaks the contract."""
    return Finding(Status.FAIL, about, expected, observed, evidence, remedy)


def warned(about: str, expected: str, observed: str, *evidence: Location, remedy: str = "") -> Finding:
    """The object works, but not as it should be."""
    return Finding(Status.WARN, about, expected, observed, evidence, remedy)


def unknown(about: str, expected: str, observed: str, *evidence: Location, remedy: str = "") -> Finding:
    """There is no evidence."""
    return Finding(Status.UNKNOWN, about, expected, observed, evidence, remedy)


def shown(value: str) -> str:
    """Returns a public value as a report shows it: quoted, without control characters, not too long."""
    clean = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in value
    )
    return f"`{clean[:_LONGEST_VALUE]}`" + ("…" if len(clean) > _LONGEST_VALUE else "")


def sources(*values: Value) -> tuple[Location, ...]:
    """Returns where values stand."""
    return tuple(value.where for value in values)


def candidates(wanted: str, names: Iterable[str], *, first: Iterable[str] = ()) -> str:
    """Returns a sentence that names what would satisfy a reference, best first; empty where nothing does."""
    known = sorted(set(names))
    close = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    ordered = list(dict.fromkeys([*first, *close]))[:5]
    return f"Candidates: {', '.join(ordered)}." if ordered else ""
