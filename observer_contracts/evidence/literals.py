"""Values of declared secrets that stand written out where a configuration or a script sets them.

Invariant: found is a declared name with a literal value, never a value that looks random; a value that is
taken from elsewhere, or plainly stands for one, is none. Kinds: `ENV` and `ARG` of an image definition,
assignments of a shell script, data of a ConfigMap, `env` of a container.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import PurePosixPath

from observer_contracts.evidence.dockerfile import is_dockerfile, read_dockerfile
from observer_contracts.evidence.hidden import may_be_secret
from observer_contracts.evidence.objects import mapping_at, text_at
from observer_contracts.evidence.yaml_documents import Fields, Items
from observer_core.settings import Layer, variables
from observer_core.settings.all_groups import GROUPS

# Those that no program of ours reads, but the database's image and its clients do.
_OTHERS = ("POSTGRES_PASSWORD", "PGPASSWORD")
_SHELL = (".sh", ".bash", ".ksh", ".zsh")
_SHEBANG = re.compile(r"#!.*\b(?:ba|k|z|da)?sh\b")
_ASSIGNED = re.compile(r"^\s*(?:export\s+|readonly\s+)?([A-Za-z_]\w*)=(\"[^\"]*\"|'[^']*'|[^\s;&|#]*)")
# Sources of a value, and what a shell or a template puts in its place.
_TAKEN = re.compile(r"[$`<>{}]|^\.\.\.$")

Literal = tuple[int, str]


@cache
def secret_names() -> frozenset[str]:
    """Returns the names whose values must stand in a Secret only."""
    declared = (variable for group in GROUPS for variable in variables(group))
    own = {found.name for found in declared if found.secret or found.layer is Layer.SECRET}
    return frozenset(name for name in own | set(_OTHERS) if may_be_secret(name))


def is_script(name: str, text: str) -> bool:
    """Tells whether a file is a shell script: by its ending, or by its first line."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix in _SHELL or (not suffix and bool(_SHEBANG.match(text)))


def literals(path: str, text: str, stand_in: Callable[[object], bool]) -> Iterator[Literal]:
    """Yields line and name of each declared secret that an image definition or a script sets.

    Args:
        path: Where the text lies.
        text: The text.
        stand_in: Tells whether a value is plainly none.
    """
    name = PurePosixPath(path).name
    if is_dockerfile(name):
        for variable in read_dockerfile(text, path).variables:
            if _is_literal(variable.name, variable.value, stand_in):
                yield variable.line, variable.name
    elif is_script(name, text):
        for number, line in enumerate(text.splitlines(), 1):
            match = _ASSIGNED.match(line)
            if match and _is_literal(match[1], match[2].strip("\"'"), stand_in):
                yield number, match[1]


def literals_of(document: Fields, stand_in: Callable[[object], bool]) -> Iterator[Literal]:
    """Yields line and name of each declared secret that a ConfigMap or the `env` of a container sets."""
    if text_at(document, "kind") == "ConfigMap":
        data = mapping_at(document, "data")
        for key, value in data.items():
            if _is_literal(key, value, stand_in):
                yield data.lines[key], key
    else:
        yield from _entries(document, stand_in)


def _entries(value: object, stand_in: Callable[[object], bool]) -> Iterator[Literal]:
    if isinstance(value, Fields):
        name = text_at(value, "name")
        if "value" in value and _is_literal(name, value["value"], stand_in):
            yield value.lines["value"], name
        for item in value.values():
            yield from _entries(item, stand_in)
    elif isinstance(value, Items):
        for item in value:
            yield from _entries(item, stand_in)


def _is_literal(name: str, value: object, stand_in: Callable[[object], bool]) -> bool:
    if name not in secret_names() or stand_in(value):
        return False
    return not _TAKEN.search(str(value))
