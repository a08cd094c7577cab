"""What the journal is told first.

Invariant: before anything is recorded, the journal says who writes from here on, what was recovered, and
which holes nobody has told of.
"""

from __future__ import annotations

import os
from importlib import metadata
from typing import Any

from observer_collector.recording.journals import Journals, TrackJournal
from observer_collector.recording.recorder import Recorder
from observer_core.journal import ControlKind
from observer_core.logs import logger

_log = logger(__name__)


async def tell_beginning(recorder: Recorder, journals: Journals) -> bool:
    """Writes it in an epoch of its own; waits while the disk takes no new epoch.

    Args:
        recorder: The scalp track's.
        journals: Both tracks, recovered.

    Returns:
        True, once it is told.
    """
    await recorder.begin_epoch()
    recorder.control(ControlKind.START, {"version": metadata.version("observer"), "pid": os.getpid()})
    for track, journal in journals.tracks.items():
        if journal.recovery.segments:
            details = {"track": track.value, "segments": _recovered(journal)}
            recorder.control(ControlKind.RECOVERY, details)
            _log.warning("The journal was recovered.", **details)
    for hole in journals.scalp.recovery.unreported:
        recorder.hole(hole)
    return True


def _recovered(journal: TrackJournal) -> list[dict[str, Any]]:
    return [
        {
            "segment": segment.path.name,
            "lines": segment.lines,
            "records": segment.records,
            "torn_bytes": segment.torn_bytes,
        }
        for segment in journal.recovery.segments
    ]
