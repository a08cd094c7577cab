"""Makes `observer_contracts/helm/data/dagster_charts.json` from the charts' `values.schema.json`.

Run it with a folder that holds `values.schema.json` of the chart `dagster` and `dagster-user-
deployments.values.schema.json`, as the chart ships them or rebuilt from its models (helm/dagster/schema of
dagster-io/dagster). What is Kubernetes' own becomes the name of a type of
`observer_contracts/rules/data/kubernetes_shapes.json`.
"""

import json
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parents[3] / "observer_contracts/helm/data/dagster_charts.json"
CHARTS = {
    "dagster": "values.schema.json",
    "dagster-user-deployments": "dagster-user-deployments.values.schema.json",
}
_SCALARS = {"string": "str", "integer": "int", "boolean": "bool", "number": "int", "null": ""}


class Shapes:
    """Collects the types of one schema under short names."""

    def __init__(self, definitions: dict[str, Any], types: dict[str, Any]) -> None:
        self._definitions = definitions
        self._types = types

    def name(self, schema: dict[str, Any], place: str) -> str:
        """Returns the type of a schema: a scalar, `list[..]`, `map[..]`, `any`, a name, or some with `|`."""
        if "$ref" in schema:
            return self._reference(schema["$ref"].rsplit("/", 1)[1])
        if "enum" in schema:
            return f"enum({','.join(map(str, schema['enum']))})"
        if "allOf" in schema:
            return self.name(schema["allOf"][0], place)
        if "anyOf" in schema:
            found = [self.name(one, f"{place}.{number}") for number, one in enumerate(schema["anyOf"])]
            return "|".join(dict.fromkeys(filter(None, found)))
        kinds = schema.get("type", "object")
        kind = next((one for one in ([kinds] if isinstance(kinds, str) else kinds) if one != "null"), "null")
        if kind in _SCALARS:
            return _SCALARS[kind]
        if kind == "array":
            return f"list[{self.name(schema.get('items', {}), f'{place}.item')}]"
        return self._mapping(schema, place)

    def _reference(self, name: str) -> str:
        if name.startswith("k8s."):
            return name.removeprefix("k8s.")
        if name not in self._types:
            definition = self._definitions[name]
            if "properties" not in definition:
                return self.name(definition, name)
            self._add(name, definition)
        return name

    def _mapping(self, schema: dict[str, Any], place: str) -> str:
        if "properties" in schema:
            return self._add(place, schema)
        values = schema.get("additionalProperties")
        return f"map[{self.name(values, f'{place}.value')}]" if isinstance(values, dict) else "any"

    def _add(self, name: str, schema: dict[str, Any]) -> str:
        self._types[name] = made = {"open": schema.get("additionalProperties") is not False, "fields": {}}
        for key, value in schema["properties"].items():
            made["fields"][key] = self.name(value, f"{name}.{key}")
        return name


def shapes(folder: Path) -> dict[str, Any]:
    """Returns the types of both charts, and which of them each chart begins with."""
    types: dict[str, Any] = {}
    for chart, file in CHARTS.items():
        schema = json.loads((folder / file).read_text())
        Shapes(schema["$defs"], types)._add(chart, schema)
    models = "dagster-io/dagster helm/dagster/schema (chart 1.13, models of mid-2026)"
    source = f"{models}, by tests/deploy/helm/chart_shapes.py"
    return {"source": source, "types": types}


if __name__ == "__main__":
    FILE.write_text(json.dumps(shapes(Path(sys.argv[1])), separators=(",", ":"), sort_keys=True) + "\n")
