"""HLM-004 and HLM-005: what the charts take and then ignore, and what they refuse or break on.

Each row of the tables is a fact of a template or of the run launcher; the source is named where it is no
template.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import Place, field_name
from observer_contracts.helm.charts import Chart
from observer_contracts.helm.values import HelmValues, Layered
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, warned

_LAUNCHER: Place = ("runLauncher", "config", "k8sRunLauncher")
_QUEUE: Place = ("dagsterDaemon", "runCoordinator", "config", "queuedRunCoordinator")
# The chart's own, where a file says nothing.
_DEFAULT_PORT = 80

# Sections of dagster.yaml that the chart writes itself; a second one of that name breaks the file.
_WRITTEN = frozenset(
    {
        "scheduler", "schedule_storage", "run_launcher", "run_storage", "event_log_storage", "storage",
        "run_coordinator", "run_queue", "compute_logs", "python_logs", "run_monitoring", "run_retries",
        "sensors", "schedules", "backfills", "telemetry", "retention", "concurrency", "defs_state_storage",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Switch:
    """Keys that a switch makes pointless.

    Attributes:
        off: Place of the switch.
        default: What the chart takes where no file says.
        keys: What is ignored while it is off; the section's other keys where empty.
    """

    off: Place
    default: bool
    keys: tuple[Place, ...] = ()


_SWITCHES = (
    _Switch(("ingress", "enabled"), default=False),
    _Switch(("retention", "enabled"), default=False),
    _Switch(("concurrency", "enabled"), default=False),
    _Switch(("rabbitmq", "enabled"), default=False),
    _Switch(("redis", "enabled"), default=False),
    _Switch(("flower", "enabled"), default=False),
    _Switch(("dagsterDaemon", "runMonitoring", "enabled"), default=True),
    _Switch(("dagsterDaemon", "runRetries", "enabled"), default=True),
    _Switch(("dagsterDaemon", "runCoordinator", "enabled"), default=True),
    _Switch(("dagsterDaemon", "startupProbe", "enabled"), default=False),
    _Switch(("dagsterWebserver", "startupProbe", "enabled"), default=False),
    _Switch(("dagsterWebserver", "workspace", "enabled"), default=False),
    _Switch(
        ("dagster-user-deployments", "enableSubchart"),
        default=True,
        keys=(("dagster-user-deployments", "deployments"), ("busybox",)),
    ),
)
_CHOICES: tuple[tuple[Place, dict[str, str], str], ...] = (
    (("runLauncher",), {"K8sRunLauncher": "k8sRunLauncher", "CeleryK8sRunLauncher": "celeryK8sRunLauncher",
                        "CustomRunLauncher": "customRunLauncher"}, "K8sRunLauncher"),
    (("computeLogManager",), {"AzureBlobComputeLogManager": "azureBlobComputeLogManager",
                              "GCSComputeLogManager": "gcsComputeLogManager",
                              "S3ComputeLogManager": "s3ComputeLogManager",
                              "LocalComputeLogManager": "localComputeLogManager",
                              "CustomComputeLogManager": "customComputeLogManager"}, "NoOpComputeLogManager"),
    (("dagsterDaemon", "runCoordinator"), {"QueuedRunCoordinator": "queuedRunCoordinator",
                                           "CustomRunCoordinator": "customRunCoordinator"},
     "QueuedRunCoordinator"),
    (("scheduler",), {"CustomScheduler": "customScheduler", "DagsterDaemonScheduler": "daemonScheduler"},
     "DagsterDaemonScheduler"),
)  # fmt: skip


def effective(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """HLM-004: nothing is set that has no effect in this combination."""
    for layered in _charts(evidence):
        found = [*_behind_switches(layered), *_of_other_types(layered), *_without_reader(layered)]
        if _charts_code(evidence):
            found += _image_of_runs(layered)
        expected = "keys that have an effect"
        yield from (
            warned(str(layered.chart), expected, why, layered.where(*place), remedy="Remove it.")
            for place, why in found
        )
        if not found:
            yield passed(str(layered.chart), expected, "all of them", layered.files[-1].where())


def consistent(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """HLM-005: nothing contradicts something else."""
    services = {declaration.http.service, declaration.database.service, declaration.database.headless_service}
    for layered in _charts(evidence):
        checks: tuple[Callable[[Layered], Iterator[_Contradiction]], ...] = (
            _said_twice, _daemon, _workspace, _ports, _instance, _nothing_for_runs, _code_locations,
        )  # fmt: skip
        found = [one for check in checks for one in check(layered)]
        for place, deployment in _deployments(layered):
            if deployment.get("name") in services:
                why = f"its Service {deployment['name']} is the deployment's own already"
                found.append(_Contradiction((*place, "name"), why, "Give the code location another name."))
        expected = "values that go together"
        for one in found:
            where = layered.where(*one.place)
            yield failed(
                str(layered.chart), expected, f"{field_name(one.place)}: {one.why}", where, remedy=one.remedy
            )
        if not found:
            yield passed(str(layered.chart), expected, "they do", layered.files[-1].where())


@dataclass(frozen=True, slots=True)
class _Contradiction:
    place: Place
    why: str
    remedy: str


def _charts(evidence: Evidence) -> tuple[Layered, ...]:
    values: HelmValues | None = evidence.values
    return values.charts if values else ()


def _charts_code(evidence: Evidence) -> bool:
    """Tells whether a code location of the charts is among the values."""
    return any(_deployments(layered) for layered in _charts(evidence))


def _deployments(layered: Layered) -> list[tuple[Place, dict[str, Any]]]:
    below: Place = ("dagster-user-deployments",) if layered.chart is Chart.SYSTEM else ()
    return layered.items(*below, "deployments")


def _behind_switches(layered: Layered) -> Iterator[tuple[Place, str]]:
    for switch in _SWITCHES:
        section, name = layered.mapping(*switch.off[:-1]), str(switch.off[-1])
        given = section.get(name, switch.default)
        if not section or given is not False:
            continue
        keys = switch.keys or tuple((*switch.off[:-1], key) for key in section if key != name)
        for place in keys:
            if layered.at(*place) not in (None, {}, []):
                yield place, f"{field_name(place)} is never read while {field_name(switch.off)} is false"


def _of_other_types(layered: Layered) -> Iterator[tuple[Place, str]]:
    for place, names, default in _CHOICES:
        chosen = layered.at(*place, "type") or default
        for key in layered.mapping(*place, "config"):
            if key in names.values() and key != names.get(chosen):
                where = (*place, "config", key)
                yield where, f"{field_name(where)} is never read with type {chosen}"


def _without_reader(layered: Layered) -> Iterator[tuple[Place, str]]:
    waits = any(
        layered.at(part, "checkDbReadyInitContainer") is not False
        for part in ("dagsterWebserver", "dagsterDaemon")
    )
    if layered.at("postgresql", "image") and not waits and layered.at("postgresql", "enabled") is False:
        yield (
            ("postgresql", "image"),
            "postgresql.image is never read: nothing waits for the database with it",
        )
    generated = layered.at("generatePostgresqlPasswordSecret") is not False
    if layered.at("postgresql", "postgresqlPassword") and not generated:
        place: Place = ("postgresql", "postgresqlPassword")
        yield place, f"{field_name(place)} is never read: no Secret is generated from it"


def _image_of_runs(layered: Layered) -> Iterator[tuple[Place, str]]:
    """A code location of the chart's tells runs its image; one of another make does not."""
    if layered.at(*_LAUNCHER, "image"):
        place = (*_LAUNCHER, "image")
        yield (
            place,
            f"{field_name(place)} is never read: each code location names its own (DAGSTER_CURRENT_IMAGE)",
        )


def _said_twice(layered: Layered) -> Iterator[_Contradiction]:
    """The chart's `_concurrency.tpl` ends with `fail` here."""
    pairs = (
        (("concurrency", "runs", "maxConcurrentRuns"), (*_QUEUE, "maxConcurrentRuns")),
        (("concurrency", "runs", "tagConcurrencyLimits"), (*_QUEUE, "tagConcurrencyLimits")),
        (
            ("concurrency", "pools", "opGranularityRunBuffer"),
            (*_QUEUE, "blockOpConcurrencyLimitedRuns", "opConcurrencySlotBuffer"),
        ),
    )
    for wanted, old in pairs:
        if layered.at(*wanted) not in (None, []) and layered.at(*old) not in (None, []):
            yield _Contradiction(
                old, f"{field_name(wanted)} says it as well; Helm fails", "Remove the older one."
            )


def _daemon(layered: Layered) -> Iterator[_Contradiction]:
    """The chart's default is true."""
    if layered.chart is Chart.SYSTEM and layered.at("dagsterDaemon", "enabled") is False:
        why = "schedules, sensors and the queue of runs are the daemon's work: no run ever starts"
        yield _Contradiction(("dagsterDaemon", "enabled"), why, "Set dagsterDaemon.enabled: true.")


def _workspace(layered: Layered) -> Iterator[_Contradiction]:
    subcharts = layered.mapping("dagster-user-deployments")
    if subcharts.get("enabled") is False and subcharts.get("enableSubchart") is not False:
        place: Place = ("dagster-user-deployments", "enabled")
        yield _Contradiction(
            place, "without it there is no workspace, and Helm fails", "Set enableSubchart: false."
        )
    if layered.chart is Chart.SYSTEM and subcharts.get("enableSubchart") is not False:
        place = ("dagster-user-deployments", "enableSubchart")
        if not subcharts.get("deployments"):
            why = "without deployments of its own it makes the chart's example, from a foreign image"
            remedy = "Set enableSubchart: false; the code location is the release dagster-code."
            yield _Contradiction(place, why, remedy)
    workspace = layered.mapping("dagsterWebserver", "workspace")
    if workspace.get("enabled") and workspace.get("servers") and workspace.get("externalConfigmap"):
        place = ("dagsterWebserver", "workspace", "externalConfigmap")
        yield _Contradiction(place, "servers are given too; Helm fails", "Keep one of the two.")
    if subcharts.get("enableSubchart") is False and not (
        workspace.get("enabled") and (workspace.get("servers") or workspace.get("externalConfigmap"))
    ):
        place = ("dagster-user-deployments", "enableSubchart")
        why = "the workspace then names deployments that this release does not make"
        yield _Contradiction(place, why, "Name the code location in dagsterWebserver.workspace.servers.")


def _ports(layered: Layered) -> Iterator[_Contradiction]:
    """The container listens on `service.port`; the probes' port stays 80 unless it is said."""
    if layered.chart is not Chart.SYSTEM:
        return
    port = layered.at("dagsterWebserver", "service", "port") or _DEFAULT_PORT
    for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
        given = layered.mapping("dagsterWebserver", probe)
        asked = (given.get("httpGet") or {}).get("port", _DEFAULT_PORT)
        off = given.get("enabled") is False or (probe != "readinessProbe" and not given)
        if not off and asked not in (port, "http"):
            place: Place = ("dagsterWebserver", probe, "httpGet", "port")
            yield _Contradiction(place, f"{asked}, but the webserver listens on {port}", f"Write {port}.")


def _instance(layered: Layered) -> Iterator[_Contradiction]:
    for key in layered.mapping("additionalInstanceConfig"):
        if key in _WRITTEN:
            place: Place = ("additionalInstanceConfig", key)
            why = "the chart writes this section of dagster.yaml itself, and a second one breaks the file"
            yield _Contradiction(place, why, "Use the chart's own key.")


def _nothing_for_runs(layered: Layered) -> Iterator[_Contradiction]:
    """Null takes a default of a chart away, and the chart has none here: it reaches the launcher as it is."""
    place: Place = (*_LAUNCHER, "runK8sConfig")
    for found in _nulls(layered.mapping(*place), place):
        why = "null reaches the run launcher, which fails on it when it starts a run"
        yield _Contradiction(found, why, "Remove the key where it is set, or give it another value.")


def _nulls(value: Any, place: Place) -> Iterator[Place]:
    if value is None:
        yield place
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _nulls(item, (*place, key))


def _code_locations(layered: Layered) -> Iterator[_Contradiction]:
    for place, deployment in _deployments(layered):
        if bool(deployment.get("dagsterApiGrpcArgs")) == bool(deployment.get("codeServerArgs")):
            why = "it needs either dagsterApiGrpcArgs or codeServerArgs"
            yield _Contradiction(place, why, "Give one of the two.")
        travels = (deployment.get("includeConfigInLaunchedRuns") or {}).get("enabled", True)
        if deployment.get("sidecarContainers") and travels:
            # Dagster issue 32918.
            why = "the sidecar is started in every run Job too, which then never ends"
            remedy = (
                "Set includeConfigInLaunchedRuns.enabled: false, or make the sidecar a Deployment of its own."
            )
            yield _Contradiction((*place, "sidecarContainers"), why, remedy)
