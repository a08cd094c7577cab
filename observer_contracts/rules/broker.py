"""The broker's environment: a deployment speaks to the one that it was declared for.

Invariant: what is not set counts as the program's default, which is the real broker.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.workloads import Container
from observer_contracts.model import Finding, Location
from observer_contracts.rules.findings import failed, passed, shown, unknown
from observer_core.settings.brokers import KisEnvironment


def declared_environment(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ENV-009: the collector speaks to the broker's environment that the deployment was declared for.

    A copy of the configuration that says something else is ENV-008's.
    """
    fact = declaration.broker
    workload = evidence.workload(declaration.collector.name)
    expected = f"{fact.variable} = {fact.environment}"
    if workload is None or workload.main is None:
        yield unknown(declaration.collector.name, expected, "there is no collector (WRK-001)")
        return
    value = evidence.environment(workload.main).effective.get(fact.variable)
    if value is not None and value.text is None:
        yield unknown(value.origin, expected, "the value cannot be seen", value.where)
    elif value is not None and value.text:
        yield _judged(declaration, expected, value.text, value.origin, value.where)
    else:
        yield _default(declaration, evidence, workload.main, expected)


def _judged(declaration: Declaration, expected: str, found: str, about: str, where: Location) -> Finding:
    fact = declaration.broker
    if found == fact.environment:
        return passed(about, expected, shown(found), where)
    remedy = (
        f"Write {fact.variable}={fact.environment} into both generators of the overlay's kustomization.yaml "
        "(observer-config, observer-environment)"
    )
    if found not in set(KisEnvironment):
        # What is no environment may be anything, a secret too.
        observed = f"none of {', '.join(KisEnvironment)} (ENV-005)"
        return failed(about, expected, observed, where, remedy=f"{remedy}.")
    remedy += (
        f"; where {shown(found)} is meant, say broker_environment: {found} in the contracts.yaml that is "
        "given with --config."
    )
    return failed(about, expected, shown(found), where, remedy=remedy)


def _default(declaration: Declaration, evidence: Evidence, container: Container, expected: str) -> Finding:
    """Judges what holds where nothing is set, at the ConfigMap that could say it."""
    fact = declaration.broker
    names = [found.name for found in evidence.environment(container).references if found.kind == "ConfigMap"]
    maps = (
        [found for found in evidence.manifests.of("ConfigMap") if found.name in names]
        if evidence.manifests
        else []
    )
    if fact.default == fact.environment or not maps:
        about, where = container.workload.label, container.where("envFrom")
    else:
        about, where = maps[0].label, maps[0].where("data")
    judged = _judged(declaration, expected, fact.default, about, where)
    return replace(judged, observed=f"not set: the program's default {shown(fact.default)} holds")
