"""The journal of one shard: both tracks, recovered and ready to be written.

Invariant: recovery runs while the writer's lock is held and before a line is written; a disk that
refuses it delays the start and never ends it.
"""

from __future__ import annotations

import asyncio
import errno
from dataclasses import dataclass

from observer_collector.market_hours import MarketHours
from observer_collector.recording.recorder import PROVIDER
from observer_collector.recording.streams import TRADE_CHANNELS
from observer_core.accounting import ContinuityPolicy, VolumeContinuity
from observer_core.brokers.kis.catalogue import CHANNELS
from observer_core.clock import Clock
from observer_core.journal import EpochStore, JournalWriter, WriterSettings
from observer_core.journal.recovery import JournalRecovery, Recovery
from observer_core.logs import logger
from observer_core.settings import CollectorSettings, Paths
from observer_core.settings.paths import Track

_MEGABYTE = 1024 * 1024
_RETRY_SECONDS = 1.0

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class TrackJournal:
    """One track.

    Attributes:
        shard: The shard as its lines name it.
        writer: Its writer.
        epochs: The numbers of its connections.
        recovery: What was found at the start.
    """

    shard: str
    writer: JournalWriter
    epochs: EpochStore
    recovery: Recovery


@dataclass(frozen=True, slots=True)
class Journals:
    """Both tracks and the accounting that their recovery has restored."""

    scalp: TrackJournal
    swing: TrackJournal
    continuity: VolumeContinuity

    @property
    def tracks(self) -> dict[Track, TrackJournal]:
        """The tracks by name."""
        return {Track.SCALP: self.scalp, Track.SWING: self.swing}


async def open_journals(
    paths: Paths, settings: CollectorSettings, hours: MarketHours, clock: Clock
) -> Journals:
    """Recovers both tracks and returns their writers; call it with the writer's lock held.

    Args:
        paths: Where the journal lies.
        settings: Shard, segment size and interval of the disk.
        hours: Names the phase of a recovered hole.
        clock: The process's clock.
    """
    policy = continuity_policy(settings)
    continuity = VolumeContinuity(lambda instant_ns: hours.phase(instant_ns).value, policy)
    scalp = _settings_of(paths, settings, Track.SCALP, settings.shard)
    # Shards of their own, so that the identities of both tracks never collide.
    swing = _settings_of(paths, settings, Track.SWING, f"{settings.shard}-swing")
    recovered = await _insist(
        JournalRecovery(
            scalp,
            trade_channels=TRADE_CHANNELS,
            phase_at=lambda instant_ns: hours.phase(instant_ns).value,
            policy=policy,
        )
    )
    continuity.restore(recovered.continuity)
    return Journals(
        scalp=_track(paths, scalp, recovered, JournalWriter(scalp, clock, continuity=continuity.state)),
        swing=_track(paths, swing, await _insist(JournalRecovery(swing)), JournalWriter(swing, clock)),
        continuity=continuity,
    )


def continuity_policy(settings: CollectorSettings) -> ContinuityPolicy:
    """Returns what the accounting takes for a fault, by the settings."""
    alarms = (name.partition(":") for name in settings.hole_alarms)
    return ContinuityPolicy(
        alarms=frozenset(
            (channel, phase)
            for venue, _, phase in alarms
            for channel in TRADE_CHANNELS
            if CHANNELS[channel].venue.value == venue
        ),
        restarts=frozenset(settings.volume_restarts),
    )


def _settings_of(paths: Paths, settings: CollectorSettings, track: Track, shard: str) -> WriterSettings:
    return WriterSettings(
        root=paths.journal(track),
        track=track,
        provider=PROVIDER,
        shard=shard,
        sync_seconds=settings.fsync_interval_ms / 1000,
        segment_bytes=settings.segment_megabytes * _MEGABYTE,
        reserve_bytes=settings.reserve_megabytes * _MEGABYTE,
    )


def _track(paths: Paths, settings: WriterSettings, recovery: Recovery, writer: JournalWriter) -> TrackJournal:
    epochs = EpochStore(paths.epochs(settings.track, settings.shard), seen=recovery.last_epoch)
    return TrackJournal(settings.shard, writer, epochs, recovery)


async def _insist(recovery: JournalRecovery) -> Recovery:
    while True:
        try:
            found = await asyncio.to_thread(recovery.recover)
        except OSError as error:
            _log.error("The journal cannot be recovered yet; it is tried again.", error=str(error))
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                # Sealing needs a manifest's worth of space, and that is what the reserve is kept for.
                recovery.settings.reserve_path.unlink(missing_ok=True)
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            for path in found.strange:
                _log.error("What bears a segment's name is no file; it is passed over.", path=str(path))
            return found
