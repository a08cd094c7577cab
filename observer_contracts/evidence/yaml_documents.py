"""A YAML reader for text that nobody vouches for.

Invariant: reading takes bounded time and memory whatever the text is, builds mappings, lists and
plain scalars only, runs nothing, and knows the line of every key and item. A key that stands twice
in a mapping is an error, as it is for the API server's strict decoding.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from observer_core.errors import InputError

try:
    _LOADER: Any = yaml.CSafeLoader
except AttributeError:  # a build of PyYAML without libyaml
    _LOADER = yaml.SafeLoader

LARGEST_TEXT = 2 * 1024 * 1024
# A flow collection costs libyaml time in the square of its depth: the depth is checked event by event.
DEEPEST = 48
MOST_NODES = 30_000
MOST_ALIASES = 200

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
_FALSE = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]{0,30})")
_OCTAL = re.compile(r"0o?[0-7_]{1,30}")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F_]{1,30}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,3})?")
_TAG = "tag:yaml.org,2002:"


class Fields(dict[str, Any]):
    """A mapping that knows its line and the line of each key, counted from 1."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class Items(list[Any]):
    """A list that knows its line and the line of each item, counted from 1."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


@dataclass(slots=True)
class _Open:
    """A collection that is being filled."""

    value: Fields | Items
    anchor: str | None
    nodes: int = 1
    key: str | None = None
    merged: list[Fields] | None = None


def read_documents(text: str, file: str) -> Iterator[Any]:
    """Yields the documents of a stream as `Fields`, `Items` or scalars; empty ones are left out.

    Args:
        text: The stream.
        file: Its name, for errors.

    Raises:
        InputError: It is no YAML, or exceeds a limit; with file and line.
    """
    if len(text) > LARGEST_TEXT:
        raise _refusal(file, 1, f"the text is larger than {LARGEST_TEXT // 1024} KiB")
    try:
        yield from _Builder(file).documents(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _refusal(file, line, str(error.problem or "not well-formed")) from None
    except yaml.YAMLError as error:
        # The reader's error names a character and its position, and nothing of the text around it.
        raise _refusal(file, 1, f"a character is not allowed in YAML ({type(error).__name__})") from None
    except RecursionError:
        raise _refusal(file, 1, "it is nested too deeply") from None


def _refusal(file: str, line: int, problem: str) -> InputError:
    return InputError(
        f"{file}:{line}: cannot be read as YAML: {problem}.", remedy="Correct the file at this line."
    )


class _Builder:
    """Builds documents from events without recursion."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._nodes = 0
        self._aliases = 0
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._stack: list[_Open] = []
        self._root: Any = None

    def documents(self, events: Any) -> Iterator[Any]:
        for event in events:
            line = event.start_mark.line + 1
            match event:
                case yaml.ScalarEvent():
                    self._place(self._scalar(event, line), 1, event.anchor, line)
                case yaml.MappingStartEvent():
                    self._open(_Open(Fields(line), event.anchor), event.tag, line)
                case yaml.SequenceStartEvent():
                    self._open(_Open(Items(line), event.anchor), event.tag, line)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    closed = self._close(line)
                    self._place(closed.value, closed.nodes, closed.anchor, closed.value.line)
                case yaml.AliasEvent():
                    self._alias(event.anchor, line)
                case yaml.DocumentEndEvent():
                    if self._root is not None:
                        yield self._root
                    self._root = None
                    self._anchors.clear()
                case _:
                    pass

    def _fail(self, line: int, problem: str) -> InputError:
        return _refusal(self._file, line, problem)

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            raise self._fail(line, f"more than {MOST_NODES} values, aliases expanded")

    def _open(self, opened: _Open, tag: str | None, line: int) -> None:
        expected = "map" if isinstance(opened.value, Fields) else "seq"
        if tag not in (None, "!", _TAG + expected):
            raise self._fail(line, "an explicit tag is not allowed")
        if len(self._stack) >= DEEPEST:
            raise self._fail(line, f"nested deeper than {DEEPEST} levels")
        self._count(1, line)
        self._stack.append(opened)

    def _close(self, line: int) -> _Open:
        closed = self._stack.pop()
        if isinstance(closed.value, Fields) and closed.merged:
            for merged in closed.merged:
                for key, value in merged.items():
                    if key not in closed.value:
                        closed.value[key] = value
                        closed.value.lines[key] = merged.lines.get(key, line)
        return closed

    def _alias(self, anchor: str | None, line: int) -> None:
        self._aliases += 1
        if self._aliases > MOST_ALIASES:
            raise self._fail(line, f"more than {MOST_ALIASES} aliases")
        if anchor is None or anchor not in self._anchors:
            raise self._fail(line, "an alias names no finished anchor")
        value, nodes = self._anchors[anchor]
        self._count(nodes, line)
        self._place(value, nodes, None, line)

    def _place(self, value: Any, nodes: int, anchor: str | None, line: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (value, nodes)
        if not self._stack:
            self._root = value
            return
        parent = self._stack[-1]
        parent.nodes += nodes
        if isinstance(parent.value, Items):
            parent.value.append(value)
            parent.value.lines.append(line)
        elif parent.key is None:
            self._key(parent, value, line)
        else:
            self._value(parent, parent.key, value, line)

    def _key(self, parent: _Open, key: Any, line: int) -> None:
        if isinstance(key, Fields | Items):
            raise self._fail(line, "a collection cannot be a key")
        name = key if isinstance(key, str) else str(key)
        fields = parent.value
        if isinstance(fields, Fields) and name in fields.lines:
            raise self._fail(line, f"the key {name[:60]!r} stands twice (first on line {fields.lines[name]})")
        parent.key = name
        if isinstance(fields, Fields):
            fields.lines[name] = line

    def _value(self, parent: _Open, key: str, value: Any, line: int) -> None:
        parent.key = None
        if not isinstance(parent.value, Fields):
            return
        if key == "<<":
            parts = value if isinstance(value, Items) else [value]
            if not all(isinstance(part, Fields) for part in parts):
                raise self._fail(line, "a merge key needs mappings")
            parent.merged = [*(parent.merged or []), *parts]
            return
        parent.value[key] = value

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Any:
        self._count(1, line)
        text: str = event.value
        if event.tag in ("!", _TAG + "str"):
            return text
        if event.tag is not None and event.tag not in (
            _TAG + "int",
            _TAG + "bool",
            _TAG + "float",
            _TAG + "null",
        ):
            raise self._fail(line, "an explicit tag is not allowed")
        return resolve(text) if event.implicit[0] or event.tag else text


def resolve(text: str) -> Any:
    """Returns a plain scalar as Kubernetes' YAML reader understands it."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    return _number(text) if text[0] in "+-.0123456789" else text


def _number(text: str) -> Any:
    plain = text.replace("_", "")
    for pattern, read in _NUMBERS:
        if pattern.fullmatch(text):
            return read(plain)
    return text


_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...] = (
    (_INTEGER, int),
    (_HEXADECIMAL, lambda text: int(text, 16)),
    (_OCTAL, lambda text: int(text.replace("o", ""), 8)),
    (_FLOAT, float),
)
