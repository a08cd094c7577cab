"""Every rule by itself, in promtool: a state of the system, and exactly the alerts that it raises."""

import subprocess
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from monitoring_rules import alerts, rule_file, rules
from required_tools import required

STEP_SECONDS = 60
MINUTES = 60
STEPS = MINUTES * 60 // STEP_SECONDS
CLOCK = f"0+{STEP_SECONDS}x{STEPS}"
OF_PRODUCTION = {"namespace": "observer-prod", "job": "observer-collector"}


def always(value: float) -> str:
    return f"{float(value)}x{STEPS}"


def stops_at(minute: int, value: float = 1) -> str:
    """A series whose target is gone from a minute on."""
    before = minute * 60 // STEP_SECONDS
    return f"{value}x{before - 1} stale"


def changes_at(minute: int, before: float, after: float) -> str:
    steps = minute * 60 // STEP_SECONDS
    return f"{before}x{steps - 1} {after}x{STEPS - steps}"


def target(name: str, instance: str, **labels: str) -> str:
    text = ",".join(
        f'{key}="{value}"' for key, value in {**OF_PRODUCTION, "instance": instance, **labels}.items()
    )
    return f"{name}{{{text}}}"


def process(instance: str, *, writer: bool) -> dict[str, str]:
    """What a healthy process tells at ten in the morning of a trading day."""
    role = "writer" if writer else "standby"
    series = {
        target("up", instance): always(1),
        target("observer_ready", instance): always(1),
        target("observer_writer", instance): always(writer),
        target("observer_clock_timestamp_seconds", instance): CLOCK,
        target("observer_window_start_timestamp_seconds", instance): always(-5400),
        target("observer_window_end_timestamp_seconds", instance): always(36_000),
        target("observer_data_expected", instance): always(1),
        target("observer_trades_expected", instance): always(1),
        target("observer_token_expiry_timestamp_seconds", instance): always(50_000),
        target("observer_quarantine_bytes", instance): always(0),
        target("observer_process_resident_memory_bytes", instance): always(2e8),
        target("observer_contract_verification_interval_seconds", instance): always(60),
        target("observer_contract_verification_timestamp_seconds", instance): CLOCK,
        target("observer_backup_configured", instance): always(1),
        target("observer_backup_last_shipment_timestamp_seconds", instance): CLOCK,
        target("observer_backup_newest_segment_timestamp_seconds", instance): CLOCK,
        target("observer_backup_last_dump_timestamp_seconds", instance, database="observer"): always(-40_000),
        target("observer_backup_last_dump_timestamp_seconds", instance, database="dagster"): always(-40_000),
    }
    for phase in ("closed", "continuous", "after_market"):
        name = target("observer_market_phase", instance, phase=phase)
        series[name] = always(phase == "continuous")
    for one in ("writer", "standby", "recovering"):
        series[target("observer_role", instance, role=one)] = always(one == role)
    for volume in ("data", "logs", "universe"):
        series[target("observer_volume_size_bytes", instance, volume=volume)] = always(100)
        series[target("observer_volume_free_bytes", instance, volume=volume)] = always(60)
    return series | (intake(instance) if writer else {})


def intake(instance: str) -> dict[str, str]:
    series = {
        target("observer_broker_refused", instance): always(0),
        target("observer_connection_open", instance): always(1),
        target("observer_reconnects_total", instance): always(0),
        target("observer_universe_symbols", instance): always(1577),
        target("observer_universe_fallback", instance): always(0),
        target("observer_registrations_delivering", instance): always(38),
        target("observer_sweep_interval_seconds", instance): always(60),
        target("observer_unsplit_frames_total", instance): always(0),
        target("observer_unreadable_trades_total", instance): always(0),
        target("observer_alerts_waiting", instance): always(0),
        target("observer_dead_man_last_ping_timestamp_seconds", instance): CLOCK,
    }
    for state in ("wanted", "sent", "confirmed", "refused"):
        name = target("observer_registrations", instance, state=state)
        series[name] = always(40 if state == "confirmed" else 0)
    for helper in ("backfill", "sweeps"):
        series[target("observer_helper_failures_total", instance, helper=helper)] = always(0)
    for phase in ("continuous", "closing_auction"):
        series[target("observer_holes_total", instance, phase=phase)] = always(0)
    for outcome in ("delivered", "failed", "refused", "dropped"):
        series[target("observer_alert_deliveries_total", instance, outcome=outcome)] = always(0)
    for track in ("scalp", "swing"):
        series[target("observer_last_record_timestamp_seconds", instance, track=track)] = CLOCK
        series[target("observer_journal_unsynced_seconds", instance, track=track)] = always(0.2)
        for state in ("writable", "slow", "disk_full", "failing"):
            name = target("observer_journal_state", instance, track=track, state=state)
            series[name] = always(state == "writable")
    return series


def healthy() -> dict[str, str]:
    return process("w", writer=True) | process("s", writer=False)


def night() -> dict[str, str]:
    """Long after the close: old records, an ended token, no connection, the next window hours away."""
    series = healthy()
    for instance in ("w", "s"):
        series |= {
            target("observer_window_start_timestamp_seconds", instance): always(40_000),
            target("observer_window_end_timestamp_seconds", instance): always(80_000),
            target("observer_data_expected", instance): always(0),
            target("observer_trades_expected", instance): always(0),
            target("observer_market_phase", instance, phase="continuous"): always(0),
            target("observer_market_phase", instance, phase="closed"): always(1),
            target("observer_token_expiry_timestamp_seconds", instance): always(-100),
        }
    for track in ("scalp", "swing"):
        series[target("observer_last_record_timestamp_seconds", "w", track=track)] = always(-30_000)
    return series | {
        target("observer_connection_open", "w"): always(0),
        target("observer_universe_symbols", "w"): always(0),
        target("observer_registrations_delivering", "w"): always(0),
        target("observer_registrations", "w", state="confirmed"): always(0),
        target("observer_registrations", "w", state="refused"): always(3),
    }


@dataclass
class Case:
    """A state, and the alerts that fire at some minutes: name, severity, namespace if not production's."""

    name: str
    at: dict[int, set[tuple[str, ...]]]
    changes: dict[str, str | None] = field(default_factory=dict)
    base: dict[str, str] = field(default_factory=healthy)

    @property
    def series(self) -> dict[str, str]:
        found = {**self.base, **self.changes}
        return {name: values for name, values in found.items() if values is not None}


def of_writer(name: str, values: str, **labels: str) -> dict[str, str | None]:
    return {target(name, "w", **labels): values}


def gone(base: dict[str, str], minute: int, *instances: str) -> dict[str, str | None]:
    """Targets cannot be scraped from a minute on: `up` is 0, and every other series ends."""
    ended: dict[str, str | None] = {}
    for name, values in base.items():
        if not any(f'instance="{instance}"' in name for instance in instances):
            continue
        first = values.split("x")[0]
        if name.startswith("up{"):
            ended[name] = changes_at(minute, 1, 0)
        elif values == CLOCK:
            ended[name] = f"0+{STEP_SECONDS}x{minute * 60 // STEP_SECONDS - 1} stale"
        else:
            ended[name] = stops_at(minute, float(first))
    return ended


def journal(state: str) -> dict[str, str | None]:
    return of_writer("observer_journal_state", always(0), track="scalp", state="writable") | of_writer(
        "observer_journal_state", always(1), track="scalp", state=state
    )


def of_both(name: str, values: str | None, **labels: str) -> dict[str, str | None]:
    return {target(name, instance, **labels): values for instance in ("w", "s")}


def shipped(instant: float | None) -> dict[str, str | None]:
    """When the last shipment left nothing behind; None: never."""
    values = None if instant is None else always(instant)
    return of_both("observer_backup_last_shipment_timestamp_seconds", values)


def in_staging(series: dict[str, str]) -> dict[str, str]:
    """The same state of another deployment in the same Prometheus, whose rule says that it is to be there."""
    renamed = {
        name.replace('"observer-prod"', '"observer-staging"').replace(
            'instance="', 'instance="staging-'
        ): values
        for name, values in series.items()
    }
    return renamed | {'observer:deployment{namespace="observer-staging"}': always(1)}


def told_of_staging(alerts: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
    return {(*alert, "observer-staging") for alert in alerts}


NONE: set[tuple[str, ...]] = set()
SILENT = of_writer("observer_last_record_timestamp_seconds", always(0), track="scalp")
LATE = of_writer("observer_last_record_timestamp_seconds", always(0), track="swing")
NO_CONNECTION = of_writer("observer_connection_open", always(0))
NO_UNIVERSE = of_writer("observer_universe_symbols", always(0))
DATABASE = 'kube_statefulset_status_replicas_ready{namespace="observer-prod",statefulset="postgres"}'
RESTARTS = 'kube_pod_container_status_restarts_total{namespace="observer-prod",pod="p",container="observer"}'
REFUSED = of_writer("observer_broker_refused", always(1)) | of_writer("observer_connection_open", always(0))


def night_window(minute: int, *, starts: float, ends: float) -> dict[str, str | None]:
    return {
        target(f"observer_window_{edge}_timestamp_seconds", instance): stops_at(minute, value)
        for edge, value in (("start", starts), ("end", ends))
        for instance in ("w", "s")
    }


def warning(name: str) -> set[tuple[str, ...]]:
    return {(name, "warning")}


def critical(name: str) -> set[tuple[str, ...]]:
    return {(name, "critical")}


def one(name: str, severity: str, changes: dict[str, str | None], *, quiet: int | None, fires: int) -> Case:
    """A fault that lasts from the beginning: quiet at one minute, one alert at a later one, none at night."""
    at = {fires: {(name, severity)}} | ({} if quiet is None else {quiet: NONE})
    return Case(f"{name} {severity}", at, changes)


CASES = [
    Case("a healthy session", {5: NONE, 30: NONE, 59: NONE}),
    Case("a quiet night", {5: NONE, 30: NONE, 55: NONE}, base=night()),
    Case(
        "collectors die in the session",
        {
            10: NONE,
            13: critical("ObserverCollectorDown"),
            22: critical("ObserverCollectorDown") | warning("ObserverCollectorDown"),
        },
        gone(healthy(), 10, "w", "s"),
    ),
    Case(
        "collectors die at night, and the window begins later",
        {
            18: NONE,
            25: warning("ObserverCollectorDown"),
            45: warning("ObserverCollectorDown") | critical("ObserverCollectorDown"),
            55: warning("ObserverCollectorDown"),
        },
        gone(night(), 10, "w", "s") | night_window(10, starts=40 * 60, ends=50 * 60),
        base=night(),
    ),
    Case(
        "healthy production beside healthy staging",
        {5: NONE, 30: NONE, 59: NONE},
        base=healthy() | in_staging(healthy()),
    ),
    Case(
        "healthy production beside a staging in the night",
        {5: NONE, 30: NONE, 55: NONE},
        base=healthy() | in_staging(night()),
    ),
    Case(
        "production dies in the session, and staging lives",
        {
            10: NONE,
            13: critical("ObserverCollectorDown"),
            22: critical("ObserverCollectorDown") | warning("ObserverCollectorDown"),
        },
        gone(healthy(), 10, "w", "s"),
        base=healthy() | in_staging(healthy()),
    ),
    Case(
        "production loses its standby, and staging lives",
        {14: NONE, 16: warning("ObserverStandbyMissing")},
        gone(healthy(), 10, "s"),
        base=healthy() | in_staging(healthy()),
    ),
    Case(
        "production has no writer, and staging has one",
        {4: NONE, 6: critical("ObserverNoWriter")},
        of_writer("observer_role", always(0), role="writer"),
        base=healthy() | in_staging(healthy()),
    ),
    Case(
        "production was never scraped, and staging lives",
        {5: NONE, 15: warning("ObserverCollectorDown")},
        base=in_staging(healthy()),
    ),
    Case(
        "staging's faults are told of staging: two writers, a low disk, a quarantine, no backup",
        {
            40: told_of_staging(
                critical("ObserverTwoWriters")
                | warning("ObserverDiskLow")
                | warning("ObserverQuarantine")
                | warning("ObserverBackupMissing")
            )
        },
        base=healthy()
        | in_staging(
            healthy()
            | {
                target("observer_writer", "s"): always(1),
                target("observer_volume_free_bytes", "w", volume="data"): always(14),
                target("observer_quarantine_bytes", "w"): always(4000),
            }
            | {target("observer_backup_configured", name): always(0) for name in ("w", "s")}
            | {
                target("observer_backup_last_shipment_timestamp_seconds", name): f"_x{STEPS}"
                for name in ("w", "s")
            }
        ),
    ),
    Case(
        "staging's database is down, and a neighbour's of the same name",
        {16: told_of_staging(warning("ObserverDatabaseDown"))},
        {
            DATABASE: always(1),
            DATABASE.replace("observer-prod", "observer-staging"): always(0),
            DATABASE.replace("observer-prod", "shop"): always(0),
        },
        base=healthy() | in_staging(healthy()),
    ),
    Case(
        "nothing was ever scraped",
        {5: NONE, 15: warning("ObserverCollectorDown")},
        base={"unrelated": always(1)},
    ),
    Case(
        "the standby dies",
        {14: NONE, 16: warning("ObserverStandbyMissing")},
        gone(healthy(), 10, "s"),
    ),
    one(
        "ObserverNoWriter",
        "critical",
        of_writer("observer_role", always(0), role="writer")
        | of_writer("observer_role", always(1), role="recovering"),
        quiet=4,
        fires=6,
    ),
    one("ObserverTwoWriters", "critical", {target("observer_writer", "s"): always(1)}, quiet=1, fires=3),
    one("ObserverBrokerRefuses", "critical", REFUSED, quiet=0, fires=2),
    Case(
        "the broker refuses while data stop and sweeps fail: one alert",
        {30: critical("ObserverBrokerRefuses")},
        REFUSED | SILENT | LATE,
    ),
    Case(
        "the broker refuses at night, until the opening comes near",
        {5: NONE, 30: critical("ObserverBrokerRefuses")},
        of_writer("observer_broker_refused", always(1))
        | of_writer("observer_window_start_timestamp_seconds", always(3600 + 20 * 60)),
        base=night(),
    ),
    one("ObserverNotConnected", "critical", NO_CONNECTION, quiet=1, fires=3),
    one("ObserverFeedSilent", "critical", SILENT, quiet=2, fires=4),
    Case(
        "an auction without trades",
        {30: NONE},
        SILENT | of_writer("observer_trades_expected", always(0)),
    ),
    one("ObserverNoUniverse", "critical", NO_UNIVERSE, quiet=1, fires=3),
    one(
        "ObserverUniverseFallback", "warning", of_writer("observer_universe_fallback", always(1)),
        quiet=9, fires=11,
    ),
    one(
        "ObserverRegistrationsRefused",
        "warning",
        of_writer("observer_registrations", always(2), state="refused"),
        quiet=9,
        fires=11,
    ),
    one(
        "ObserverRegistrationsSilent",
        "warning",
        of_writer("observer_registrations_delivering", always(19)),
        quiet=9,
        fires=11,
    ),
    one(
        "ObserverConnectionUnstable",
        "warning",
        of_writer("observer_reconnects_total", f"0x9 0+2x{STEPS - 10}"),
        quiet=10,
        fires=15,
    ),
    one("ObserverSweepsLate", "warning", LATE, quiet=9, fires=11),
    one(
        "ObserverTokenNotRenewed",
        "warning",
        of_writer("observer_token_expiry_timestamp_seconds", always(1200)),
        quiet=16,
        fires=18,
    ),
    Case(
        "holes in continuous trading",
        {9: NONE, 11: warning("ObserverHoles"), 28: NONE},
        of_writer("observer_holes_total", changes_at(10, 0, 5), phase="continuous"),
    ),
    Case(
        "holes in an auction are reported, not alarmed",
        {11: NONE},
        of_writer("observer_holes_total", changes_at(10, 0, 5), phase="closing_auction"),
    ),
    Case(
        "a process that found holes before its first scrape",
        {9: NONE, 11: warning("ObserverHoles"), 28: NONE},
        of_writer("observer_holes_total", f"_x10 5x{STEPS - 11}", phase="continuous"),
    ),
    Case(
        "a helper that met an error and began again",
        {9: NONE, 11: warning("ObserverHelperFailing"), 28: NONE},
        of_writer("observer_helper_failures_total", changes_at(10, 0, 1), helper="backfill"),
    ),
    Case(
        "frames that cannot be split",
        {9: NONE, 11: warning("ObserverFramesUnreadable"), 28: NONE},
        of_writer("observer_unsplit_frames_total", changes_at(10, 0, 1)),
    ),
    Case(
        "trades that cannot be read",
        {11: warning("ObserverFramesUnreadable")},
        of_writer("observer_unreadable_trades_total", changes_at(10, 0, 1)),
    ),
    Case(
        "a frame of an unknown channel",
        {11: warning("ObserverFramesUnreadable")},
        of_writer("observer_unknown_frames_total", changes_at(10, 0, 1), what="channel"),
    ),
    one(
        "ObserverClockWrong",
        "warning",
        of_writer("observer_broker_clock_offset_seconds", always(2.5), bound="at_least")
        | of_writer("observer_broker_clock_offset_seconds", always(3.1), bound="at_most"),
        quiet=9,
        fires=11,
    ),
    Case(
        "a clock that is fast",
        {9: NONE, 11: warning("ObserverClockWrong")},
        of_writer("observer_broker_clock_offset_seconds", always(-3.1), bound="at_least")
        | of_writer("observer_broker_clock_offset_seconds", always(-2.5), bound="at_most"),
    ),
    Case(
        "a clock of which an answer that took three seconds says nothing",
        {30: NONE},
        of_writer("observer_broker_clock_offset_seconds", always(-3), bound="at_least")
        | of_writer("observer_broker_clock_offset_seconds", always(0.5), bound="at_most"),
    ),
    Case(
        "quarantine",
        {9: NONE, 11: warning("ObserverQuarantine")},
        of_writer("observer_quarantine_bytes", changes_at(10, 0, 4000)),
    ),
    Case(
        "a full disk, with everything that follows from it: one alert",
        {1: critical("ObserverDiskFull"), 30: critical("ObserverDiskFull")},
        journal("disk_full")
        | SILENT
        | LATE
        | of_writer("observer_journal_unsynced_seconds", CLOCK, track="scalp"),
    ),
    one("ObserverJournalFailing", "critical", journal("failing"), quiet=0, fires=2),
    one("ObserverJournalFailing", "critical", journal("slow"), quiet=0, fires=2),
    one(
        "ObserverJournalLate",
        "warning",
        of_writer("observer_journal_unsynced_seconds", always(8), track="scalp"),
        quiet=0,
        fires=2,
    ),
    one("ObserverDiskLow", "warning", of_writer("observer_volume_free_bytes", always(14), volume="data"),
        quiet=9, fires=11),
    Case(
        "a disk that is nearly full",
        {
            0: NONE,
            2: critical("ObserverDiskLow"),
            11: critical("ObserverDiskLow") | warning("ObserverDiskLow"),
        },
        of_writer("observer_volume_free_bytes", always(4), volume="logs"),
    ),
    Case(
        "a critical contract is broken",
        {0: critical("ObserverContractBroken")},
        of_writer(
            "observer_contract_rule_failures", always(1), rule="VOL-001", contract="4", severity="critical"
        ),
    ),
    Case(
        "another contract is broken",
        {9: NONE, 11: warning("ObserverContractBroken")},
        of_writer(
            "observer_contract_rule_failures", always(2), rule="ENV-001", contract="2", severity="high"
        ),
    ),
    one(
        "ObserverContractsUnverified",
        "warning",
        of_writer("observer_contract_verification_timestamp_seconds", always(0)),
        quiet=19,
        fires=21,
    ),
    Case(
        "a machine on which contracts are not verified",
        {30: NONE},
        {
            target("observer_contract_verification_interval_seconds", "w"): always(0),
            target("observer_contract_verification_timestamp_seconds", "w"): None,
        },
    ),
    Case(
        "a webhook that does not answer",
        {9: NONE, 25: warning("ObserverAlertsUndelivered")},
        of_writer("observer_alerts_waiting", changes_at(10, 0, 1)),
    ),
    Case(
        "a webhook that refuses",
        {9: NONE, 11: warning("ObserverAlertsUndelivered")},
        of_writer("observer_alert_deliveries_total", changes_at(10, 0, 1), outcome="refused"),
    ),
    one(
        "ObserverDeadManUnheard",
        "warning",
        of_writer("observer_dead_man_last_ping_timestamp_seconds", always(0)),
        quiet=14,
        fires=16,
    ),
    Case(
        "no sign of life from a collector that is not well is as it should be",
        {30: critical("ObserverNotConnected")},
        of_writer("observer_dead_man_last_ping_timestamp_seconds", always(0))
        | of_writer("observer_ready", always(0))
        | of_writer("observer_connection_open", always(0)),
    ),
    Case(
        "pods restart again and again",
        {9: NONE, 15: warning("ObserverPodRestarts")},
        {RESTARTS: changes_at(10, 0, 4)},
    ),
    Case(
        "the database is down",
        {12: NONE, 16: warning("ObserverDatabaseDown")},
        {DATABASE: changes_at(10, 1, 0)},
    ),
    one(
        "ObserverBackupMissing",
        "warning",
        of_both("observer_backup_configured", always(0)) | shipped(None),
        quiet=29,
        fires=32,
    ),
    Case(
        "ObserverBackupMissing although a target is named",
        {29: NONE, 32: warning("ObserverBackupMissing")},
        shipped(None),
    ),
    # Two hourly shipments have failed; the window of the day began 5,400 s before the case.
    one("ObserverBackupLate", "warning", shipped(-7000), quiet=48, fires=52),
    Case("ObserverBackupLate for a day", {40: critical("ObserverBackupLate")}, shipped(-93_600), night()),
    Case("a shipment of the day before, at night", {40: NONE, 59: NONE}, shipped(-80_000), night()),
    Case(
        "a dump of last night",
        {59: NONE},
        of_both("observer_backup_last_dump_timestamp_seconds", always(-89_000), database="dagster"),
    ),
    Case(
        "ObserverDumpLate by more than a day",
        {9: NONE, 40: warning("ObserverDumpLate")},
        of_both("observer_backup_last_dump_timestamp_seconds", always(-95_000), database="dagster"),
    ),
    one(
        "ObserverMemoryHigh",
        "warning",
        of_writer("observer_process_resident_memory_bytes", always(1.7e9)),
        quiet=14,
        fires=16,
    ),
]  # fmt: skip

# Faults that say nothing at night: what they break is needed only when data are due.
QUIET_AT_NIGHT = {
    "ObserverNotConnected",
    "ObserverFeedSilent",
    "ObserverNoUniverse",
    "ObserverUniverseFallback",
    "ObserverRegistrationsRefused",
    "ObserverRegistrationsSilent",
    "ObserverConnectionUnstable",
    "ObserverSweepsLate",
    "ObserverTokenNotRenewed",
    "ObserverBrokerRefuses",
}


def at_night(case: Case) -> Case:
    """The same fault in the night."""
    return Case(f"{case.name}, at night", dict.fromkeys((25, 40), NONE), case.changes, night())


def alert_labels(name: str, severity: str, namespace: str = "observer-prod") -> str:
    return f'{{alertname="{name}", severity="{severity}", namespace="{namespace}"}}'


def document(cases: list[Case]) -> dict[str, Any]:
    expression = 'count by (alertname, severity, namespace) (ALERTS{alertstate="firing"})'
    return {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": f"{STEP_SECONDS}s",
        "tests": [
            {
                "name": case.name,
                "interval": f"{STEP_SECONDS}s",
                "input_series": [{"series": name, "values": text} for name, text in case.series.items()],
                "promql_expr_test": [
                    {
                        "expr": expression,
                        "eval_time": f"{minute}m",
                        "exp_samples": [
                            {"labels": alert_labels(*alert), "value": 1} for alert in sorted(expected)
                        ],
                    }
                    for minute, expected in case.at.items()
                ],
            }
            for case in cases
        ],
    }


@pytest.fixture
def promtool() -> str:
    return required("promtool", package="prometheus")


def test_the_rules_are_valid(promtool, tmp_path):
    """Prometheus accepts every rule, at real and at scaled speed."""
    for scale in (1, 120):
        path = rule_file(tmp_path / f"rules-{scale}.yaml", scale=scale)
        checked = subprocess.run(
            [promtool, "check", "rules", path], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.timeout(300)
def test_each_state_raises_exactly_its_alerts(promtool, tmp_path):
    """After the time that the rule asks for and not before; nothing else fires, and most not at night."""
    nightly = [at_night(case) for case in CASES if case.name.split()[0] in QUIET_AT_NIGHT]
    assert len(nightly) == len(QUIET_AT_NIGHT)
    rule_file(tmp_path / "rules.yaml")
    cases = tmp_path / "cases.yaml"
    cases.write_text(yaml.safe_dump(document([*CASES, *nightly]), sort_keys=False))
    tested = subprocess.run([promtool, "test", "rules", cases], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_each_alert_and_severity_fires_in_a_case():
    """A new rule needs a case; two rules of one name need one for each severity."""
    raised = {expected[:2] for case in CASES for expecteds in case.at.values() for expected in expecteds}
    declared = {(rule["alert"], rule["labels"]["severity"]) for rule in rules() if "alert" in rule}
    assert raised == declared
    assert {name for name, _ in raised} == alerts()
