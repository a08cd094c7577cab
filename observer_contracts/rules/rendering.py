"""The manifests themselves: they render, have the shape the API server accepts, and name the right things."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from observer_contracts.declaration.facts import Declaration, WorkloadFact
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.hidden import Length
from observer_contracts.evidence.objects import KubernetesObject, Place, field_name
from observer_contracts.evidence.workloads import Container, Workload
from observer_contracts.evidence.yaml_documents import Fields, Items
from observer_contracts.model import Finding, Location, Source
from observer_contracts.rules.findings import candidates, failed, passed, shown, unknown, warned
from observer_contracts.rules.network import matches
from observer_contracts.rules.program import starts_declared_program, words_of
from observer_contracts.rules.shapes import QUANTITIES, item_type, load_shapes, value_type

_CLUSTER_WIDE = frozenset(
    {
        "Namespace",
        "ClusterRole",
        "ClusterRoleBinding",
        "PersistentVolume",
        "StorageClass",
        "CustomResourceDefinition",
        "PriorityClass",
        "Node",
    }
)
_MOST_PROBLEMS = 20
_SELECTING = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
_SCALARS: dict[str, tuple[type, ...]] = {"str": (str,), "datetime": (str,), "int": (int,), "bool": (bool,)}
_NAMES = {"str": "a text; quote it", "datetime": "a time", "int": "a whole number", "bool": "true or false"}

_Problem = tuple[Place, str, str]


def renders(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """RND-001: every manifest was read, and every kustomization renders."""
    manifests = evidence.manifests
    if manifests is None:
        return
    for problem in manifests.problems:
        verdict = unknown if problem.missing_tool else failed
        where = Location(Source.MANIFESTS, problem.file)
        yield verdict(
            problem.file, "manifests that can be read", problem.message, where, remedy=problem.remedy
        )
    if not manifests.problems and manifests.objects:
        yield passed(manifests.name, "manifests that can be read", f"{len(manifests.objects)} objects")
    elif not manifests.problems:
        yield unknown(manifests.name, "manifests that can be read", "there is no Kubernetes object in it")


def well_shaped(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """RND-002: the objects have the fields and types of Kubernetes 1.34."""
    manifests = evidence.manifests
    if manifests is None:
        return
    for found in manifests.objects:
        problems = list(_problems(found))
        for place, expected, observed in problems[:_MOST_PROBLEMS]:
            yield failed(found.label, expected, observed, found.where(*place))
        if not problems:
            yield passed(found.label, "fields and types of Kubernetes 1.34", "fit", found.where())
    for stranger in manifests.strangers:
        yield failed(
            stranger.object or stranger.file, "kind and metadata.name", "a document without them", stranger
        )
    for duplicate in manifests.duplicates:
        yield warned(
            duplicate.label,
            "one document for each object",
            "a later document replaces this one",
            duplicate.where(),
        )


def _problems(found: KubernetesObject) -> Iterator[_Problem]:
    version, name = load_shapes().kinds.get(found.kind, ("", ""))
    given = found.text("apiVersion")
    if not given or (version and given != version):
        yield ("apiVersion",), f"apiVersion {version or 'of its kind'}", shown(given) if given else "none"
    if name:
        yield from _compare(found.fields, name, ())


def _compare(value: Any, name: str, place: Place) -> Iterator[_Problem]:
    """Compares a value with a type; the values of a Secret have been put away and are left out."""
    scalar = _SCALARS.get(name)
    items, values = item_type(name), value_type(name)
    if scalar is not None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        quantity = name == "str" and number and bool(QUANTITIES & {str(step) for step in place[-2:]})
        if type(value) not in scalar and not quantity:
            yield place, f"{field_name(place)}: {_NAMES[name]}", _kind_of(value)
    elif items is not None:
        yield from _compare_items(value, items, place)
    elif values is not None or name in load_shapes().types:
        yield from _compare_fields(value, name, place)


def _compare_items(value: Any, name: str, place: Place) -> Iterator[_Problem]:
    if not isinstance(value, Items):
        yield place, f"{field_name(place)}: a list", _kind_of(value)
        return
    for index, item in enumerate(value):
        yield from _compare(item, name, (*place, index))


def _compare_fields(value: Any, name: str, place: Place) -> Iterator[_Problem]:
    if not isinstance(value, Fields):
        yield place, f"{field_name(place) or 'the object'}: a mapping", _kind_of(value)
        return
    values = value_type(name)
    if values is not None:
        for key, item in value.items():
            if item is not None and not isinstance(item, Length):
                yield from _compare(item, values, (*place, key))
        return
    shape = load_shapes().types[name]
    for key, item in value.items():
        if key not in shape.fields:
            observed = f"{shown(key)} is unknown. {candidates(key, shape.fields)}".strip()
            yield (*place, key), f"a field that {field_name(place) or 'the object'} has", observed
        elif item is not None:
            yield from _compare(item, shape.fields[key], (*place, key))
    for key in shape.required:
        if value.get(key) is None:
            yield place, f"{field_name((*place, key))} set", "missing"


def _kind_of(value: Any) -> str:
    names = {
        Fields: "a mapping",
        Items: "a list",
        str: "a text",
        bool: "a truth value",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), "nothing" if value is None else "another type")


def workloads_present(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """WRK-001: the declared workloads are there, run, and select their own pods."""
    for fact in declaration.workloads:
        label = f"{fact.kind}/{fact.name}"
        workload = evidence.workload(fact.name, fact.kind)
        if workload is None:
            yield _missing(declaration, evidence, label, fact.name)
        elif workload.replicas < 1 or workload.main is None:
            observed = "no replicas" if workload.main else "no container"
            yield failed(label, "pods that run", observed, workload.object.where("spec", "replicas"))
        else:
            yield passed(
                label, f"a {fact.kind} {fact.name}", f"{workload.replicas} replicas", workload.object.where()
            )
            yield _program(fact, workload.main)
    for workload in evidence.workloads:
        yield from _own_pods(workload, evidence)


def _program(fact: WorkloadFact, main: Container) -> Finding:
    words = " ".join(words_of(main))
    label, where = main.workload.label, main.where("command" if "command" in main.fields else "args")
    expected = f"{main.name} runs `{' '.join((fact.program, *fact.arguments))}`"
    started = starts_declared_program(fact, main)
    if started:
        return passed(label, expected, shown(words), where)
    if started is False:
        return failed(label, expected, f"it is told to run {shown(words)}", where)
    if fact.arguments:
        return warned(label, expected, "not said: what the image starts by itself", where)
    return passed(label, expected, "what the image starts by itself", where)


def _missing(declaration: Declaration, evidence: Evidence, label: str, name: str) -> Finding:
    names = [workload.label for workload in evidence.workloads]
    known = {fact.name for fact in declaration.workloads}
    if not any(workload.name in known for workload in evidence.workloads):
        return unknown(label, "the workload", "none of the declared workloads is in these manifests")
    hint = candidates(name, [found.partition("/")[2] for found in names])
    return failed(label, "the workload", f"not there; there are {', '.join(names)}. {hint}".strip())


def _own_pods(workload: Workload, evidence: Evidence) -> Iterator[Finding]:
    selector = workload.object.mapping("spec", "selector")
    if workload.object.kind not in _SELECTING or not selector:
        return
    where = workload.object.where("spec", "selector")
    if not matches(selector, workload.labels):
        yield failed(workload.label, "a selector that matches its own pods", "it does not", where)
    for other in evidence.workloads:
        if other.object is not workload.object and matches(selector, other.labels):
            observed = f"it matches the pods of {other.label} too"
            remedy = "Give each of the two labels of its own, or remove one of them."
            yield failed(
                workload.label, "a selector that matches its own pods alone", observed, where, remedy=remedy
            )


def one_namespace(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """NSP-001: everything lies in the declared namespace."""
    wrong = 0
    for found in evidence.manifests.objects if evidence.manifests else ():
        if found.kind in _CLUSTER_WIDE:
            continue
        if found.namespace not in ("", declaration.namespace):
            wrong += 1
            where = found.where("metadata", "namespace")
            yield failed(found.label, f"namespace {declaration.namespace}", shown(found.namespace), where)
    if evidence.manifests and evidence.manifests.objects and not wrong:
        yield passed("manifests", f"namespace {declaration.namespace}", "everywhere, or left to the apply")
