"""Values files, read and layered as Helm does it.

Invariant: every key knows file and line of the layer that has it last; maps merge, lists and null replace.
What is set singly stands over all files, at its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from observer_contracts.evidence.encoding import decode
from observer_contracts.evidence.objects import Place, Step, field_name, line_at, value_at
from observer_contracts.evidence.yaml_documents import Fields, read_documents
from observer_contracts.helm.assignments import Assignment, assigned, read_assignment
from observer_contracts.helm.charts import Chart, load_tables
from observer_contracts.model import Location, Source
from observer_core.errors import ConfigurationError, InputError


@dataclass(frozen=True, slots=True)
class ValuesFile:
    """One file.

    Attributes:
        fields: Its content.
        problem: Why it cannot be read; empty where it can.
    """

    name: str
    chart: Chart
    fields: Fields
    problem: str = ""

    def where(self, *place: Step) -> Location:
        """Returns where a key stands."""
        return Location(
            Source.VALUES, self.name, line_at(self.fields, place), str(self.chart), field_name(place)
        )


@dataclass(frozen=True, slots=True)
class Layered:
    """All files of one chart, the later over the earlier.

    Attributes:
        values: What the chart gets, without its own defaults.
        assignments: What of it was set singly.
    """

    chart: Chart
    files: tuple[ValuesFile, ...]
    values: dict[str, Any]
    assignments: tuple[Assignment, ...] = ()

    def at(self, *place: Step) -> Any:
        """Returns what stands at a place, or None."""
        return value_at(self.values, *place)

    def mapping(self, *place: Step) -> dict[str, Any]:
        """Returns the mapping at a place, or an empty one."""
        found = self.at(*place)
        return found if isinstance(found, dict) else {}

    def items(self, *place: Step) -> list[tuple[Place, dict[str, Any]]]:
        """Returns the mappings of a list, or of a mapping by name, each with its place."""
        found = self.at(*place)
        named: Iterator[tuple[Step, Any]] = iter(())
        if isinstance(found, list):
            named = iter(enumerate(found))
        elif isinstance(found, dict):
            named = iter(found.items())
        return [((*place, step), item) for step, item in named if isinstance(item, dict)]

    def code_locations(self) -> list[tuple[Place, dict[str, Any]]]:
        """Returns the code locations that the release makes, each with its place."""
        if self.chart is Chart.CODE:
            return self.items("deployments")
        if self.at("dagster-user-deployments", "enableSubchart") is False:
            return []
        return self.items("dagster-user-deployments", "deployments")

    def where(self, *place: Step) -> Location:
        """Returns where a key stands: set singly, in the last file that has it, or nearest to it."""
        if any(place[: len(one.place)] == one.place for one in self.assignments):
            return Location(Source.VALUES, "--helm-set", None, str(self.chart), field_name(place))
        for file in reversed(self.files):
            if value_at(file.fields, *place) is not None:
                return file.where(*place)
        last = next(
            (file for file in reversed(self.files) if place and place[0] in file.fields), self.files[-1]
        )
        return last.where(*place)


@dataclass(frozen=True, slots=True)
class HelmValues:
    """What was given: files, and what they make of each chart."""

    files: tuple[ValuesFile, ...]
    charts: tuple[Layered, ...] = field(default=())

    def of(self, chart: Chart) -> Layered | None:
        """Returns the values of a chart, None where no file is for it."""
        return next((found for found in self.charts if found.chart is chart), None)


def read_values(paths: Sequence[str], single: Sequence[str] = ()) -> HelmValues:
    """Reads files in the order of Helm's `-f`, and then its `--set`.

    Args:
        paths: The files.
        single: Single values, each for every given chart that has such a key at its top.

    Raises:
        ConfigurationError: A file is not there, or a single value is for none of the charts.
    """
    files = tuple(_read(Path(path)) for path in paths)
    readable = [file for file in files if not file.problem]
    assignments = [read_assignment(text) for text in single]
    charts: list[Layered] = []
    for chart in Chart:
        own = tuple(file for file in readable if file.chart is chart)
        if own:
            values: dict[str, Any] = {}
            for file in own:
                values = _over(values, file.fields)
            known = tuple(one for one in assignments if one.place[0] in load_tables()[chart].fields)
            for one in known:
                values = assigned(values, one.place, one.value)
            charts.append(Layered(chart, own, values, known))
    _refuse_strays(assignments, charts)
    return HelmValues(files, tuple(charts))


def _refuse_strays(assignments: Sequence[Assignment], charts: Sequence[Layered]) -> None:
    for one in assignments:
        if not any(one in layered.assignments for layered in charts):
            raise ConfigurationError(
                f"--helm-set {one.text} is for none of the charts whose values were given.",
                remedy=f"Correct `{one.place[0]}`, or give the values of its chart with --helm-values.",
            )


def _read(path: Path) -> ValuesFile:
    name = str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"--helm-values {name} cannot be read: {error.strerror}.", remedy="Name a values file."
        ) from error
    try:
        documents = list(read_documents(decode(content, name), name))
    except InputError as error:
        return ValuesFile(name, Chart.SYSTEM, Fields(1), str(error))
    if len(documents) != 1 or not isinstance(documents[0], Fields):
        return ValuesFile(name, Chart.SYSTEM, Fields(1), "it is not one mapping, as Helm asks")
    return ValuesFile(name, _chart_of(documents[0]), documents[0])


def _chart_of(fields: Fields) -> Chart:
    """Returns the chart that knows the most of the keys."""
    tables = load_tables()
    return max(Chart, key=lambda chart: len(set(fields) & set(tables[chart].fields)))


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        both = isinstance(under, dict) and isinstance(value, dict)
        result[key] = _over(under, value) if both else value  # type: ignore[arg-type]  # `both` says so
    return result
