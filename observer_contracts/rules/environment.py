"""The environment: every variable has one source, every reference resolves, every value is accepted."""

from __future__ import annotations

import re
from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration, VariableFact
from observer_contracts.evidence.environment import Environment, Layer, Reference, Value
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import as_text, items_at, text_at
from observer_contracts.evidence.workloads import Container, Workload
from observer_contracts.model import Finding
from observer_contracts.rules.findings import candidates, failed, passed, shown, unknown, warned

_HASH = re.compile(r".+-[bcdfghkmt2456789]{10}")
_HASH_ANNOTATION = re.compile(r"(checksum|hash|config)", re.IGNORECASE)
# A ConfigMap with so many keys of the configuration is a copy of it.
_A_COPY = 3
OWN_PREFIXES = ("OBSERVER_", "KIS_", "KIWOOM_")


def config_maps_resolve(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ENV-001: every reference to a ConfigMap finds the object and the key."""
    for workload in evidence.workloads:
        for reference in evidence.references(workload, "ConfigMap"):
            yield _resolved(declaration, evidence, workload, reference)
        for container in workload.containers:
            for value in evidence.environment(container).dropped:
                yield warned(
                    workload.label,
                    "keys that are variable names",
                    f"{value.origin} has a key that no variable can have",
                    value.where,
                    remedy="Rename the key, or mount the ConfigMap as files.",
                )


def _resolved(
    declaration: Declaration, evidence: Evidence, workload: Workload, reference: Reference
) -> Finding:
    name, key = reference.name, reference.key
    where = workload.object.where(*reference.place)
    expected = f"ConfigMap {name}" + (f" with key {key}" if key else "")
    if reference.optional and _carries_configuration(declaration, evidence, name):
        observed = "optional: the pod would start without it"
        return failed(workload.label, f"a ConfigMap {name} that the pod waits for", observed, where)
    if not reference.missing:
        return passed(workload.label, expected, "there", where)
    if reference.optional or name in declaration.external_config_maps:
        return passed(workload.label, expected, "declared as made elsewhere, or optional", where)
    maps = evidence.manifests.of("ConfigMap") if evidence.manifests else []
    if reference.missing == "object":
        hint = candidates(name, [found.name for found in maps])
        return failed(workload.label, expected, f"no ConfigMap {shown(name)}. {hint}".strip(), where)
    hint = candidates(key, [key for found in maps if found.name == name for key in found.mapping("data")])
    return failed(workload.label, expected, f"it has no key {shown(key)}. {hint}".strip(), where)


def _carries_configuration(declaration: Declaration, evidence: Evidence, name: str) -> bool:
    found = evidence.manifests.find("ConfigMap", name) if evidence.manifests else None
    return found is not None and any(fact.name in found.mapping("data") for fact in declaration.configuration)


def one_source(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ENV-002: no variable of a container comes from two sources."""
    public = declaration.public_variables
    for workload in evidence.workloads:
        for container in workload.containers:
            environment = evidence.environment(container)
            for winner, loser in environment.shadowed:
                yield _shadowed(workload, winner, loser, public=winner.name in public)
            if not environment.shadowed and environment.effective:
                yield passed(workload.label, f"one source for each variable of {container.name}", "one each")


def _shadowed(workload: Workload, winner: Value, loser: Value, *, public: bool) -> Finding:
    both = f"{winner.layer} of {winner.origin} wins over {loser.layer} of {loser.origin}"
    expected = f"{winner.name} from one source"
    if winner.text is None or loser.text is None:
        return warned(
            workload.label, expected, f"{both}; the values cannot be compared", winner.where, loser.where
        )
    if winner.text == loser.text:
        return warned(workload.label, expected, f"{both}, with the same value", winner.where, loser.where)
    values = f": {shown(winner.text)} over {shown(loser.text)}" if public else ", with another value"
    return failed(workload.label, expected, both + values, winner.where, loser.where)


def configuration_present(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ENV-003: the collector gets every key of the configuration, and none is empty."""
    container = _collector(declaration, evidence)
    for fact in declaration.configuration:
        expected = f"{fact.name} set and not empty"
        if container is None:
            yield unknown(declaration.collector.name, expected, "there is no collector (WRK-001)")
            continue
        environment = evidence.environment(container)
        value = environment.effective.get(fact.name)
        if value is not None and value.layer is not Layer.IMAGE and value.text != "":
            yield passed(value.origin, expected, f"from {value.origin}", value.where)
        elif value is not None and value.layer is not Layer.IMAGE:
            yield failed(value.origin, expected, "empty", value.where)
        elif _config_map_missing(environment):
            yield unknown(container.workload.label, expected, "its ConfigMap is missing (ENV-001)")
        else:
            yield _absent(declaration, evidence, container, fact, expected)


def _config_map_missing(environment: Environment) -> bool:
    return any(
        found.kind == "ConfigMap" and found.missing == "object" and not found.optional
        for found in environment.references
    )


def _absent(
    declaration: Declaration, evidence: Evidence, container: Container, fact: VariableFact, expected: str
) -> Finding:
    """Names the ConfigMap that should have the key: the one that has most of the others."""
    wanted = {other.name for other in declaration.configuration}
    names = [found.name for found in evidence.environment(container).references if found.kind == "ConfigMap"]
    maps = [
        found
        for name in names
        if evidence.manifests and (found := evidence.manifests.find("ConfigMap", name))
    ]
    best = max(maps, key=lambda found: len(wanted & set(found.mapping("data"))), default=None)
    if best is None:
        return failed(container.workload.label, expected, "no source", container.where("envFrom"))
    if fact.name in best.mapping("data"):
        observed = f"{best.label} has the key, and a prefix renames it"
        return failed(container.workload.label, expected, observed, container.where("envFrom"))
    hint = candidates(fact.name, best.mapping("data").keys() - wanted)
    return failed(best.label, expected, f"{best.label} has no such key. {hint}".strip(), best.where("data"))


def values_accepted(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ENV-005: values that are part of no other contract are those the program expects or accepts."""
    container = _collector(declaration, evidence)
    if container is None:
        yield unknown(
            declaration.collector.name, "values the program accepts", "there is no collector (WRK-001)"
        )
        return
    yield from _copies(declaration, evidence, container)
    elsewhere = judged_elsewhere(declaration)
    effective = evidence.environment(container).effective
    for fact in (*declaration.configuration, *declaration.optional):
        value = effective.get(fact.name)
        if fact.name in elsewhere or value is None or not value.text or value.layer is Layer.IMAGE:
            continue
        expected = (
            f"{fact.name} = {fact.default}"
            if fact.fixed
            else f"a value of {fact.name} that the program accepts"
        )
        wrong = value.text != fact.default if fact.fixed else not fact.accepts(value.text)
        hidden = fact.name not in declaration.public_variables
        observed = "a value" if hidden else shown(value.text)
        yield (failed if wrong else passed)(value.origin, expected, observed, value.where)


def _copies(declaration: Declaration, evidence: Evidence, container: Container) -> Iterator[Finding]:
    """Another ConfigMap with the configuration, as Dagster's runs take it, says what the collector's says."""
    own = {found.name for found in evidence.environment(container).references if found.kind == "ConfigMap"}
    facts = {fact.name: fact for fact in declaration.configuration}
    for config_map in evidence.manifests.of("ConfigMap") if evidence.manifests else []:
        data = config_map.mapping("data")
        shared = sorted(facts.keys() & data.keys())
        if config_map.name in own or len(shared) < _A_COPY:
            continue
        for name in shared:
            fact, value = facts[name], as_text(data[name])
            wrong = value != fact.default if fact.fixed else not fact.accepts(value)
            if wrong:
                expected = f"{name} = {fact.default}, as for the collector"
                yield failed(config_map.label, expected, shown(value), config_map.where("data", name))


def same_configuration(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ENV-008: the ConfigMap for Dagster's pods holds exactly what the collector's holds."""
    container = _collector(declaration, evidence)
    if container is None or evidence.manifests is None:
        yield unknown(declaration.collector.name, "one configuration", "there is no collector (WRK-001)")
        return
    own = [
        found
        for reference in evidence.environment(container).references
        if reference.kind == "ConfigMap"
        and (found := evidence.manifests.find("ConfigMap", reference.name)) is not None
    ]
    wanted = {key: as_text(value) for found in own for key, value in found.mapping("data").items()}
    known = {fact.name for fact in declaration.configuration}
    for config_map in evidence.manifests.of("ConfigMap"):
        data = {key: as_text(value) for key, value in config_map.mapping("data").items()}
        if config_map in own or len(known & data.keys()) < _A_COPY:
            continue
        # A declared key that the collector's lacks is told once, by ENV-003.
        keys = wanted.keys() | (data.keys() - known)
        different = sorted(key for key in keys if wanted.get(key) != data.get(key))
        expected, where = "the collector's configuration, whole and unchanged", config_map.where("data")
        if different:
            yield failed(config_map.label, expected, f"another {', '.join(different)}", where)
        else:
            yield passed(config_map.label, expected, "the same", where)


def judged_elsewhere(declaration: Declaration) -> set[str]:
    """Returns the variables whose values are part of the path, database or service contract."""
    database = declaration.database
    return {
        *(fact.variable for fact in declaration.paths),
        *(database.host_variable, database.port_variable, database.name_variable),
        declaration.http.port_variable,
    }


def pod_identity(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ENV-006: the pod sets its own variables: name, namespace, time zone, unbuffered output."""
    container = _collector(declaration, evidence)
    if container is None:
        yield unknown(
            declaration.collector.name, "the pod's own variables", "there is no collector (WRK-001)"
        )
        return
    label = container.workload.label
    entries = {text_at(entry, "name"): (index, entry) for index, entry in items_at(container.fields, "env")}
    for fact in declaration.pod_variables:
        source = f"the field {fact.field}" if fact.field else fact.value
        expected = f"env {fact.name} = {source}"
        if fact.name not in entries:
            yield failed(label, expected, "not in env", container.where("env"))
            continue
        index, entry = entries[fact.name]
        where = container.where("env", index)
        found = text_at(entry, "valueFrom", "fieldRef", "fieldPath") if fact.field else entry.get("value")
        if found == (fact.field or fact.value):
            yield passed(label, expected, "the same", where)
        else:
            yield failed(label, expected, shown(str(found)) if found else "another source", where)


def names_declared(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ENV-007: a variable with one of our prefixes is one that a program reads."""
    container = _collector(declaration, evidence)
    if container is None:
        yield unknown(
            declaration.collector.name, "declared variables only", "there is no collector (WRK-001)"
        )
        return
    known = declaration.declared_variables | declaration.secret_variables
    effective = evidence.environment(container).effective.values()
    strangers = [
        value for value in effective if value.name.startswith(OWN_PREFIXES) and value.name not in known
    ]
    for value in strangers:
        hint = candidates(value.name, known)
        observed = f"{value.origin} sets {value.name}, which no program reads. {hint}".strip()
        yield failed(value.origin, "variables that a program reads", observed, value.where)
    if not strangers:
        yield passed(container.workload.label, "variables that a program reads", "no other")


def change_rolls_pods(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ENV-004: a change of the configuration starts new pods."""
    container = _collector(declaration, evidence)
    if container is None:
        yield unknown(
            declaration.collector.name, "pods follow the ConfigMap", "there is no collector (WRK-001)"
        )
        return
    workload = container.workload
    annotations = workload.object.mapping(*workload.template, "metadata", "annotations")
    hashed = [key for key in annotations if _HASH_ANNOTATION.search(key)]
    for reference in evidence.environment(container).references:
        if reference.kind != "ConfigMap" or reference.missing:
            continue
        where = workload.object.where(*reference.place)
        expected = f"a hash of {reference.name} in its name or in an annotation of the pod"
        if _HASH.fullmatch(reference.name) or hashed:
            yield passed(workload.label, expected, "there is one", where)
        else:
            yield warned(workload.label, expected, "none: a change does not reach running pods", where)


def _collector(declaration: Declaration, evidence: Evidence) -> Container | None:
    workload = evidence.workload(declaration.collector.name)
    return workload.main if workload else None
