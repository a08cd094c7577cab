"""What the collector tells the outside by itself.

Invariant: it needs neither Dagster nor Prometheus nor the database. It never touches the hot path: it
looks at the service once a second, and whatever it sends is sent beside the intake. What was reported
is kept beside the logs, because the data volume may be the one that is full.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import httpx
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from pydantic import SecretStr

from observer_collector.http.status import Service
from observer_collector.moments import Moment
from observer_collector.reporting.alerts import SOON_NS, Board, Condition, Notice, critical
from observer_collector.reporting.dead_man import DeadMan
from observer_collector.reporting.webhook import Webhook, slack_message
from observer_core.files import write_atomically
from observer_core.json_text import parse_json
from observer_core.logs import hide, logger
from observer_core.settings import Settings

_LOOK_SECONDS = 1.0
_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_NANOSECONDS = 1_000_000_000
_FORMAT = 1

_log = logger(__name__)


class Reporter:
    """The alerts and the signs of life of one process.

    Args:
        settings: All settings.
        service: What is reported about.
    """

    def __init__(self, settings: Settings, service: Service) -> None:
        chosen, pod = settings.alerts, settings.pod
        hide_address(chosen.webhook_url)
        hide_address(chosen.dead_man_url)
        self._service = service
        self._memory = Memory(service.paths.alerts(settings.collector.shard))
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False)
        self.board = Board({}, Moment.now(service.clock))
        name = pod.pod_name or socket.gethostname()
        place = f"{pod.pod_namespace}/{name}" if pod.pod_namespace else name
        self.webhook = (
            Webhook(
                chosen.webhook_url,
                self._http,
                render=lambda notice: slack_message(notice, place=place, runbook=chosen.runbook_url),
                delivered=self._memory.keep,
                clock=service.clock,
                random=Random(),  # noqa: S311  (a pause between attempts is no secret)
            )
            if chosen.webhook_url.get_secret_value()
            else None
        )
        self.dead_man = (
            DeadMan(
                chosen.dead_man_url,
                self._http,
                well=self._is_well,
                clock=service.clock,
                interval_seconds=chosen.dead_man_interval_seconds,
            )
            if chosen.dead_man_url.get_secret_value()
            else None
        )

    async def run(self) -> None:
        """Reports until cancelled."""
        keep = self._service.helpers.keep
        async with self._http, asyncio.TaskGroup() as group:
            group.create_task(keep("alerts", self._look))
            if self.webhook is not None:
                group.create_task(keep("webhook", self.webhook.run))
            if self.dead_man is not None:
                group.create_task(keep("dead_man", self.dead_man.run))

    def metrics(self) -> Iterator[Metric]:
        """Yields what was reported, and whether it arrived."""
        alerts = GaugeMetricFamily(
            "observer_alerts_reported", "1 while the collector itself reports a condition", labels=["alert"]
        )
        for condition in Condition:
            alerts.add_metric([condition.value], condition in self.board.reported)
        yield alerts
        if self.webhook is not None:
            sent = CounterMetricFamily(
                "observer_alert_deliveries", "Attempts to deliver an alert", labels=["outcome"]
            )
            for outcome, number in self.webhook.attempts.items():
                sent.add_metric([outcome.value], number)
            yield sent
            yield GaugeMetricFamily(
                "observer_alerts_waiting", "Alerts that are not delivered yet", value=self.webhook.waiting
            )
        if self.dead_man is not None:
            signs = CounterMetricFamily("observer_dead_man_pings", "Signs of life", labels=["outcome"])
            signs.add_metric(["heard"], self.dead_man.heard)
            signs.add_metric(["unheard"], self.dead_man.unheard)
            yield signs
            yield GaugeMetricFamily(
                "observer_dead_man_last_ping_timestamp_seconds",
                "When the outside watcher last heard this collector; 0 before the first time",
                value=(self.dead_man.last_ns or 0) / _NANOSECONDS,
            )

    async def _look(self) -> None:
        was_writer = False
        while True:
            # A standby watches nothing: what the writer has reported is read when it is over.
            if self._service.lock.held and not was_writer:
                reported = await asyncio.to_thread(self._memory.read)
                self.board, was_writer = Board(reported, Moment.now(self._service.clock)), True
            if was_writer and not self._service.stopping:
                self._judge()
            await asyncio.sleep(_LOOK_SECONDS)

    def _judge(self) -> None:
        service, now = self._service, Moment.now(self._service.clock)
        soon = any(service.hours.has_data(now.clock_ns + ahead) for ahead in (0, SOON_NS))
        found = critical(service.facts(now), now, data_soon=soon, breaches=service.breaches())
        for notice in self.board.observe(found, now):
            tell = _log.info if notice.resolved else _log.error
            tell(
                "An alert is over." if notice.resolved else "An alert is raised.",
                alert=notice.condition.value,
                detail=notice.detail,
            )
            if self.webhook is not None:
                self.webhook.offer(notice)

    def _is_well(self) -> bool:
        """Whether the outside watcher may believe that data are or will be recorded."""
        writes = self._service.role() == "writer"
        return writes and self._service.readiness().ready and not self.board.reported


class Memory:
    """What was delivered and not taken back, on disk.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reported: dict[Condition, tuple[int, str]] = {}

    def read(self) -> dict[Condition, tuple[int, str]]:
        """Returns what an earlier process has left; a file that cannot be read counts as empty."""
        try:
            content = parse_json(self._path.read_bytes())
            self._reported = {
                Condition(name): (int(entry["since_ns"]), str(entry["detail"]))
                for name, entry in content["reported"].items()
                if content["format"] == _FORMAT
            }
        except FileNotFoundError:
            self._reported = {}
        except (OSError, ValueError, OverflowError, KeyError, TypeError, AttributeError) as error:
            _log.warning(
                "What was reported before cannot be read; it may be reported twice.", error=repr(error)
            )
            self._reported = {}
        return dict(self._reported)

    async def keep(self, notice: Notice) -> None:
        """Notes that a notice was delivered."""
        if notice.resolved:
            self._reported.pop(notice.condition, None)
        else:
            self._reported[notice.condition] = (notice.since_ns, notice.detail)
        entries = {
            condition.value: {"since_ns": since_ns, "detail": detail}
            for condition, (since_ns, detail) in self._reported.items()
        }
        content = json.dumps({"format": _FORMAT, "reported": entries}).encode()
        try:
            await asyncio.to_thread(write_atomically, self._path, content)
        except OSError as error:
            _log.warning("What was reported cannot be kept; a restart may repeat it.", error=error.strerror)


def hide_address(address: SecretStr) -> None:
    """Keeps an address out of all logs, and the part of it that opens it as well."""
    plain = address.get_secret_value()
    parts = urlsplit(plain)
    query = f"{parts.path}?{parts.query}" if parts.query else parts.path
    hide([plain, query, parts.path, *(part for part in parts.path.split("/") if len(part) >= 16)])
