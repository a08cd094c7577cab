"""What each source of symbols did last.

Invariant: a source that was not needed keeps what it last did; a damaged file is begun anew, for it is told
again with each refresh.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from observer_core.files import write_atomically
from observer_core.json_text import parse_json
from observer_core.logs import logger

FORMAT = 1

_log = logger(__name__)


def write_health(path: Path, outcomes: Mapping[str, Mapping[str, Any]], now: datetime) -> None:
    """Keeps the last outcome of each source.

    Args:
        path: `Paths.symbol_health`.
        outcomes: Source -> what it did now, of those that were asked or are not known yet.
        now: When.
    """
    known = read_health(path)
    known |= {name: {**outcome, "at": now.isoformat()} for name, outcome in outcomes.items()}
    content = json.dumps({"format": FORMAT, "stages": known}, ensure_ascii=False, indent=1)
    write_atomically(path, content.encode())


def read_health(path: Path) -> dict[str, Any]:
    """Returns source -> what it did last; none where nothing is known."""
    try:
        stages = parse_json(path.read_bytes())["stages"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("The symbol health file is unreadable; it is begun anew.", error=str(error))
        return {}
    return stages if isinstance(stages, dict) else {}
