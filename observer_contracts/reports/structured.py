"""The results as JSON, format 1."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from observer_contracts.model import Location, Result

FORMAT = 1


def render_json(results: Sequence[Result]) -> str:
    """Returns the results as a JSON document, ended by a line end."""
    return json.dumps(as_data(results), ensure_ascii=False, indent=1) + "\n"


def as_data(results: Sequence[Result]) -> dict[str, Any]:
    """Returns the results as plain data: counts by state, counts of states by contract, and each result."""
    by_status = Counter(result.status.value for result in results)
    by_contract: dict[str, Counter[str]] = {}
    for result in results:
        by_contract.setdefault(result.rule.contract.value, Counter())[result.status.value] += 1
    summary = {
        "by_status": dict(sorted(by_status.items())),
        "by_contract": {name: dict(sorted(counts.items())) for name, counts in sorted(by_contract.items())},
    }
    return {"schema": FORMAT, "summary": summary, "results": [_result(result) for result in results]}


def _result(result: Result) -> dict[str, Any]:
    rule, finding = result.rule, result.finding
    return {
        "rule": rule.id,
        "contract": rule.contract.value,
        "cf": rule.cf,
        "incident": rule.incident,
        "severity": result.severity.value,
        "status": result.status.value,
        "title": rule.title,
        "object": finding.object,
        "expected": finding.expected,
        "observed": finding.observed,
        "evidence": [_location(location) for location in finding.evidence],
        "remedy": result.remedy,
    }


def _location(location: Location) -> dict[str, Any]:
    return {
        "source": location.source.value,
        "file": location.file or None,
        "line": location.line,
        "object": location.object or None,
        "field": location.field or None,
    }
