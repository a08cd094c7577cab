"""The configuration that the running pods have read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.live.observations import Live
from observer_contracts.evidence.live.pods import pods_of
from observer_contracts.evidence.objects import KubernetesObject, items_at, text_at
from observer_contracts.model import Finding
from observer_contracts.rules.findings import passed, unknown, warned
from observer_contracts.rules.live.seen import live_of


def pods_are_newer(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ENV-004: no pod of the collector is older than the ConfigMap that it takes its environment from."""
    live, collector = live_of(evidence), declaration.collector
    expected = "pods that have read the present configuration"
    unseen = live.unseen(collector.kind, "Pod", "ConfigMap")
    if unseen:
        yield unknown(collector.name, expected, unseen)
        return
    for pod in pods_of(live, collector.name, collector.kind):
        for name in sorted(_config_maps(pod)):
            yield _newer(live, pod, name, expected)


def _newer(live: Live, pod: KubernetesObject, name: str, expected: str) -> Finding:
    config_map = live.find("ConfigMap", name)
    if config_map is None:
        return unknown(pod.label, expected, f"ConfigMap {name} is not there (ENV-001)")
    started, changed = _instant(pod.text("status", "startTime")), _changed(config_map)
    where = config_map.where("metadata", "managedFields")
    if started is None or changed is None:
        return unknown(pod.label, expected, f"the age of ConfigMap {name} or of the pod is not told", where)
    verdict = warned if changed > started else passed
    return verdict(pod.label, expected, f"the pod is of {started}, ConfigMap {name} of {changed}", where)


def _config_maps(pod: KubernetesObject) -> set[str]:
    return {
        text_at(source, "configMapRef", "name")
        for place, _ in pod.items("spec", "containers")
        for _, source in items_at(pod.fields, *place, "envFrom")
    } - {""}


def _changed(found: KubernetesObject) -> datetime | None:
    """Returns when somebody last changed the data of an object, as its managed fields tell."""
    times = [
        _instant(text_at(item, "time"))
        for _, item in found.items("metadata", "managedFields")
        if "f:data" in (item.get("fieldsV1") or {})
    ]
    known = [time for time in times if time is not None]
    return max(known) if known else _instant(found.text("metadata", "creationTimestamp"))


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
