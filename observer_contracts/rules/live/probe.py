"""What the collector's pods answer to the questions of their probes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.live.pods import pods_of
from observer_contracts.evidence.seeing import HttpAnswer, Unseen
from observer_contracts.model import Finding
from observer_contracts.rules.findings import unknown
from observer_contracts.rules.live.seen import live_of
from observer_contracts.rules.runtime.probe import judged_health, judged_readiness

_Judge = Callable[[str, str, HttpAnswer], Finding]


def health_answers(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PRB-001: each pod answers that it lives."""
    yield from _answers(declaration, evidence, declaration.http.health, judged_health)


def readiness_answers(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PRB-002: each pod answers whether data flow, and why not."""
    yield from _answers(declaration, evidence, declaration.http.ready, judged_readiness)


def _answers(declaration: Declaration, evidence: Evidence, path: str, judge: _Judge) -> Iterator[Finding]:
    live, collector = live_of(evidence), declaration.collector
    expected = f"{path} answers on port {declaration.http.port}"
    unseen = live.unseen(collector.kind, "Pod")
    if unseen:
        yield unknown(collector.name, expected, unseen)
        return
    pods = pods_of(live, collector.name, collector.kind)
    for pod in pods:
        answer = live.answers.get((pod.name, path), Unseen("not asked"))
        if isinstance(answer, Unseen):
            yield unknown(pod.label, expected, answer.reason)
        else:
            yield judge(pod.label, path, answer)
    if not pods:
        yield unknown(collector.name, expected, "there is no pod (WRK-001)")
