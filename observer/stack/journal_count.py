"""Counts what the journal of a day holds, again and again, at the cost of what is new.

Invariant: the figures come from the files alone, so that they survive every process: a sealed segment
is counted by its manifest, an open one by its whole lines.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from observer_core.settings import Paths
from observer_core.settings.paths import Track

_CONTROL = "_control"


@dataclass(frozen=True, slots=True)
class Journaled:
    """What a day's journal holds.

    Attributes:
        records: Records of the broker.
        holes: Breaks of continuity.
        gaps: Intervals without data.
    """

    records: int
    holes: int
    gaps: int


@dataclass
class _OpenSegment:
    offset: int = 0
    records: int = 0
    control: Counter[str] = field(default_factory=Counter)


class JournalCount:
    """Counts the journal below a deployment's data mount.

    Args:
        paths: The layout.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._sealed: dict[Path, tuple[int, Counter[str]]] = {}
        self._open: dict[Path, _OpenSegment] = {}

    def of(self, day: date) -> Journaled:
        """Returns the figures of a receive day, Korean time."""
        records, control = 0, Counter[str]()
        for track in Track:
            folder = self._paths.journal(track, day)
            # The open ones first: a segment that is sealed in between is counted once, a moment later.
            for path in sorted(folder.glob("*.jsonl.open")):
                segment = self._read_on(path)
                records, control = records + segment.records, control + segment.control
            for path in sorted(folder.glob("*.manifest.json")):
                if path not in self._sealed:
                    manifest = json.loads(path.read_bytes())
                    found = Counter(manifest["counts"].get(_CONTROL, {}))
                    self._sealed[path] = (manifest["records"], found)
                records, control = records + self._sealed[path][0], control + self._sealed[path][1]
        return Journaled(records, control["hole"], control["gap"])

    def _read_on(self, path: Path) -> _OpenSegment:
        segment = self._open.setdefault(path, _OpenSegment())
        try:
            with path.open("rb") as file:
                file.seek(segment.offset)
                block = file.read()
        except FileNotFoundError:
            # It has just been sealed; its manifest speaks for it.
            return _OpenSegment()
        whole = block[: block.rfind(b"\n") + 1]
        for line in whole.splitlines():
            # Only the few control lines are read as JSON.
            found = json.loads(line) if b'"_control"' in line else {}
            if found.get("channel") == _CONTROL:
                segment.control[found["key"]] += 1
            else:
                segment.records += 1
        segment.offset += len(whole)
        return segment
