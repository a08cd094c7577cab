"""The collector's own answers, asked from inside of its pod."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.seeing import HttpAnswer, Unseen
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, unknown, warned
from observer_contracts.rules.runtime.seen import external, runtime_of

_EXTERNAL = "external:"
_OK, _UNAVAILABLE = 200, 503


def health_answers(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PRB-001: the process answers that it lives."""
    runtime, http = runtime_of(evidence), declaration.http
    answer = runtime.probes[http.health]
    if isinstance(answer, Unseen):
        yield unknown(runtime.label, f"{http.health} on port {http.port} answers", answer.reason)
    else:
        yield judged_health(runtime.label, http.health, answer)


def judged_health(about: str, path: str, answer: HttpAnswer) -> Finding:
    """Judges an answer about the life of the process."""
    verdict = passed if answer.status == _OK else failed
    return verdict(about, f"{path} answers {_OK}", f"status {answer.status}")


def readiness_answers(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PRB-002: the process answers whether data flow, and why not."""
    runtime, http = runtime_of(evidence), declaration.http
    answer = runtime.probes[http.ready]
    if isinstance(answer, Unseen):
        yield unknown(runtime.label, f"{http.ready} answers for itself", answer.reason)
    else:
        yield judged_readiness(runtime.label, http.ready, answer)


def judged_readiness(about: str, path: str, answer: HttpAnswer) -> Finding:
    """Judges an answer about readiness: the broker's failure is external, our own a state, no violation."""
    expected = f"{path} answers for itself: {_OK}, or {_UNAVAILABLE} with a reason"
    reason = str(answer.fields.get("reason", ""))
    if answer.status == _OK and "ready" in answer.fields:
        return passed(about, expected, shown(reason))
    if answer.status == _UNAVAILABLE and reason.startswith(_EXTERNAL):
        return external(about, expected, shown(reason))
    if answer.status == _UNAVAILABLE and reason:
        return warned(about, expected, f"not ready: {shown(reason)}")
    return failed(about, expected, f"status {answer.status} without a reason")
