"""Probes: alive and ready are two questions, asked where the service answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import items_at, mapping_at, text_at
from observer_contracts.evidence.workloads import Container
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, unknown, warned

# Beyond what a disk of the node's kind stalls for.
_PATIENCE_SECONDS = 30


def _main(declaration: Declaration, evidence: Evidence) -> Container | None:
    workload = evidence.workload(declaration.collector.name)
    return workload.main if workload else None


def _port(container: Container, probe: str) -> object:
    """Returns the number of the port that a probe asks, its names followed."""
    port = mapping_at(container.fields, probe, "httpGet").get("port")
    for _, item in items_at(container.fields, "ports"):
        if item.get("name") == port:
            return item.get("containerPort")
    return int(port) if isinstance(port, str) and port.isdigit() else port


def _asked(declaration: Declaration, container: Container, probe: str) -> Finding:
    """A probe asks the service's port over HTTP; which path, is the subject of PRB-002 for readiness."""
    label, port = container.workload.label, declaration.http.port
    where = container.where(probe)
    found = mapping_at(container.fields, probe)
    expected = f"{probe}: HTTP on port {port}"
    if not found:
        return failed(label, expected, "none", where)
    if not mapping_at(found, "httpGet"):
        return failed(
            label,
            expected,
            f"asks by {', '.join(sorted(set(found) - {'periodSeconds'})) or 'nothing'}",
            where,
        )
    if _port(container, probe) != port:
        raw = mapping_at(found, "httpGet").get("port")
        return failed(label, expected, f"port {shown(str(raw))}", container.where(probe, "httpGet", "port"))
    scheme, host = text_at(found, "httpGet", "scheme"), text_at(found, "httpGet", "host")
    if scheme not in ("", "HTTP"):
        return failed(label, expected, f"scheme {shown(scheme)}", container.where(probe, "httpGet", "scheme"))
    if host:
        observed = f"another host than the pod: {shown(host)}"
        return failed(label, expected, observed, container.where(probe, "httpGet", "host"))
    return passed(label, expected, "the same", where)


def probes_present(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PRB-001: the collector is asked whether it lives and whether it is ready, on its port."""
    container = _main(declaration, evidence)
    if container is None:
        yield unknown(declaration.collector.name, "probes", "there is no collector (WRK-001)")
        return
    yield _asked(declaration, container, "livenessProbe")
    yield _asked(declaration, container, "readinessProbe")
    path = text_at(container.fields, "livenessProbe", "httpGet", "path")
    expected = f"livenessProbe asks {declaration.http.health}"
    if path:
        verdict = passed if path == declaration.http.health else failed
        yield verdict(
            container.workload.label,
            expected,
            shown(path),
            container.where("livenessProbe", "httpGet", "path"),
        )
    if mapping_at(container.fields, "livenessProbe"):
        yield _patient(container)


def _patient(container: Container) -> Finding:
    """A busy node or a slow disk is no reason to end the writer."""
    probe = mapping_at(container.fields, "livenessProbe")
    seconds = _number(probe, "periodSeconds", 10) * _number(probe, "failureThreshold", 3)
    expected = f"livenessProbe gives up after {_PATIENCE_SECONDS} s or more"
    label, where = container.workload.label, container.where("livenessProbe")
    if seconds >= _PATIENCE_SECONDS:
        return passed(label, expected, f"after {seconds} s", where)
    observed = f"after {seconds} s: one stall of the disk in market hours costs a restart"
    remedy = "Raise periodSeconds or failureThreshold."
    return warned(label, expected, observed, where, remedy=remedy)


def _number(probe: Mapping[str, object], key: str, default: int) -> int:
    found = probe.get(key)
    return found if isinstance(found, int) else default


def readiness_is_its_own(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PRB-002: readiness asks whether data can flow, not whether the process lives."""
    container = _main(declaration, evidence)
    if container is None or not mapping_at(container.fields, "readinessProbe", "httpGet"):
        yield unknown(
            declaration.collector.name, "readiness of its own", "there is no readiness probe (PRB-001)"
        )
        return
    path = text_at(container.fields, "readinessProbe", "httpGet", "path")
    where = container.where("readinessProbe", "httpGet", "path")
    verdict = passed if path == declaration.http.ready else failed
    yield verdict(
        container.workload.label, f"readinessProbe asks {declaration.http.ready}", shown(path), where
    )


def slow_start_covered(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PRB-003: a slow start is covered by a startup probe, and the database is probed as well."""
    container = _main(declaration, evidence)
    if container is not None:
        yield _asked(declaration, container, "startupProbe")
        path = text_at(container.fields, "startupProbe", "httpGet", "path")
        known = (declaration.http.health, declaration.http.ready)
        if path and path not in known:
            where = container.where("startupProbe", "httpGet", "path")
            yield failed(
                container.workload.label, f"startupProbe asks {' or '.join(known)}", shown(path), where
            )
    database = evidence.workload(declaration.database.workload)
    if database is None or database.main is None:
        return
    for probe in ("livenessProbe", "readinessProbe"):
        present = bool(mapping_at(database.main.fields, probe))
        where = database.main.where(probe)
        yield (passed if present else warned)(database.label, probe, "there" if present else "none", where)
