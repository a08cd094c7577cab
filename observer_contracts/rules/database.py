"""Contract 2: the program's database is the Service's, and the Service's is the server's."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.environment import Value
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import KubernetesObject, items_at, text_at
from observer_contracts.evidence.workloads import Workload
from observer_contracts.model import Finding
from observer_contracts.rules.database_server import server_value
from observer_contracts.rules.findings import candidates, failed, passed, shown, unknown
from observer_contracts.rules.service import selects, target_container_port


def host_is_the_service(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """DB-001: DB_HOST names the Service of the database, which is there and leads to its pods."""
    fact = declaration.database
    yield from _host_value(declaration, evidence)
    service = evidence.manifests.find("Service", fact.service) if evidence.manifests else None
    label, expected = f"Service/{fact.service}", f"a Service {fact.service} in front of {fact.workload}"
    workload = evidence.workload(fact.workload)
    if service is None:
        names = [found.name for found in evidence.manifests.of("Service")] if evidence.manifests else []
        yield failed(label, expected, f"no such Service. {candidates(fact.service, names)}".strip())
        return
    selected = [found for found in evidence.workloads if selects(service, found)]
    if workload is None or not selected:
        yield unknown(
            label, expected, "its pods cannot be told (WRK-001, SVC-001)", service.where("spec", "selector")
        )
    elif workload not in selected:
        leads = ", ".join(found.label for found in selected)
        yield failed(label, expected, f"it leads to {leads}", service.where("spec", "selector"))
    else:
        yield passed(label, expected, f"leads to {workload.label}", service.where("spec", "selector"))


def _value(declaration: Declaration, evidence: Evidence, variable: str) -> Value | None:
    workload = evidence.workload(declaration.collector.name)
    if workload is None or workload.main is None:
        return None
    value = evidence.environment(workload.main).effective.get(variable)
    return value if value is not None and value.text != "" else None


def _host_value(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    fact = declaration.database
    value = _value(declaration, evidence, fact.host_variable)
    expected = f"{fact.host_variable} = {fact.host}"
    if value is None:
        yield passed(
            f"Deployment/{declaration.collector.name}", expected, "not set: the program's default holds"
        )
    elif value.text is None:
        yield unknown(value.origin, expected, "the value cannot be seen", value.where)
    elif _same_host(value.text, declaration):
        yield passed(value.origin, expected, shown(value.text), value.where)
    else:
        names = [found.name for found in evidence.manifests.of("Service")] if evidence.manifests else []
        yield failed(
            value.origin,
            expected,
            f"{shown(value.text)}. {candidates(value.text, names)}".strip(),
            value.where,
        )


def _same_host(text: str, declaration: Declaration) -> bool:
    host, namespace = declaration.database.host, declaration.namespace
    full = f"{host}.{namespace}.svc.cluster.local."
    return text in (host, f"{host}.{namespace}", f"{host}.{namespace}.svc", full, full.rstrip("."))


def port_chain(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """DB-002: DB_PORT, the Service's port and the container's port are one chain."""
    fact = declaration.database
    value = _value(declaration, evidence, fact.port_variable)
    expected = f"{fact.port_variable} = {fact.port}"
    if value is None:
        yield passed(
            f"Deployment/{declaration.collector.name}", expected, "not set: the program's default holds"
        )
    elif value.text is None:
        yield unknown(value.origin, expected, "the value cannot be seen", value.where)
    else:
        right = value.text.strip() == str(fact.port)
        yield (passed if right else failed)(value.origin, expected, shown(value.text), value.where)
    service = evidence.manifests.find("Service", fact.service) if evidence.manifests else None
    workload = evidence.workload(fact.workload)
    if service is None or workload is None:
        yield unknown(
            f"Service/{fact.service}",
            f"port {fact.port} to the container",
            "an end is missing (DB-001, WRK-001)",
        )
    else:
        yield _service_port(service, workload, fact.port)
        yield _container_port(workload, fact.port)


def _service_port(service: KubernetesObject, workload: Workload, port: int) -> Finding:
    expected = f"port {port} that leads to the container's port {port}"
    ports = service.items("spec", "ports")
    found = next(((place, item) for place, item in ports if item.get("port") == port), None)
    if found is None:
        numbers = ", ".join(str(item.get("port")) for _, item in ports) or "none"
        return failed(service.label, expected, f"ports: {numbers}", service.where("spec", "ports"))
    place, item = found
    target = target_container_port(item, workload)
    where = service.where(*place)
    protocol = text_at(item, "protocol") or "TCP"
    if target == port and protocol == "TCP":
        return passed(service.label, expected, f"port {port} to {target}", where)
    if protocol != "TCP":
        return failed(service.label, expected, f"protocol {shown(protocol)}", where)
    observed = (
        f"targetPort {shown(str(item.get('targetPort', port)))} is {target or 'no port of the container'}"
    )
    return failed(service.label, expected, observed, where)


def _container_port(workload: Workload, port: int) -> Finding:
    main = workload.main
    numbers = [item.get("containerPort") for _, item in items_at(main.fields, "ports")] if main else []
    expected = f"containerPort {port}, where the server listens"
    where = main.where("ports") if main else workload.where()
    if port in numbers:
        return passed(workload.label, expected, f"containerPort {port}", where)
    return failed(
        workload.label, expected, f"containerPorts: {', '.join(map(str, numbers)) or 'none'}", where
    )


def name_is_the_servers(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """DB-003: DB_NAME is the database that the server's image makes."""
    fact = declaration.database
    value = _value(declaration, evidence, fact.name_variable)
    expected = f"{fact.name_variable} = {fact.name}"
    if value is not None and value.text is not None:
        right = value.text == fact.name
        yield (passed if right else failed)(value.origin, expected, shown(value.text), value.where)
    elif value is not None:
        yield unknown(value.origin, expected, "the value cannot be seen", value.where)
    workload = evidence.workload(fact.workload)
    if workload is not None and workload.main is not None:
        yield server_value("POSTGRES_DB", fact.name, evidence, workload.main)
        yield from _major_version(declaration, workload)


def _major_version(declaration: Declaration, workload: Workload) -> Iterator[Finding]:
    image = text_at(workload.main.fields, "image") if workload.main else ""
    repository, _, tag = image.partition("@")[0].rpartition(":")
    if not repository.rpartition("/")[2].startswith("postgres") or not tag[:1].isdigit():
        return
    wanted = declaration.database.major_version
    expected = f"PostgreSQL {wanted}, whose files lie on the volume"
    right = tag.partition(".")[0].partition("-")[0] == wanted
    where = workload.main.where("image") if workload.main else workload.where()
    yield (passed if right else failed)(workload.label, expected, f"image {shown(image)}", where)
