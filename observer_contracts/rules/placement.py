"""Where pods run: what shares volumes shares one node, in manifests and Helm values, and a standby is there.

Invariant: the collector's own selector is the measure; where it names no node, nothing is compared with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import Place, mapping_at
from observer_contracts.evidence.workloads import Workload
from observer_contracts.helm.charts import Chart
from observer_contracts.helm.pods import RUN_POD
from observer_contracts.helm.values import HelmValues, Layered
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, unknown, warned

_HOSTNAME = "kubernetes.io/hostname"
# A writer and a standby.
_PODS = 2
# What holds where a pod says nothing.
_KUBERNETES_GRACE_SECONDS = 30
_REMEDY = "Write the same node everywhere: both workloads, the maintenance CronJob, and helm-values/."


def one_node(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """VOL-009: every workload with a declared claim selects the collector's node."""
    collector = evidence.workload(declaration.collector.name)
    wanted = mapping_at(collector.pod, "nodeSelector") if collector else {}
    if collector is None or not wanted:
        yield unknown(declaration.collector.name, "one node", "the collector names none (WRK-001, VOL-004)")
        return
    claims = {fact.claim for fact in declaration.volumes if fact.claim}
    for workload in evidence.workloads:
        if _claims(workload) & claims:
            found = mapping_at(workload.pod, "nodeSelector")
            expected = f"the node of the volumes, {_named(wanted)}"
            where = workload.where("nodeSelector")
            if found == wanted:
                yield passed(workload.label, expected, "the same", where)
            else:
                yield failed(workload.label, expected, _named(found), where, remedy=_REMEDY)


def values_name_the_node(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """VOL-009: runs and code locations select the collector's node; without manifests, all the same one."""
    collector = evidence.workload(declaration.collector.name)
    values: HelmValues | None = evidence.values
    places = [found for layered in values.charts for found in _selectors(layered)] if values else []
    wanted: Mapping[str, Any] = mapping_at(collector.pod, "nodeSelector") if collector else {}
    if not wanted and places:
        layered, place = places[0]
        wanted = layered.mapping(*place)
    for layered, place in places:
        found = layered.mapping(*place)
        expected = f"the node of the volumes, {_named(wanted)}"
        if found == wanted:
            yield passed(str(layered.chart), expected, "the same", layered.where(*place))
        elif wanted and _HOSTNAME not in wanted and wanted.items() <= found.items():
            # Helm adds to a mapping and takes nothing away: production's node is named beside the label.
            yield passed(str(layered.chart), expected, f"and by name, {_named(found)}", layered.where(*place))
        else:
            yield failed(str(layered.chart), expected, _named(found), layered.where(*place), remedy=_REMEDY)


def standby_there(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """WRK-002: the collector has a second pod, which takes over within seconds."""
    workload = evidence.workload(declaration.collector.name)
    if workload is None or workload.replicas < 1:
        yield unknown(declaration.collector.name, "a hot standby", "there is no collector (WRK-001)")
        return
    expected, where = "2 replicas: a writer and a standby", workload.object.where("spec", "replicas")
    if workload.replicas == _PODS:
        yield passed(workload.label, expected, f"{workload.replicas}", where)
    elif workload.replicas < _PODS:
        yield failed(workload.label, expected, f"{workload.replicas}", where)
    else:
        observed = (
            f"{workload.replicas}: more than one of them waits for one lock, in memory that is not planned"
        )
        yield warned(workload.label, expected, observed, where, remedy="Set replicas to 2.")


def time_to_stop(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """WRK-003: the kubelet waits longer than the collector takes to seal and end."""
    fact = declaration.writer
    workload = evidence.workload(fact.workload)
    if workload is None or workload.main is None:
        yield unknown(fact.workload, "time to stop", "there is no collector (WRK-001)")
        return
    value = evidence.environment(workload.main).effective.get(fact.stop_variable)
    needed = fact.stop_seconds
    if value is not None and value.text:
        try:
            needed = float(value.text)
        except ValueError:
            observed = f"{fact.stop_variable} is no number (ENV-005)"
            yield unknown(workload.label, "time to stop", observed, value.where)
            return
    given = workload.pod.get("terminationGracePeriodSeconds")
    seconds = given if isinstance(given, int) else _KUBERNETES_GRACE_SECONDS
    where = workload.where("terminationGracePeriodSeconds")
    expected = f"terminationGracePeriodSeconds above {needed:g} s, {fact.stop_variable}"
    observed = f"{seconds} s" if isinstance(given, int) else f"not set: {seconds} s"
    remedy = f"Raise terminationGracePeriodSeconds above {needed:g}, or lower {fact.stop_variable}."
    if seconds > needed:
        yield passed(workload.label, expected, observed, where)
    else:
        yield failed(workload.label, expected, observed, where, remedy=remedy)


def _claims(workload: Workload) -> set[str]:
    return {volume.claim for volume in workload.volumes.values() if volume.claim}


def _selectors(layered: Layered) -> Iterator[tuple[Layered, Place]]:
    if layered.chart is Chart.SYSTEM:
        yield layered, (*RUN_POD, "nodeSelector")
    for place, _ in layered.code_locations():
        yield layered, (*place, "nodeSelector")


def _named(selector: Mapping[str, Any]) -> str:
    return ", ".join(shown(f"{key}={value}") for key, value in sorted(selector.items())) or "no node"
