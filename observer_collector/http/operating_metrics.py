"""What the rules of `deploy/components/monitoring` ask for beyond the counters.

Invariant: instants are exported as they stand on the collector's clock, together with the clock
itself, so that a rule subtracts the two and is right on a virtual day as well; hours come from the
exchange's calendar, so that no rule knows any. A state is one series per possible value, 1 for the
present one, and every label has a closed list of values.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from enum import StrEnum
from importlib import metadata

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from observer_collector.http.backup import backup_metrics
from observer_collector.http.status import ROLES, Service
from observer_collector.http.volumes import quarantined_bytes, volumes
from observer_collector.moments import Moment
from observer_collector.recording.intake import Intake
from observer_collector.recording.recorder import UNLISTED_CODE
from observer_collector.session.connection import ConnectionState
from observer_core.brokers.kis.codes import LISTED_CODES
from observer_core.journal import ControlKind, JournalState
from observer_core.market.calendar import Phase

NANOSECONDS = 1_000_000_000


def service_metrics(service: Service) -> Iterator[Metric]:
    """Yields what every process tells, a standby included."""
    now_ns = service.clock.now_ns()
    build = {"version": metadata.version("observer"), "python": platform.python_version()}
    yield InfoMetricFamily("observer_build", "Version of the program", value=build)
    yield gauge("observer_clock_timestamp_seconds", "The collector's clock", now_ns / NANOSECONDS)
    yield _state_set("observer_role", "Role of the process", "role", ROLES, service.role())
    yield from _of_hours(service, now_ns)
    yield from _of_volumes(service)
    yield from service.helpers.metrics()
    yield from backup_metrics(service.paths, configured=service.backs_up)
    token = service.tokens.token_state()
    if token is not None:
        yield gauge(
            "observer_token_expiry_timestamp_seconds",
            "When the access token in the cache ends",
            token.expires_at.timestamp(),
        )


def intake_metrics(intake: Intake, now: Moment) -> Iterator[Metric]:
    """Yields what the writer tells."""
    connection, recorder = intake.connection, intake.recorder
    yield _state_set(
        "observer_session_state", "The broker's session", "state", ConnectionState, connection.state
    )
    yield gauge("observer_broker_refused", "1 while the broker refuses key or session", connection.refused)
    refusals = CounterMetricFamily("observer_refusals", "Refusals of the broker by its code", labels=["code"])
    for code in (*sorted(LISTED_CODES), UNLISTED_CODE):
        refusals.add_metric([code], recorder.refusals[code])
    yield refusals
    controls = CounterMetricFamily("observer_control_records", "Control records by kind", labels=["kind"])
    for kind in ControlKind:
        controls.add_metric([kind.value], recorder.controls[kind])
    yield controls
    unknown = CounterMetricFamily(
        "observer_unknown_frames",
        "Frames of channels or widths, replies with codes and rows of answers, that no table lists",
        labels=["what"],
    )
    unknown.add_metric(["channel"], recorder.unknown.channels.total())
    unknown.add_metric(["width"], recorder.unknown.widths.total())
    unknown.add_metric(["code"], recorder.unknown.codes.total())
    unknown.add_metric(["row"], recorder.unknown.rows.total())
    yield unknown
    yield from _of_delivery(intake, now)
    yield from _of_journal_state(intake)
    yield _of_comparison(intake)


def gauge(name: str, description: str, value: float) -> Metric:
    """Returns a gauge without labels."""
    return GaugeMetricFamily(name, description, value=value)


def _of_hours(service: Service, now_ns: int) -> Iterator[Metric]:
    phase = service.hours.phase(now_ns)
    yield _state_set("observer_market_phase", "What the exchange does", "phase", Phase, phase)
    yield gauge(
        "observer_data_expected",
        "1 while the broker may have something new, from the opening auction to the day's end",
        service.hours.has_data(now_ns),
    )
    yield gauge(
        "observer_trades_expected", "1 while liquid symbols trade continuously", phase.delivers_trades
    )
    starts, ends = service.hours.window(now_ns)
    yield gauge(
        "observer_window_start_timestamp_seconds",
        "When the window in which data are due began, or the next one begins",
        starts.timestamp(),
    )
    yield gauge("observer_window_end_timestamp_seconds", "When it ends", ends.timestamp())


def _of_volumes(service: Service) -> Iterator[Metric]:
    size = GaugeMetricFamily("observer_volume_size_bytes", "Size of a volume", labels=["volume"])
    free = GaugeMetricFamily("observer_volume_free_bytes", "What may still be written", labels=["volume"])
    for volume in volumes(service.paths):
        size.add_metric([volume.name], volume.size_bytes)
        free.add_metric([volume.name], volume.free_bytes)
    yield from (size, free)
    yield gauge(
        "observer_quarantine_bytes",
        "Lines of the day that compaction could not understand",
        quarantined_bytes(service.paths, service.clock.now().date()),
    )


def _of_delivery(intake: Intake, now: Moment) -> Iterator[Metric]:
    session = intake.connection.session
    delivering = 0 if session is None else sum(session.delivers(pair, now) for pair in session.slots)
    yield gauge(
        "observer_registrations_delivering", "Registrations of which records come at present", delivering
    )
    yield gauge(
        "observer_universe_fallback", "1 while an earlier day's universe is in force", intake.planner.fallback
    )
    yield gauge(
        "observer_sweep_interval_seconds",
        "From one sweep over the universe to the next",
        intake.sweeper.interval_seconds,
    )


def _of_comparison(intake: Intake) -> Metric:
    offset = GaugeMetricFamily(
        "observer_broker_clock_offset_seconds",
        "The broker's time minus ours, as bounds that hold for certain; none on a virtual day",
        labels=["bound"],
    )
    found = intake.comparison.last
    if found is not None:
        offset.add_metric(["at_least"], found.at_least_ns / NANOSECONDS)
        offset.add_metric(["at_most"], found.at_most_ns / NANOSECONDS)
    return offset


def _of_journal_state(intake: Intake) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "observer_journal_state", "Whether lines reach the disk", labels=["track", "state"]
    )
    for track, journal in intake.journals.tracks.items():
        for one in JournalState:
            state.add_metric([track.value, one.value], journal.writer.state is one)
    yield state


def _state_set(
    name: str, description: str, label: str, values: Iterable[StrEnum] | Iterable[str], present: str
) -> Metric:
    family = GaugeMetricFamily(name, description, labels=[label])
    for value in values:
        family.add_metric([str(value)], str(value) == str(present))
    return family
