"""The monitoring component's rules as Prometheus itself reads them, at real or at scaled speed.

Invariant: there is one copy of the rules, the PrometheusRule of the component. Where the market runs N times
as fast, each duration of a rule (`for`, ranges, offsets) is divided by N; thresholds in seconds are compared
with the collector's own clock, which runs N times as fast by itself.
"""

import re
from pathlib import Path
from typing import Any

import yaml

COMPONENT = Path(__file__).resolve().parents[2] / "deploy" / "components" / "monitoring"
RULES = COMPONENT / "rules.yaml"

_MILLISECONDS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_IN_EXPRESSION = re.compile(r"(?<=\[)\d+[smhd](?=\])|(?<=offset )\d+[smhd]\b")


def groups() -> list[dict[str, Any]]:
    """Returns the groups of rules as they stand in the component."""
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["spec"]["groups"]
    return found


def rules() -> list[dict[str, Any]]:
    """Returns all rules."""
    return [rule for group in groups() for rule in group["rules"]]


def alerts() -> set[str]:
    """Returns the names of all alerts."""
    return {rule["alert"] for rule in rules() if "alert" in rule}


def rule_file(path: Path, *, scale: int = 1) -> Path:
    """Writes the rules as a file of Prometheus.

    Args:
        path: Where to.
        scale: How many times as fast the market runs.
    """
    content = groups()
    for group in content:
        for rule in group["rules"]:
            rule["expr"] = _IN_EXPRESSION.sub(lambda found: _scaled(found[0], scale), rule["expr"])
            if "for" in rule:
                rule["for"] = _scaled(rule["for"], scale)
    path.write_text(yaml.safe_dump({"groups": content}, sort_keys=False))
    return path


def _scaled(duration: str, scale: int) -> str:
    return f"{int(duration[:-1]) * _MILLISECONDS[duration[-1]] // scale}ms"
