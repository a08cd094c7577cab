"""The collector's metrics in Prometheus's terms.

Invariant: the values are those of `status`, read when they are asked for; a counter of this process
begins at zero with the process. Names begin with `observer_`, carry base units, and counters end in
`_total`.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from observer_collector.http.intake_status import connection_open, counters, states
from observer_collector.http.operating_metrics import NANOSECONDS, gauge, intake_metrics, service_metrics
from observer_collector.http.status import Service
from observer_collector.moments import Moment
from observer_collector.recording.intake import Intake
from observer_collector.reporting.reporter import Reporter
from observer_collector.session.slot import SlotState
from observer_core.journal import JournalState
from observer_core.journal.latency import BOUNDS
from observer_core.market.calendar import Phase
from observer_core.settings.paths import Track

_COUNTERS = {
    "scalp_records": ("observer_records", "Records of the websocket feed journaled"),
    "swing_rows": ("observer_sweep_rows", "Rows of sweeps journaled"),
    "messages": ("observer_messages", "Messages received from the broker"),
    "unsplit_frames": ("observer_unsplit_frames", "Frames journaled whole because they cannot be split"),
    "hole_alarms": ("observer_hole_alarms", "Breaks of volume continuity that are faults"),
    "holes_healed": ("observer_holes_healed", "Holes filled from the broker's list of executions"),
    "hole_shares": ("observer_hole_shares", "Shares missing in breaks of volume continuity"),
    "volume_resets": ("observer_volume_resets", "Restarts of a cumulative volume within a day"),
    "unreadable_trades": ("observer_unreadable_trades", "Trades without readable figures"),
}


class ServiceCollector(Collector):
    """Reads the metrics off the service.

    Args:
        service: The parts of the process.
        reporter: What it tells the outside by itself.
    """

    def __init__(self, service: Service, reporter: Reporter) -> None:
        self._service = service
        self._reporter = reporter

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics."""
        service = self._service
        yield gauge("observer_ready", "1 while the collector is ready", service.readiness().ready)
        yield gauge("observer_writer", "1 in the writer, 0 in a standby", service.lock.held)
        yield from service_metrics(service)
        yield from self._reporter.metrics()
        if service.contracts is not None:
            yield from service.contracts.metrics()
        if service.intake is not None:
            yield from _of_intake(service.intake)
            yield from intake_metrics(service.intake, Moment.now(service.clock))


def exposition(service: Service, reporter: Reporter) -> tuple[bytes, str]:
    """Returns all metrics in the text format, and its content type."""
    registry = CollectorRegistry()
    ProcessCollector(namespace="observer", registry=registry)
    registry.register(ServiceCollector(service, reporter))
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _of_intake(intake: Intake) -> Iterator[Metric]:
    counted = counters(intake)
    for key, (name, description) in _COUNTERS.items():
        yield CounterMetricFamily(name, description, value=counted[key])
    holes = CounterMetricFamily(
        "observer_holes", "Breaks of volume continuity by phase of the market", labels=["phase"]
    )
    for phase in Phase:
        holes.add_metric([phase.value], intake.recorder.holes_in[phase.value])
    yield holes
    yield from _of_connection(intake)
    yield from _of_journal(intake)
    yield from _of_sweeps(intake)
    universe = intake.planner.universe
    yield gauge("observer_universe_symbols", "Symbols in force", 0 if universe is None else universe.size)


def _of_connection(intake: Intake) -> Iterator[Metric]:
    connection = intake.connection
    yield gauge("observer_connection_open", "1 while the websocket is open", connection_open(intake))
    yield CounterMetricFamily(
        "observer_reconnects", "Connections after the first one", value=max(0, connection.opened - 1)
    )
    found = {} if connection.session is None else states(connection.session)
    registrations = GaugeMetricFamily("observer_registrations", "Registrations by state", labels=["state"])
    for state in SlotState:
        registrations.add_metric([state.value], found.get(state, 0))
    yield registrations
    last = intake.recorder.last_data
    received = GaugeMetricFamily(
        "observer_last_record_timestamp_seconds",
        "Receive time of the last record; 0 before the first one",
        labels=["track"],
    )
    received.add_metric([Track.SCALP.value], 0 if last is None else last.wall_ns / NANOSECONDS)
    rows = intake.sweeper.last_rows
    received.add_metric([Track.SWING.value], 0 if rows is None else rows.clock_ns / NANOSECONDS)
    yield received


def _of_journal(intake: Intake) -> Iterator[Metric]:
    labels = ["track"]
    lines = CounterMetricFamily("observer_journal_lines", "Lines handed to the journal", labels=labels)
    size = CounterMetricFamily("observer_journal_bytes", "Their bytes", labels=labels)
    sealed = CounterMetricFamily("observer_journal_segments_sealed", "Segments sealed", labels=labels)
    age = GaugeMetricFamily(
        "observer_journal_unsynced_seconds", "Age of the oldest unsynced line", labels=labels
    )
    backlog = GaugeMetricFamily("observer_journal_backlog_bytes", "Bytes that are not durable", labels=labels)
    durable = HistogramMetricFamily(
        "observer_journal_durable_seconds",
        "Time from the receipt of the oldest line of a group until the group was on the disk",
        labels=labels,
    )
    writable = GaugeMetricFamily("observer_journal_writable", "1 while the disk takes lines", labels=labels)
    for track, journal in intake.journals.tracks.items():
        writer, label = journal.writer, [track.value]
        lines.add_metric(label, writer.lines)
        size.add_metric(label, writer.bytes)
        sealed.add_metric(label, writer.sealed)
        age.add_metric(label, writer.unsynced_seconds())
        backlog.add_metric(label, writer.backlog_bytes)
        found = writer.durability
        bounds = [*map(str, BOUNDS), "+Inf"]
        durable.add_metric(
            label, list(zip(bounds, found.cumulative, strict=True)), sum_value=found.total_seconds
        )
        writable.add_metric(label, writer.state is JournalState.WRITABLE)
    yield from (lines, size, sealed, age, backlog, durable, writable)


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
