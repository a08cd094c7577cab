"""Services in the cluster: something stands behind them."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.live.observations import Live
from observer_contracts.evidence.live.pods import is_ready
from observer_contracts.evidence.objects import KubernetesObject, items_at, mapping_at
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, unknown
from observer_contracts.rules.live.seen import live_of

_SERVICE = "kubernetes.io/service-name"


def endpoints_behind(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SVC-001: each Service with a selector has a ready endpoint; the database's is DB-001's."""
    live = live_of(evidence)
    unseen = live.unseen("Service", "EndpointSlice", "Pod")
    if unseen:
        yield unknown("Service", "ready endpoints", unseen)
        return
    for service in live.of("Service"):
        if service.name != declaration.database.service and service.mapping("spec", "selector"):
            yield _behind(live, service)


def database_behind(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """DB-001: the database's Service has a ready endpoint."""
    live, name = live_of(evidence), declaration.database.service
    unseen = live.unseen("Service", "EndpointSlice", "Pod")
    service = live.find("Service", name)
    if unseen:
        yield unknown(f"Service/{name}", "a ready endpoint", unseen)
    elif service is not None:
        yield _behind(live, service)


def _behind(live: Live, service: KubernetesObject) -> Finding:
    expected, where = "a ready endpoint", service.where("spec", "selector")
    ready = sum(_ready(found) for found in live.of("EndpointSlice") if _of(found, service))
    if ready:
        return passed(service.label, expected, f"{ready} ready", where)
    wanted = service.mapping("spec", "selector")
    pods = [pod for pod in live.of("Pod") if _selected(pod, service, wanted)]
    if pods and not any(map(is_ready, pods)):
        return unknown(service.label, expected, f"none of its {len(pods)} pods is ready (POD-001)", where)
    return failed(service.label, expected, "none", where)


def _selected(pod: KubernetesObject, service: KubernetesObject, wanted: dict[str, object]) -> bool:
    labels = pod.mapping("metadata", "labels")
    return pod.namespace == service.namespace and wanted.items() <= labels.items()


def _of(endpoints: KubernetesObject, service: KubernetesObject) -> bool:
    return endpoints.mapping("metadata", "labels").get(_SERVICE) == service.name


def _ready(endpoints: KubernetesObject) -> int:
    # A condition that is not told counts as ready (discovery.k8s.io/v1, EndpointConditions).
    conditions = [mapping_at(item, "conditions") for _, item in items_at(endpoints.fields, "endpoints")]
    return sum(condition.get("ready") is not False for condition in conditions)
