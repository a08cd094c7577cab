"""HLM-001 to HLM-003: the files can be read, every key is one that the chart reads, and has its type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import Place, field_name
from observer_contracts.evidence.yaml_documents import Fields, Items
from observer_contracts.helm.charts import MOVED, PARTIAL, Chart, is_scalar, load_tables, places_of
from observer_contracts.helm.values import HelmValues, ValuesFile
from observer_contracts.model import Finding, Location, Source
from observer_contracts.rules.findings import candidates, failed, passed, shown
from observer_contracts.rules.shapes import QUANTITIES

_WORDS = {"str": "a text; quote it", "int": "a whole number", "bool": "true or false"}
_PYTHON: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,)}


class _Kind(Enum):
    KEY = auto()
    TYPE = auto()


@dataclass(frozen=True, slots=True)
class _Problem:
    kind: _Kind
    place: Place
    expected: str
    observed: str
    remedy: str = ""


def readable(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """HLM-001: every file is one mapping."""
    for file in _files(evidence):
        expected = "one YAML mapping without a key that stands twice"
        where = Location(Source.VALUES, file.name, object=str(file.chart))
        yield (
            failed(file.name, expected, file.problem, where)
            if file.problem
            else passed(file.name, expected, f"values of the chart {file.chart}", where)
        )


def known_keys(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """HLM-002: every key is one that a template reads, at its place."""
    yield from _judged(evidence, _Kind.KEY, "keys that the chart reads")


def types_fit(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """HLM-003: every value has the type that the chart asks for."""
    yield from _judged(evidence, _Kind.TYPE, "types that the chart asks for")


def _files(evidence: Evidence) -> tuple[ValuesFile, ...]:
    values: HelmValues | None = evidence.values
    return values.files if values else ()


def _judged(evidence: Evidence, kind: _Kind, expected: str) -> Iterator[Finding]:
    for file in _files(evidence):
        if file.problem:
            continue
        found = [one for one in _Comparison(file.chart).compare(file.fields) if one.kind is kind]
        for problem in found:
            where = file.where(*problem.place)
            yield failed(file.name, problem.expected, problem.observed, where, remedy=problem.remedy)
        if not found:
            yield passed(file.name, expected, "all of them", file.where())


class _Comparison:
    """Compares values with the keys of one chart."""

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        self._tables = load_tables()

    def compare(self, fields: Fields) -> Iterator[_Problem]:
        yield from self._mapping(fields, self._chart, (), partial=False)

    def _value(self, value: Any, kind: str, place: Place, *, partial: bool) -> Iterator[_Problem]:
        """Null is always right: it takes a default away."""
        if value is None or kind == "any":
            return
        choices = kind.split("|") if not kind.startswith(("list[", "map[")) else _alternatives(kind)
        fitting = [choice for choice in choices if self._fits(value, choice, place)]
        if not fitting:
            expected = " or ".join(self._words(choice) for choice in choices)
            yield _Problem(_Kind.TYPE, place, f"{field_name(place)}: {expected}", _said(value))
            return
        choice = fitting[0]
        if choice.startswith("list["):
            for index, item in enumerate(value):
                yield from self._value(item, choice[5:-1], (*place, index), partial=False)
        elif choice.startswith("map["):
            for key, item in value.items():
                yield from self._value(item, choice[4:-1], (*place, key), partial=False)
        elif not is_scalar(choice):
            yield from self._mapping(value, choice, place, partial=partial)

    def _fits(self, value: Any, kind: str, place: Place) -> bool:
        if kind == "any":
            return True
        if kind.startswith("enum("):
            return str(value) in kind[5:-1].split(",")
        if kind in _PYTHON:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            quantity = kind == "str" and number and bool(QUANTITIES & {str(step) for step in place[-2:]})
            return type(value) in _PYTHON[kind] or quantity
        return isinstance(value, Items) if kind.startswith("list[") else isinstance(value, Fields)

    def _words(self, kind: str) -> str:
        if kind.startswith("enum("):
            return f"one of {', '.join(kind[5:-1].split(','))}"
        return _WORDS.get(kind) or ("a list" if kind.startswith("list[") else "a mapping")

    def _mapping(self, fields: Fields, name: str, place: Place, *, partial: bool) -> Iterator[_Problem]:
        table = self._tables[name]
        partial = partial or (name in PARTIAL and "runK8sConfig" in place)
        for key, value in fields.items():
            known = _camel(key) if partial else key
            if known in table.fields:
                yield from self._value(value, table.fields[known], (*place, key), partial=partial)
            else:
                yield self._unknown(key, name, place)

    def _unknown(self, key: str, name: str, place: Place) -> _Problem:
        table = self._tables[name]
        above = field_name(place) or f"the chart {self._chart}"
        what = _consequence(name, place, refused=table.refused)
        remedy = self._remedy(key, name)
        expected = f"a key that {above} has"
        return _Problem(_Kind.KEY, (*place, key), expected, f"{shown(key)} is unknown; {what}", remedy)

    def _remedy(self, key: str, name: str) -> str:
        fields = self._tables[name].fields
        if (name, key) in MOVED:
            return f"It belongs to: {MOVED[name, key]}."
        if _camel(key) in fields:
            return f"Write {_camel(key)}: the charts' keys are in camel case."
        elsewhere = [
            path for path in places_of(_camel(key), self._chart) if "." in path or _camel(key) != key
        ]
        elsewhere = elsewhere or list(places_of(key, self._chart))
        hint = candidates(key, fields)
        if hint:
            return f"{hint} Or remove it."
        if elsewhere:
            return f"It belongs to: {', '.join(elsewhere[:3])}."
        return "Remove it: no template reads it."


def _consequence(name: str, place: Place, *, refused: bool) -> str:
    if "runK8sConfig" in place:
        return "Helm takes it, and the run launcher fails on it"
    if name.startswith(("V1", "CoreV1")):
        return "Kubernetes has no such field"
    return "Helm refuses it" if refused else "Helm takes it without a word and the chart never reads it"


def _alternatives(kind: str) -> list[str]:
    """Splits `list[A|B]|map[C]` at the bars between types, not at those inside."""
    parts, depth, current = [], 0, ""
    for character in kind:
        depth += (character == "[") - (character == "]")
        if character == "|" and not depth:
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current]


def _camel(key: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), key)


def _said(value: Any) -> str:
    if isinstance(value, Fields):
        return "a mapping"
    if isinstance(value, Items):
        return "a list"
    names: dict[type, str] = {str: "a text", bool: "a truth value", int: "a number", float: "a number"}
    return names[type(value)]
