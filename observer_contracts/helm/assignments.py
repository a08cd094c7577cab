"""Single values as Helm's `--set` gives them: a path, an equals sign, a value.

Invariant: what is read here is read as Helm reads it, or refused: a backslash keeps a dot in its key, and
`true`, `false`, `null` and whole numbers are no texts. Lists, mappings and several values in one are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from observer_contracts.evidence.objects import Place
from observer_core.errors import ConfigurationError

# A key up to a dot, a bracket or the end, with anything after a backslash; or an index in brackets.
_STEP = re.compile(r"(?P<dot>\.?)(?P<key>(?:\\.|[^.\\\[\],={}])+)|\[(?P<index>\d{1,3})\]")
_WHOLE = re.compile(r"-?(?:0|[1-9]\d*)")
_WORDS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Assignment:
    """One value of a release.

    Attributes:
        text: As it was given.
        place: The path.
        value: The value.
    """

    text: str
    place: Place
    value: Any


def read_assignment(text: str) -> Assignment:
    """Reads one `--set`.

    Raises:
        ConfigurationError: It is not of the form that is understood here.
    """
    path, equals, value = text.partition("=")
    if not equals or not path or any(sign in value for sign in ",{}"):
        raise _refusal(text)
    place: list[str | int] = []
    position = 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None or (step["key"] is not None and bool(step["dot"]) != bool(place)):
            raise _refusal(text)
        place.append(int(step["index"]) if step["index"] else re.sub(r"\\(.)", r"\1", step["key"]))
        position = step.end()
    if isinstance(place[0], int):
        raise _refusal(text)
    return Assignment(text, tuple(place), _typed(value))


def _refusal(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"--helm-set {text} is not one path with one value.",
        remedy="Give path=value, one each, as in deployments[0].image.tag=local; lists belong in a file.",
    )


def _typed(value: str) -> Any:
    if value in _WORDS:
        return _WORDS[value]
    return int(value) if _WHOLE.fullmatch(value) else value


def assigned(values: Any, place: Place, value: Any) -> Any:
    """Returns values with one set: keys and items on the way are made where they are missing, as by Helm."""
    if not place:
        return value
    step, rest = place[0], place[1:]
    if isinstance(step, str):
        below = dict(values) if isinstance(values, dict) else {}
        below[step] = assigned(below.get(step), rest, value)
        return below
    items = list(values) if isinstance(values, list) else []
    items += [None] * (step + 1 - len(items))
    items[step] = assigned(items[step], rest, value)
    return items
