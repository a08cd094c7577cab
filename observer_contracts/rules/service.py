"""Services: they lead to pods, to the port that listens, and do not pollute the environment."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import KubernetesObject, items_at, text_at
from observer_contracts.evidence.workloads import Workload
from observer_contracts.evidence.yaml_documents import Fields
from observer_contracts.model import Finding
from observer_contracts.rules.findings import candidates, failed, passed, shown, unknown, warned


def selects(service: KubernetesObject, workload: Workload) -> bool:
    """Tells whether a Service leads to the pods of a workload."""
    selector = service.mapping("spec", "selector")
    return bool(selector) and all(workload.labels.get(key) == value for key, value in selector.items())


def target_container_port(port: Fields, workload: Workload) -> int | None:
    """Returns the container port that a Service's port leads to; None where its name is unknown."""
    target = port.get("targetPort", port.get("port"))
    if isinstance(target, int):
        return target
    for container in workload.containers:
        for _, item in items_at(container.fields, "ports"):
            number = item.get("containerPort")
            if item.get("name") == target and isinstance(number, int):
                return number
    return None


def selectors_match(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SVC-001: each Service selects pods, and the names of its target ports exist there."""
    chained = {declaration.database.service, declaration.http.service}
    for service in evidence.manifests.of("Service") if evidence.manifests else []:
        if not service.mapping("spec", "selector") and service.text("spec", "type") == "ExternalName":
            continue
        selected = [workload for workload in evidence.workloads if selects(service, workload)]
        where = service.where("spec", "selector")
        labels = ", ".join(f"{key}={value}" for key, value in service.mapping("spec", "selector").items())
        if not selected:
            yield failed(
                service.label, "a selector that matches pods", f"{shown(labels)} matches none", where
            )
            continue
        missing = [
            (place, item)
            for place, item in service.items("spec", "ports")
            if all(target_container_port(item, workload) is None for workload in selected)
        ]
        for place, item in missing if service.name not in chained else []:
            target = shown(str(item.get("targetPort")))
            yield failed(
                service.label, "a target port that the pods name", f"{target} is none", service.where(*place)
            )
        yield passed(
            service.label, "a selector that matches pods", ", ".join(w.label for w in selected), where
        )


def stateful_sets_have_services(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SVC-002: the Service that a StatefulSet names is there and headless."""
    services = {found.name: found for found in evidence.manifests.of("Service")} if evidence.manifests else {}
    for stateful in evidence.manifests.of("StatefulSet") if evidence.manifests else []:
        name = stateful.text("spec", "serviceName")
        expected = f"a headless Service {name or declaration.database.headless_service}"
        service = services.get(name)
        if service is None:
            headless = [
                found.name for found in services.values() if found.text("spec", "clusterIP") == "None"
            ]
            observed = f"no Service {shown(name)}. {candidates(name, headless)}".strip()
            yield failed(stateful.label, expected, observed, stateful.where("spec", "serviceName"))
            continue
        ports, port = _ports(service), declaration.database.port
        if service.text("spec", "clusterIP") != "None":
            where = service.where("spec", "clusterIP")
            yield failed(service.label, expected, "it has a cluster address", where)
        elif stateful.name == declaration.database.workload and port not in ports:
            observed = f"ports: {', '.join(map(str, ports)) or 'none'}"
            yield failed(service.label, f"port {port}", observed, service.where("spec", "ports"))
        else:
            yield passed(service.label, expected, "there", service.where("spec", "clusterIP"))


def _ports(service: KubernetesObject) -> list[object]:
    return [item.get("port") for _, item in service.items("spec", "ports")]


def inside_only(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SVC-003: no Service opens a port of the node or a load balancer."""
    for service in evidence.manifests.of("Service") if evidence.manifests else []:
        kind = service.text("spec", "type") or "ClusterIP"
        where = service.where("spec", "type")
        outside = kind in ("NodePort", "LoadBalancer") or bool(service.value("spec", "externalIPs"))
        yield (failed if outside else passed)(
            service.label, "reachable from inside the cluster only", kind, where
        )


def no_service_links(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SVC-004: no Service's generated variables have a name that our settings use."""
    known = declaration.declared_variables | declaration.secret_variables
    services = evidence.manifests.of("Service") if evidence.manifests else []
    prefixes = {service.name: service.name.upper().replace("-", "_") + "_" for service in services}
    colliding = sorted(name for name, prefix in prefixes.items() if any(v.startswith(prefix) for v in known))
    by_hand = declaration.writer.maintenance
    names = [
        *(fact.name for fact in declaration.workloads),
        *([by_hand] if evidence.workload(by_hand) else []),
    ]
    for name in names:
        workload = evidence.workload(name)
        if workload is None:
            yield unknown(name, "enableServiceLinks: false", "there is no such workload (WRK-001)")
            continue
        where = workload.where("enableServiceLinks")
        expected = "enableServiceLinks: false, or no Service whose variables look like settings"
        if workload.pod.get("enableServiceLinks") is False or not colliding:
            yield passed(workload.label, expected, "no collision", where)
        else:
            example = prefixes[colliding[0]] + "PORT"
            observed = f"Service {', '.join(colliding)} puts {example}=tcp://… into every pod"
            verdict = warned if name == declaration.database.workload else failed
            yield verdict(workload.label, expected, observed, where)


def operators_see_every_pod(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SVC-006: the operators' Service leads to the collector's pods, also to those that are not ready."""
    name = declaration.http.operators
    service = evidence.manifests.find("Service", name) if evidence.manifests else None
    expected = f"a Service {name} that publishes addresses that are not ready"
    if service is None:
        observed = "no such Service: a pod that is not ready is in no target of the monitoring"
        yield warned(f"Service/{name}", expected, observed)
        return
    workload = evidence.workload(declaration.collector.name)
    if workload is not None and not selects(service, workload):
        where = service.where("spec", "selector")
        yield failed(service.label, expected, f"it does not lead to {workload.label}", where)
    where = service.where("spec", "publishNotReadyAddresses")
    if service.value("spec", "publishNotReadyAddresses") is True:
        yield passed(service.label, expected, "it does", where)
    else:
        found = service.value("spec", "publishNotReadyAddresses")
        observed = f"publishNotReadyAddresses: {'not set' if found is None else shown(str(found).lower())}"
        yield failed(service.label, expected, observed, where)


def http_chain(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SVC-005: SERVICE_PORT, the container's port and the Service's port are one chain."""
    fact = declaration.http
    workload = evidence.workload(declaration.collector.name)
    if workload is None or workload.main is None:
        yield unknown(
            declaration.collector.name, f"HTTP on port {fact.port}", "there is no collector (WRK-001)"
        )
        return
    value = evidence.environment(workload.main).effective.get(fact.port_variable)
    expected = f"{fact.port_variable} = {fact.port}"
    if value is not None and value.text:
        right = value.text.strip() == str(fact.port)
        yield (passed if right else failed)(value.origin, expected, shown(value.text), value.where)
    numbers = [item.get("containerPort") for _, item in items_at(workload.main.fields, "ports")]
    listed = ", ".join(map(str, numbers)) or "none"
    verdict = passed if fact.port in numbers else failed
    yield verdict(
        workload.label,
        f"containerPort {fact.port}",
        f"containerPorts: {listed}",
        workload.main.where("ports"),
    )
    yield _http_service(declaration, evidence, workload)


def _http_service(declaration: Declaration, evidence: Evidence, workload: Workload) -> Finding:
    fact = declaration.http
    service = evidence.manifests.find("Service", fact.service) if evidence.manifests else None
    expected = f"a Service {fact.service} with port {fact.port} to the collector's port {fact.port}"
    if service is None:
        return failed(f"Service/{fact.service}", expected, "no such Service")
    ports = service.items("spec", "ports")
    found = next(((place, item) for place, item in ports if item.get("port") == fact.port), None)
    if found is None:
        return failed(service.label, expected, f"ports: {_ports(service)}", service.where("spec", "ports"))
    place, item = found
    where = service.where(*place)
    if not selects(service, workload):
        others = [other.label for other in evidence.workloads if selects(service, other)]
        if others:
            return failed(
                service.label, expected, f"it leads to {', '.join(others)}", service.where("spec", "selector")
            )
        return unknown(
            service.label, expected, "it leads nowhere (SVC-001)", service.where("spec", "selector")
        )
    target, protocol = target_container_port(item, workload), text_at(item, "protocol") or "TCP"
    if target != fact.port or protocol != "TCP":
        asked = shown(str(item.get("targetPort")))
        return failed(service.label, expected, f"{protocol} to targetPort {asked}", where)
    return passed(service.label, expected, f"port {fact.port}", where)
