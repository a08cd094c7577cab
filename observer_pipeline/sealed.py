"""Which segments the collector has sealed, by their names alone.

Invariant: schedules and sensors decide from names of files, whatever a day holds: no manifest is parsed
and no library that reads Parquet is loaded in the code server.
"""

from __future__ import annotations

import hashlib
from datetime import date

from observer_core.journal.segment import MANIFEST_SUFFIX, SegmentName
from observer_core.settings.paths import Paths, Track


def sealed_names(paths: Paths, day: date) -> list[str]:
    """Returns the names of a day's manifests, of both tracks, in order."""
    folders = (paths.journal(track, day) for track in Track)
    return sorted(path.name for folder in folders for path in folder.glob(f"[!.]*{MANIFEST_SUFFIX}"))


def sealed_hours(paths: Paths, day: date) -> set[int]:
    """Returns the receive hours of a day that have sealed segments."""
    names = (SegmentName.parse(name) for name in sealed_names(paths, day))
    return {name.hour for name in names if name is not None}


def state_of(paths: Paths, day: date) -> str:
    """Returns a short text that changes whenever a segment of the day is sealed; empty without any."""
    names = sealed_names(paths, day)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:12] if names else ""
