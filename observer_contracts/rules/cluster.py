"""Images, resources, rights and disruption: what keeps the node and its tenants safe."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.manifests import Manifests
from observer_contracts.evidence.objects import mapping_at, text_at, value_at
from observer_contracts.evidence.workloads import Container, Workload
from observer_contracts.model import Finding
from observer_contracts.rules.findings import candidates, failed, passed, shown, warned
from observer_contracts.rules.network import matches
from observer_contracts.rules.program import image_parts
from observer_contracts.rules.volume import quantity
from observer_contracts.rules.writer import pinned_to_one_node

_MOVING = frozenset({"", "latest", "main", "master", "stable", "edge", "dev", "nightly"})
_SECRET_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection", "*"})


def images_fixed(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """IMG-001: each image has a fixed tag or digest, and the collector's comes from its own repository."""
    for workload in evidence.workloads:
        for container in workload.containers:
            yield _fixed(container)
    collector = evidence.workload(declaration.collector.name)
    if collector is not None and collector.main is not None:
        image = text_at(collector.main.fields, "image")
        repository, _, _ = image_parts(image)
        right = fnmatch.fnmatchcase(repository, declaration.image)
        verdict = passed if right else failed
        yield verdict(
            collector.label, f"an image {declaration.image}", shown(repository), collector.main.where("image")
        )


def _fixed(container: Container) -> Finding:
    image = text_at(container.fields, "image")
    _, tag, digest = image_parts(image)
    label, where = container.workload.label, container.where("image")
    expected = f"a fixed tag or digest for {container.name}"
    if digest.startswith("sha256:"):
        return passed(label, expected, "a digest", where)
    if tag in _MOVING:
        return failed(label, expected, shown(image), where)
    return passed(label, expected, f"tag {shown(tag)}, no digest", where)


def resources_bounded(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """RES-001: each container asks for memory and processor time and is limited in memory."""
    wanted = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))
    for workload in evidence.workloads:
        for container in workload.containers:
            missing = [
                place for place in wanted if quantity(value_at(container.fields, "resources", *place)) is None
            ]
            where = container.where("resources")
            expected = f"requests and a memory limit for {container.name}"
            if missing:
                observed = "missing: " + ", ".join(".".join(place) for place in missing)
                yield failed(workload.label, expected, observed, where)
                continue
            asked = quantity(value_at(container.fields, "resources", "requests", "memory")) or 0
            limit = quantity(value_at(container.fields, "resources", "limits", "memory")) or 0
            if asked > limit:
                yield failed(workload.label, expected, "the request is larger than the limit", where)
            elif value_at(container.fields, "resources", "limits", "ephemeral-storage") is None:
                yield warned(workload.label, expected, "no limit for ephemeral storage", where)
            else:
                yield passed(workload.label, expected, "all there", where)


def rights_are_narrow(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """RBAC-001: no role is wide, and a token is mounted only where it is used."""
    if evidence.manifests is None:
        return
    for role in evidence.manifests.of("Role", "ClusterRole"):
        wide = [place for place, rule in role.items("rules") if _too_wide(rule)]
        for place in wide:
            yield failed(
                role.label, "named verbs and resources, Secrets read-only", "too wide", role.where(*place)
            )
        if not wide:
            yield passed(
                role.label, "named verbs and resources, Secrets read-only", "narrow", role.where("rules")
            )
    for binding in evidence.manifests.of("RoleBinding", "ClusterRoleBinding"):
        if binding.text("roleRef", "name") in ("cluster-admin", "admin", "edit"):
            yield failed(
                binding.label, "a role of its own", binding.text("roleRef", "name"), binding.where("roleRef")
            )
    yield from _subjects_there(evidence.manifests)
    for fact in declaration.workloads:
        workload = evidence.workload(fact.name)
        if workload is None:
            continue
        account = evidence.manifests.find("ServiceAccount", text_at(workload.pod, "serviceAccountName"))
        yield from _account_there(evidence, workload)
        found = workload.pod.get("automountServiceAccountToken")
        if found is None and account is not None:
            found = account.fields.get("automountServiceAccountToken")
        verdict = passed if found is False else warned
        observed = "no token" if found is False else "the token of its account is mounted"
        where = workload.where("automountServiceAccountToken")
        yield verdict(workload.label, "automountServiceAccountToken: false", observed, where)


def _subjects_there(manifests: Manifests) -> Iterator[Finding]:
    """A binding to an account that is not there gives its rights to whoever makes it later."""
    accounts = [found.name for found in manifests.of("ServiceAccount")]
    for binding in manifests.of("RoleBinding") if accounts else []:
        for place, subject in binding.items("subjects"):
            name, namespace = text_at(subject, "name"), text_at(subject, "namespace")
            own = namespace in ("", binding.namespace) and text_at(subject, "kind") == "ServiceAccount"
            if own and name != "default" and name not in accounts:
                observed = f"no such account. {candidates(name, accounts)}".strip()
                yield failed(binding.label, f"a ServiceAccount {name}", observed, binding.where(*place))


def _account_there(evidence: Evidence, workload: Workload) -> Iterator[Finding]:
    """The API server refuses a pod whose account does not exist."""
    name = text_at(workload.pod, "serviceAccountName")
    accounts = [found.name for found in evidence.manifests.of("ServiceAccount")] if evidence.manifests else []
    if name in ("", "default"):
        return
    where = workload.where("serviceAccountName")
    hint = "there" if name in accounts else f"no such account. {candidates(name, accounts)}".strip()
    yield (passed if name in accounts else failed)(workload.label, f"a ServiceAccount {name}", hint, where)


def _too_wide(rule: dict[str, object]) -> bool:
    verbs, resources = rule.get("verbs"), rule.get("resources")
    named = {str(verb) for verb in verbs} if isinstance(verbs, list) else set()
    on = {str(resource) for resource in resources} if isinstance(resources, list) else set()
    return "*" in named or "*" in on or ("secrets" in on and bool(named & _SECRET_WRITES))


def drains_are_possible(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PDB-001: no disruption budget keeps a node from being drained.

    Pods that are pinned to one node have nowhere else to go: with the node shut, none of them comes back, and
    a budget that wants any of them to stay holds the drain for ever.
    """
    for budget in evidence.manifests.of("PodDisruptionBudget") if evidence.manifests else []:
        selector = mapping_at(budget.fields, "spec", "selector")
        for workload in evidence.workloads:
            if not matches(selector, workload.labels):
                continue
            least, most = budget.value("spec", "minAvailable"), budget.value("spec", "maxUnavailable")
            pinned = pinned_to_one_node(declaration, workload)
            blocked = (
                most in (0, "0", "0%")
                or least == "100%"
                or (isinstance(least, int) and least >= workload.replicas)
                or (pinned and not _lets_all_go(least, most, workload.replicas))
            )
            observed = f"minAvailable {least}, maxUnavailable {most}, {workload.replicas} replicas"
            observed += " on one node" if pinned else ""
            verdict = failed if blocked else passed
            yield verdict(budget.label, f"{workload.label} can leave a node", observed, budget.where("spec"))


def _lets_all_go(least: object, most: object, replicas: int) -> bool:
    """Tells whether a budget lets every pod leave at the same time."""
    return most == "100%" or (isinstance(most, int) and most >= replicas) or least in (0, "0", "0%")
