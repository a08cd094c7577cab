"""The workloads in the cluster: their pods run, do not restart, and run the declared image."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration, WorkloadFact
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.live.observations import Live
from observer_contracts.evidence.live.pods import is_ready, pods_of
from observer_contracts.evidence.manifests import Manifests
from observer_contracts.evidence.objects import KubernetesObject, as_text, items_at, mapping_at, text_at
from observer_contracts.evidence.workloads import Workload
from observer_contracts.model import Finding
from observer_contracts.rules import same_contract
from observer_contracts.rules.findings import candidates, failed, passed, shown, unknown, warned
from observer_contracts.rules.live.seen import ENVIRONMENT, WORKLOADS, at, live_of
from observer_contracts.rules.program import image_parts

_MOST_RESTARTS = 5
# A pod that has just been made waits for these; anything else that it waits for does not go away.
_PASSING = frozenset({"", "ContainerCreating", "PodInitializing"})


def workloads_run(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """WRK-001: the declared workloads are there, have replicas, and the cluster makes their pods."""
    live = live_of(evidence)
    for fact in declaration.workloads:
        about = f"{fact.kind}/{fact.name}"
        unseen = live.unseen(fact.kind, "Pod")
        if unseen:
            yield unknown(about, "the workload", unseen)
        else:
            yield _runs(live, fact, about)


def runs_as_the_collector(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """RUN-001: the pods of Dagster's runs, as the launcher made them, keep the collector's contract."""
    live = live_of(evidence)
    unseen = live.unseen(*ENVIRONMENT, "Pod")
    if unseen:
        yield unknown("cluster", "objects that can be read", unseen)
        return
    objects = (*live.applied.objects, *live.of("Pod"))
    yield from same_contract.runs_as_the_collector(
        declaration, Evidence(manifests=Manifests(live.applied.name, objects))
    )


def _runs(live: Live, fact: WorkloadFact, about: str) -> Finding:
    found = live.find(fact.kind, fact.name)
    if found is None:
        names = [other.name for kind in WORKLOADS for other in live.of(kind)]
        observed = f"not there. {candidates(fact.name, names)}".strip()
        return failed(about, "the workload", observed, at("", about))
    wanted = Workload(found).replicas
    if wanted < 1:
        return failed(about, "pods that run", "no replicas", found.where("spec", "replicas"))
    pods = pods_of(live, fact.name, fact.kind)
    if len(pods) < wanted:
        reason = _why_no_pods(found)
        where = found.where("status", "conditions")
        return failed(about, f"{wanted} pods", f"{len(pods)}{reason}", where)
    return passed(about, f"{wanted} pods", ", ".join(pod.name for pod in pods), found.where("status"))


def _why_no_pods(found: KubernetesObject) -> str:
    for _, condition in found.items("status", "conditions"):
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return f": {shown(text_at(condition, 'message'))}"
    return ""


def pods_are_ready(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """POD-001: each pod of the namespace is ready and does not restart; pods of Jobs end by themselves."""
    live = live_of(evidence)
    unseen = live.unseen("Pod")
    if unseen:
        yield unknown("Pod", "ready pods", unseen)
        return
    pods = [pod for pod in live.of("Pod") if pod.namespace == declaration.namespace and not _ends(pod)]
    for pod in pods:
        yield _ready(pod)
    if not pods:
        yield unknown("Pod", "ready pods", "there is no pod (WRK-001)")


def _ends(pod: KubernetesObject) -> bool:
    owners = {text_at(item, "kind") for _, item in pod.items("metadata", "ownerReferences")}
    return "Job" in owners or bool(pod.value("metadata", "deletionTimestamp"))


def _ready(pod: KubernetesObject) -> Finding:
    expected, where = "ready, without restarts", pod.where("status")
    waiting = _waits_for(pod)
    if waiting:
        return failed(pod.label, expected, waiting, where)
    if not is_ready(pod):
        phase = pod.text("status", "phase")
        return failed(pod.label, expected, f"not ready (phase {shown(phase)})", where)
    restarts = max((count for _, count in _restarts(pod)), default=0)
    if restarts:
        reason = _last_end(pod)
        verdict = failed if restarts > _MOST_RESTARTS or "OOMKilled" in reason else warned
        return verdict(pod.label, expected, f"{restarts} restarts{reason}", where)
    return passed(pod.label, expected, f"since {pod.text('status', 'startTime')}", where)


def _states(pod: KubernetesObject) -> Iterator[tuple[str, KubernetesObject, tuple[str | int, ...]]]:
    for block in ("initContainerStatuses", "containerStatuses"):
        for place, item in pod.items("status", block):
            yield text_at(item, "name"), pod, place


def _waits_for(pod: KubernetesObject) -> str:
    for name, _, place in _states(pod):
        reason = pod.text(*place, "state", "waiting", "reason")
        if reason not in _PASSING:
            message = pod.text(*place, "state", "waiting", "message")
            return f"container {name}: {reason}" + (f", {shown(message)}" if message else "")
    for _, condition in pod.items("status", "conditions"):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"no node takes it: {shown(text_at(condition, 'message'))}"
    return ""


def _restarts(pod: KubernetesObject) -> Iterator[tuple[str, int]]:
    for name, _, place in _states(pod):
        count = pod.value(*place, "restartCount")
        yield name, count if isinstance(count, int) else 0


def _last_end(pod: KubernetesObject) -> str:
    for name, _, place in _states(pod):
        ended = mapping_at(pod.fields, *place, "lastState", "terminated")
        if ended:
            return f"; container {name} ended: {text_at(ended, 'reason')} ({as_text(ended.get('exitCode'))})"
    return ""


def no_warnings(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """POD-002: the cluster warns of nothing in the namespace."""
    live = live_of(evidence)
    unseen = live.unseen("Event")
    if unseen:
        yield unknown("Event", "no warnings", unseen)
        return
    seen: dict[tuple[str, str], tuple[int, KubernetesObject]] = {}
    for event in live.of("Event"):
        if event.text("type") == "Warning":
            about = f"{event.text('involvedObject', 'kind')}/{event.text('involvedObject', 'name')}"
            count = event.value("count")
            number, _ = seen.get((about, event.text("reason")), (0, event))
            seen[about, event.text("reason")] = (number + (count if isinstance(count, int) else 1), event)
    for (about, reason), (number, event) in sorted(seen.items()):
        observed = f"{reason}, {number} times: {shown(event.text('message'))}"
        yield warned(about, "no warning events", observed, event.where("message"))
    if not seen:
        where = at(f"/api/v1/namespaces/{declaration.namespace}/events")
        yield passed("Event", "no warning events", "none", where)


def image_runs(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """IMG-001: the pods run the image that their workload names, and all the same one."""
    live = live_of(evidence)
    for fact in declaration.workloads:
        unseen = live.unseen(fact.kind, "Pod")
        found = live.find(fact.kind, fact.name)
        if unseen or found is None:
            yield unknown(f"{fact.kind}/{fact.name}", "the image that runs", unseen or "not there (WRK-001)")
            continue
        yield from _images(Workload(found), pods_of(live, fact.name, fact.kind))


def _images(workload: Workload, pods: list[KubernetesObject]) -> Iterator[Finding]:
    wanted = {container.name: text_at(container.fields, "image") for container in workload.containers}
    running: dict[str, set[str]] = {}
    for pod in pods:
        containers = items_at(pod.fields, "spec", "containers")
        named = {text_at(item, "name"): text_at(item, "image") for _, item in containers}
        for place, item in pod.items("status", "containerStatuses"):
            name, digest = text_at(item, "name"), image_parts(text_at(item, "imageID"))[2]
            image, where = wanted.get(name, ""), pod.where(*place, "imageID")
            expected = f"image {image} in {name}"
            if named.get(name) != image:
                yield failed(pod.label, expected, f"it runs {shown(named.get(name, ''))}", where)
            elif digest:
                running.setdefault(name, set()).add(digest)
                verdict = passed if _is(image, digest) else failed
                yield verdict(pod.label, expected, digest, where)
    for name, digests in running.items():
        if len(digests) > 1:
            expected = f"one image behind {wanted[name]}"
            yield failed(workload.label, expected, f"{len(digests)} different ones: the tag was moved")


def _is(image: str, digest: str) -> bool:
    named = image_parts(image)[2]
    return not named or named == digest
