"""Kubernetes objects as they were read.

Invariant: access is total: a field that is missing or has the wrong shape reads as empty, and
`wrong shapes` is a finding of its own rule. Every field can say in which source file and line it
stands, even when the object was rendered from several files. Values of Secrets are not here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from observer_contracts.evidence.yaml_documents import Fields, Items
from observer_contracts.model import Location, Source

Step = str | int
Place = tuple[Step, ...]

# What tells one item of a list from another, in the order in which it is asked for.
_ITEM_KEYS = ("name", "mountPath", "port", "containerPort", "secretRef", "configMapRef")


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document of a source file from which an object was rendered."""

    file: str
    fields: Fields


@dataclass(frozen=True, slots=True, eq=False)
class KubernetesObject:
    """One object.

    Attributes:
        fields: Its content; `data` of a Secret is replaced by lengths.
        file: The file or stream it was read from.
        sources: The documents it was rendered from, the overlay's first; empty where it was not rendered.
    """

    fields: Fields
    file: str
    sources: tuple[SourceDocument, ...] = ()
    source: Source = Source.MANIFESTS

    @property
    def kind(self) -> str:
        return text_at(self.fields, "kind")

    @property
    def name(self) -> str:
        return text_at(self.fields, "metadata", "name")

    @property
    def namespace(self) -> str:
        return text_at(self.fields, "metadata", "namespace")

    @property
    def label(self) -> str:
        """`Kind/name`."""
        return f"{self.kind}/{self.name}"

    def mapping(self, *place: Step) -> Fields:
        """Returns the mapping at a place, or an empty one."""
        return mapping_at(self.fields, *place)

    def items(self, *place: Step) -> list[tuple[Place, Fields]]:
        """Returns the mappings of the list at a place, each with its own place."""
        return [((*place, index), item) for index, item in items_at(self.fields, *place)]

    def text(self, *place: Step) -> str:
        """Returns the text at a place, or an empty one."""
        return text_at(self.fields, *place)

    def value(self, *place: Step) -> Any:
        """Returns what stands at a place, or None."""
        return value_at(self.fields, *place)

    def where(self, *place: Step) -> Location:
        """Returns where a field stands: in the outermost source that has it, else where the object begins."""
        shown = field_name(place)
        if not self.sources:
            # The API's JSON has no lines.
            return Location(self.source, self.file, line_at(self.fields, place) or None, self.label, shown)
        named = self._by_item_key(place)
        for document in self.sources:
            line = _exact_line(document.fields, named)
            if line is not None:
                return Location(self.source, document.file, line, self.label, shown)
        last = self.sources[-1]
        return Location(self.source, last.file, _nearest_line(last.fields, named), self.label, shown)

    def _by_item_key(self, place: Place) -> tuple[Step | tuple[str, Any], ...]:
        """Replaces the indices of a place by what names the item, as order may differ between files."""
        steps: list[Step | tuple[str, Any]] = []
        value: Any = self.fields
        for step in place:
            value = value_at(value, step)
            key = next((key for key in _ITEM_KEYS if isinstance(value, Fields) and key in value), None)
            steps.append((key, value[key]) if isinstance(step, int) and key else step)
        return tuple(steps)


def value_at(value: Any, *place: Step) -> Any:
    """Returns what stands at a place below a value, or None."""
    for step in place:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def mapping_at(value: Any, *place: Step) -> Fields:
    """Returns the mapping at a place, or an empty one."""
    found = value_at(value, *place)
    return found if isinstance(found, Fields) else Fields(1)


def items_at(value: Any, *place: Step) -> list[tuple[int, Fields]]:
    """Returns the mappings of the list at a place with their indices."""
    found = value_at(value, *place)
    if not isinstance(found, list):
        return []
    return [(index, item) for index, item in enumerate(found) if isinstance(item, Fields)]


def text_at(value: Any, *place: Step) -> str:
    """Returns the text at a place, or an empty one."""
    found = value_at(value, *place)
    return found if isinstance(found, str) else ""


def as_text(value: Any) -> str:
    """Returns a scalar as the text that an environment variable would hold."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def field_name(place: Sequence[Step]) -> str:
    """Returns a place as people write it: `spec.containers[0].env`."""
    shown = ""
    for step in place:
        shown += f"[{step}]" if isinstance(step, int) else f".{step}" if shown else step
    return shown


def line_at(fields: Fields, place: Sequence[Step]) -> int:
    """Returns the line of a field, or that of the nearest field around it."""
    return _nearest_line(fields, place)


def _walk(fields: Fields, place: Sequence[Step | tuple[str, Any]]) -> Iterator[int]:
    value: Any = fields
    for step in place:
        if isinstance(step, str) and isinstance(value, Fields) and step in value:
            yield value.lines.get(step, value.line)
            value = value[step]
        elif isinstance(step, int) and isinstance(value, Items) and step < len(value):
            yield value.lines[step]
            value = value[step]
        elif isinstance(step, tuple) and isinstance(value, Items):
            index = _index(value, step)
            if index is None:
                return
            yield value.lines[index]
            value = value[index]
        else:
            return


def _index(items: Items, wanted: tuple[str, Any]) -> int | None:
    key, name = wanted
    return next(
        (i for i, item in enumerate(items) if isinstance(item, Fields) and item.get(key) == name), None
    )


def _nearest_line(fields: Fields, place: Sequence[Step | tuple[str, Any]]) -> int:
    line = fields.line
    for found in _walk(fields, place):
        line = found
    return line


def _exact_line(fields: Fields, place: Sequence[Step | tuple[str, Any]]) -> int | None:
    lines = list(_walk(fields, place))
    if len(lines) != len(place):
        return None
    return lines[-1] if lines else fields.line
