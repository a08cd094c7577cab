"""Compressing what is sealed, beside the intake.

Invariant: only sealed segments of the writer's own shard are touched, one at a time, in a thread, and
none that is younger than the age that is set; a failure is told and tried again, and never ends the
intake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from observer_collector.recording.journals import Journals
from observer_core.clock import Clock
from observer_core.clock.base import NANOSECONDS
from observer_core.errors import StorageError
from observer_core.journal import SealedSegment, sealed_segments
from observer_core.journal.content import compress
from observer_core.journal.segment import COMPRESSED_SUFFIX
from observer_core.logs import logger
from observer_core.settings import Paths

# Real time between two looks; a segment is compressed in 0.2 s.
_LOOK_SECONDS = 60.0
_HOUR_NS = 3600 * NANOSECONDS

_log = logger(__name__)


class Compressor:
    """Compresses the sealed segments of a shard.

    Args:
        paths: Where the journal lies.
        journals: Both tracks.
        clock: How old a segment is.
        after_hours: The age at which it is compressed.
    """

    def __init__(self, paths: Paths, journals: Journals, clock: Clock, *, after_hours: float) -> None:
        self._paths = paths
        self._journals = journals
        self._clock = clock
        self._after_ns = int(after_hours * _HOUR_NS)
        self._damaged: set[str] = set()
        self._ended = False
        self.segments = 0

    async def run(self) -> None:
        """Looks for segments until cancelled."""
        try:
            while True:
                try:
                    await asyncio.to_thread(self.look)
                except (OSError, StorageError) as error:
                    _log.warning("Segments cannot be compressed now; it is tried again.", error=str(error))
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            # A thread cannot be cancelled: it ends with the segment that it is at.
            self._ended = True

    def look(self) -> None:
        """Compresses what is old enough.

        Raises:
            OSError: The disk refused.
            StorageError: A manifest cannot be read.
        """
        for sealed in self._due():
            if self._ended:
                return
            try:
                compress(sealed)
            except StorageError as error:
                self._damaged.add(sealed.manifest.sha256)
                _log.error("A sealed segment is damaged and stays as it is.", error=str(error))
            else:
                self.segments += 1

    def _due(self) -> Iterator[SealedSegment]:
        youngest_ns = self._clock.now_ns() - self._after_ns
        for track, journal in self._journals.tracks.items():
            root = self._paths.journal(track)
            for folder in sorted(path for path in root.glob("[0-9]*") if path.is_dir()):
                # A day without a plain file is done; its manifests need not be read again.
                if not any(folder.glob(f"{journal.shard}_*.jsonl")):
                    continue
                for sealed in sealed_segments(folder):
                    manifest = sealed.manifest
                    if (
                        manifest.shard == journal.shard
                        and manifest.last_wall_ns <= youngest_ns
                        and manifest.sha256 not in self._damaged
                        and not sealed.path.name.endswith(COMPRESSED_SUFFIX)
                    ):
                        yield sealed
