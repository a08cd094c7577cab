"""The environment that the process really has."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration, VariableFact
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.runtime.observations import Runtime
from observer_contracts.model import Finding
from observer_contracts.rules.environment import OWN_PREFIXES, judged_elsewhere
from observer_contracts.rules.findings import candidates, failed, passed, shown, unknown
from observer_contracts.rules.runtime.seen import in_environment, runtime_of


def configuration_present(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ENV-003: every key of the configuration is set and not empty."""
    runtime = runtime_of(evidence)
    for fact in declaration.configuration:
        yield _present(runtime, fact.name)


def _present(runtime: Runtime, name: str) -> Finding:
    found = runtime.variables.get(name)
    observed = "not set" if found is None else "empty" if not found.length else "set"
    verdict = passed if found is not None and found.length else failed
    return verdict(runtime.label, f"{name} set and not empty", observed, in_environment(runtime, name))


def values_accepted(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ENV-005: values that are part of no other contract are those the program expects or accepts."""
    runtime = runtime_of(evidence)
    elsewhere = judged_elsewhere(declaration)
    facts = [fact for fact in (*declaration.configuration, *declaration.optional) if runtime.text(fact.name)]
    for fact in facts:
        if fact.name not in elsewhere:
            yield _accepted(declaration, runtime, fact)
    if not facts:
        yield unknown(runtime.label, "values that the program accepts", "none is set (ENV-003)")


def _accepted(declaration: Declaration, runtime: Runtime, fact: VariableFact) -> Finding:
    value, accepted = runtime.text(fact.name), f"a value of {fact.name} that the program accepts"
    wrong = value != fact.default if fact.fixed else not fact.accepts(value)
    observed = shown(value) if fact.name in declaration.public_variables else "a value"
    expected = f"{fact.name} = {fact.default}" if fact.fixed else accepted
    verdict = failed if wrong else passed
    return verdict(runtime.label, expected, observed, in_environment(runtime, fact.name))


def pod_identity(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ENV-006: the pod has told its name, namespace and time zone."""
    runtime = runtime_of(evidence)
    for fact in declaration.pod_variables:
        if fact.value:
            value = runtime.text(fact.name)
            verdict = passed if value == fact.value else failed
            observed = shown(value) if value else "not set"
            where = in_environment(runtime, fact.name)
            yield verdict(runtime.label, f"{fact.name} = {fact.value}", observed, where)
        else:
            yield _present(runtime, fact.name)


def names_declared(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ENV-007: a variable with one of our prefixes is one that a program reads."""
    runtime = runtime_of(evidence)
    known = declaration.declared_variables | declaration.secret_variables
    strangers = [
        found
        for found in runtime.variables.values()
        if found.name.startswith(OWN_PREFIXES) and found.name not in known and not _of_a_service(found.name)
    ]
    for found in strangers:
        observed = f"{found.name} is set, which no program reads. {candidates(found.name, known)}".strip()
        where = in_environment(runtime, found.name)
        yield failed(runtime.label, "variables that a program reads", observed, where)
    if not strangers:
        yield passed(runtime.label, "variables that a program reads", "no other")


def _of_a_service(name: str) -> bool:
    """Tells whether the kubelet writes variables of this name for Services, which SVC-004 judges."""
    return "_SERVICE_" in name or "_PORT" in name
