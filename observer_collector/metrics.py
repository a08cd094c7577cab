"""The collector's metrics in Prometheus's terms.

Invariant: the values are those of `status`, read when they are asked for; a counter of this process
begins at zero with the process. Names begin with `observer_`, carry base units, and counters end in
`_total`.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from observer_collector.intake import Intake
from observer_collector.session import SlotState
from observer_collector.status import Service, connection_open, counters, states
from observer_core.journal import JournalState

_NANOSECONDS = 1_000_000_000

_COUNTERS = {
    "scalp_records": ("observer_records", "Records of the websocket feed journaled"),
    "swing_rows": ("observer_sweep_rows", "Rows of sweeps journaled"),
    "messages": ("observer_messages", "Messages received from the broker"),
    "unsplit_frames": ("observer_unsplit_frames", "Frames journaled whole because they cannot be split"),
    "holes": ("observer_holes", "Breaks of volume continuity"),
    "hole_shares": ("observer_hole_shares", "Shares missing in breaks of volume continuity"),
    "volume_resets": ("observer_volume_resets", "Restarts of a cumulative volume within a day"),
    "unreadable_trades": ("observer_unreadable_trades", "Trades without readable figures"),
}


class ServiceCollector(Collector):
    """Reads the metrics off the service.

    Args:
        service: The parts of the process.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics."""
        service = self._service
        yield _gauge("observer_ready", "1 while the collector is ready", service.readiness().ready)
        yield _gauge("observer_writer", "1 in the writer, 0 in a standby", service.lock.held)
        if service.intake is not None:
            yield from _of_intake(service.intake)


def exposition(service: Service) -> tuple[bytes, str]:
    """Returns all metrics in the text format, and its content type."""
    registry = CollectorRegistry()
    registry.register(ServiceCollector(service))
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _of_intake(intake: Intake) -> Iterator[Metric]:
    counted = counters(intake)
    for key, (name, description) in _COUNTERS.items():
        yield CounterMetricFamily(name, description, value=counted[key])
    yield from _of_connection(intake)
    yield from _of_journal(intake)
    yield from _of_sweeps(intake)
    universe = intake.planner.universe
    yield _gauge("observer_universe_symbols", "Symbols in force", 0 if universe is None else universe.size)


def _of_connection(intake: Intake) -> Iterator[Metric]:
    connection = intake.connection
    yield _gauge("observer_connection_open", "1 while the websocket is open", connection_open(intake))
    yield CounterMetricFamily(
        "observer_reconnects", "Connections after the first one", value=max(0, connection.opened - 1)
    )
    found = {} if connection.session is None else states(connection.session)
    registrations = GaugeMetricFamily("observer_registrations", "Registrations by state", labels=["state"])
    for state in SlotState:
        registrations.add_metric([state.value], found.get(state, 0))
    yield registrations
    last = intake.recorder.last_data
    yield _gauge(
        "observer_last_record_timestamp_seconds",
        "Receive time of the last record",
        0 if last is None else last.wall_ns / _NANOSECONDS,
    )


def _of_journal(intake: Intake) -> Iterator[Metric]:
    labels = ["track"]
    lines = CounterMetricFamily("observer_journal_lines", "Lines handed to the journal", labels=labels)
    size = CounterMetricFamily("observer_journal_bytes", "Their bytes", labels=labels)
    sealed = CounterMetricFamily("observer_journal_segments_sealed", "Segments sealed", labels=labels)
    age = GaugeMetricFamily(
        "observer_journal_unsynced_seconds", "Age of the oldest unsynced line", labels=labels
    )
    backlog = GaugeMetricFamily("observer_journal_backlog_bytes", "Bytes that are not durable", labels=labels)
    writable = GaugeMetricFamily("observer_journal_writable", "1 while the disk takes lines", labels=labels)
    for track, journal in intake.journals.tracks.items():
        writer, label = journal.writer, [track.value]
        lines.add_metric(label, writer.lines)
        size.add_metric(label, writer.bytes)
        sealed.add_metric(label, writer.sealed)
        age.add_metric(label, writer.unsynced_seconds())
        backlog.add_metric(label, writer.backlog_bytes)
        writable.add_metric(label, writer.state is JournalState.WRITABLE)
    yield from (lines, size, sealed, age, backlog, writable)


def _of_sweeps(intake: Intake) -> Iterator[Metric]:
    sweeper = intake.sweeper
    sweeps = CounterMetricFamily("observer_sweeps", "Sweeps by outcome", labels=["outcome"])
    for outcome, number in sweeper.sweeps.items():
        sweeps.add_metric([outcome.value], number)
    yield sweeps
    yield CounterMetricFamily(
        "observer_sweep_requests_failed",
        "Requests of sweeps without an answer",
        value=sweeper.failed_requests,
    )
    yield CounterMetricFamily(
        "observer_sweeps_skipped",
        "Sweeps left out: the one before took too long, or broker or disk refused",
        value=sweeper.skipped,
    )


def _gauge(name: str, description: str, value: float) -> Metric:
    return GaugeMetricFamily(name, description, value=value)
