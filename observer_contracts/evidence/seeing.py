"""What a reader says when it looks at something that runs.

Invariant: what could not be looked at is `Unseen` with its reason, and never an empty answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unseen:
    """Something that could not be looked at."""

    reason: str


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer of the collector.

    Attributes:
        status: HTTP status.
        fields: The JSON mapping of its body; empty where it is none.
    """

    status: int
    fields: Mapping[str, object]


def json_fields(body: bytes) -> dict[str, object]:
    """Returns the mapping that a body holds as JSON, or an empty one."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
