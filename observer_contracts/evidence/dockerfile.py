"""The environment and the user that an image brings along, read from its Dockerfile.

Invariant: nothing is built or run; a value that depends on an argument without a default is unknown.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

_NAME = re.compile(r"(Dockerfile|Containerfile)(\..+)?|.+\.(Dockerfile|dockerfile)")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))")


@dataclass(frozen=True, slots=True)
class ImageVariable:
    """One variable of the image; `value` is None where it is only known when the image is built."""

    name: str
    value: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Image:
    """What the last stage of a Dockerfile leaves in the image."""

    file: str
    variables: tuple[ImageVariable, ...]
    user: str
    user_line: int | None


@dataclass(slots=True)
class _Stage:
    variables: dict[str, ImageVariable] = field(default_factory=dict)
    arguments: dict[str, str | None] = field(default_factory=dict)
    user: str = ""
    user_line: int | None = None


def is_dockerfile(name: str) -> bool:
    """Tells whether a file of this name defines an image."""
    return bool(_NAME.fullmatch(name))


def read_dockerfile(text: str, file: str) -> Image:
    """Reads a Dockerfile."""
    stages: dict[str, _Stage] = {}
    # An argument of before FROM counts in a stage only when the stage names it again.
    stage, before = _Stage(), dict[str, str | None]()
    for line, instruction, rest in _instructions(text):
        if instruction == "FROM":
            stage = _from(rest, stages)
        elif instruction == "ARG":
            name, _, default = rest.partition("=")
            stage.arguments[name.strip()] = (
                _expand(default.strip("\"' "), stage) if "=" in rest else before.get(name)
            )
            if not stages:
                before[name.strip()] = stage.arguments[name.strip()]
        elif instruction == "ENV":
            for name, value in _pairs(rest):
                stage.variables[name] = ImageVariable(name, _expand(value, stage), line)
        elif instruction == "USER":
            stage.user, stage.user_line = _expand(rest.strip(), stage) or "", line
    return Image(file, tuple(stage.variables.values()), stage.user, stage.user_line)


def _from(rest: str, stages: dict[str, _Stage]) -> _Stage:
    words = [word for word in rest.split() if not word.startswith("--")]
    base = stages.get(words[0]) if words else None
    stage = _Stage(dict(base.variables), {}, base.user, base.user_line) if base else _Stage()
    name = words[2] if len(words) > 2 and words[1].upper() == "AS" else str(len(stages))
    stages[name] = stage
    return stage


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("#") or (not line and not pending):
            continue
        start = start if pending else number
        pending += line.removesuffix("\\") + " "
        if line.endswith("\\"):
            continue
        word, _, rest = pending.strip().partition(" ")
        yield start, word.upper(), rest.strip()
        pending = ""


def _pairs(rest: str) -> Iterator[tuple[str, str]]:
    first = rest.split(None, 1)
    if first and "=" not in first[0]:
        yield first[0], first[1] if len(first) > 1 else ""
        return
    try:
        words = shlex.split(rest)
    except ValueError:
        words = rest.split()
    for word in words:
        name, _, value = word.partition("=")
        yield name, value


def _expand(value: str, stage: _Stage) -> str | None:
    unknown = False

    def replaced(match: re.Match[str]) -> str:
        nonlocal unknown
        name = match[1] or match[3]
        known = stage.variables[name].value if name in stage.variables else stage.arguments.get(name)
        if known is None and match[2] is not None:
            return match[2]
        unknown = unknown or known is None
        return known or ""

    expanded = _VARIABLE.sub(replaced, value)
    return None if unknown else expanded
