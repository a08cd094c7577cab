"""The collector's contract for other containers: the init step, Dagster's runs, and the maintenance pod.

Invariant: nothing is written twice: the rules about the collector's main container are asked about another
container in its place. What they also say about the main container is left to them, so that one broken
fact has one rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import text_at
from observer_contracts.evidence.workloads import Container
from observer_contracts.model import Check, Finding, Location, Status
from observer_contracts.rules import broker, environment, path, secret, security
from observer_contracts.rules.findings import failed, passed, shown, unknown, warned
from observer_contracts.rules.program import RUN_LABEL, image_parts, is_run, words_of

_CONTRACT: Mapping[str, Check] = {
    "PATH-001": path.mounted,
    "PATH-002": path.environment_agrees,
    "PATH-003": path.folders_in_their_mount,
    "ENV-003": environment.configuration_present,
    "ENV-005": environment.values_accepted,
    "ENV-006": environment.pod_identity,
    "ENV-007": environment.names_declared,
    "ENV-009": broker.declared_environment,
    "SEC-002": secret.keys_complete,
    "CTX-001": security.collector_context,
    "CTX-003": security.temporary_folders,
    "CTX-004": security.volumes_writable,
    "CTX-005": security.read_only_mounts,
}
_BAD = frozenset({Status.FAIL, Status.WARN})

_VERIFICATION = ("contracts", "verify", "--runtime")
_FAIL_ON, _GATE = "--fail-on", "--gate"


def verified_before_start(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PRB-004: an init step verifies the container, sees what the collector sees, and refuses rightly."""
    collector = evidence.workload(declaration.collector.name)
    if collector is None or collector.main is None:
        yield unknown(declaration.collector.name, "an init step", "there is no collector (WRK-001)")
        return
    expected = f"an init container that runs `observer {' '.join(_VERIFICATION)}`"
    steps = [container for container in collector.containers if container.init and _verifies(container)]
    if not steps:
        where = collector.where("initContainers")
        yield warned(collector.label, expected, "none: the collector starts unverified", where)
    for step in steps:
        yield _refuses_rightly(step)
        yield _same_image(step, collector.main)
        yield from _as_the_collector(declaration, evidence, step)


def _verifies(container: Container) -> bool:
    words = words_of(container)
    return all(word in words for word in _VERIFICATION)


def _refuses_rightly(step: Container) -> Finding:
    words = words_of(step)
    expected = f"{step.name} refuses on critical findings only: {_FAIL_ON} critical {_GATE}"
    label, where = step.workload.label, step.where("args")
    severity = next((after for word, after in pairwise(words) if word == _FAIL_ON), "high")
    if severity == "critical" and _GATE in words:
        return passed(label, expected, "as declared", where)
    gate = "" if _GATE in words else f", without {_GATE}: what it cannot look at stops the collector"
    return failed(label, expected, f"{_FAIL_ON} {shown(severity)}{gate}", where)


def _same_image(step: Container, main: Container) -> Finding:
    image, wanted = text_at(step.fields, "image"), text_at(main.fields, "image")
    expected = f"{step.name} has the collector's image"
    verdict = passed if image_parts(image) == image_parts(wanted) else warned
    return verdict(step.workload.label, expected, shown(image), step.where("image"))


def runs_as_the_collector(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """RUN-001: runs and the maintenance pod have the collector's environment, mounts and context."""
    by_hand = evidence.workload(declaration.writer.maintenance)
    if by_hand is not None and by_hand.main is not None:
        # It holds no lock, which would name its holder by the pod.
        yield from _as_the_collector(declaration, evidence, by_hand.main, without=frozenset({"ENV-006"}))
    runs = [workload for workload in evidence.workloads if is_run(workload)]
    for run in runs:
        if run.main is None:
            yield unknown(run.label, "a container", "there is none (RND-002)")
        else:
            yield from _as_the_collector(declaration, evidence, run.main)
    if not runs:
        expected = "runs with the collector's environment, mounts and context"
        yield passed("runs", expected, f"no Job or pod with the label {RUN_LABEL} here")


def _as_the_collector(
    declaration: Declaration,
    evidence: Evidence,
    container: Container,
    *,
    without: frozenset[str] = frozenset(),
) -> Iterator[Finding]:
    """Yields what breaks the contract in a container and not in the collector's own as well."""
    name = declaration.collector.name
    seen = replace(evidence, stand_in=container, stands_for=name)
    broken = False
    for rule, check in _CONTRACT.items():
        if rule in without:
            continue
        known = {_said(finding) for finding in check(declaration, evidence)}
        for finding in _once(check(declaration, seen)):
            if finding.status not in _BAD or _said(finding) in known:
                continue
            broken = True
            where = finding.evidence or (_place(container),)
            expected = f"{container.name}: {finding.expected} ({rule})"
            verdict = failed if finding.status is Status.FAIL else warned
            yield verdict(container.workload.label, expected, finding.observed, *where, remedy=finding.remedy)
    if not broken:
        expected = f"{container.name}: environment, mounts and context of the collector"
        yield passed(container.workload.label, expected, "the same", _place(container))


def _said(finding: Finding) -> tuple[Status, str, str]:
    return finding.status, finding.expected, finding.observed


def _once(findings: Iterable[Finding]) -> list[Finding]:
    return list(dict.fromkeys(findings))


def _place(container: Container) -> Location:
    return container.where("name")
