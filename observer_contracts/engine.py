"""Runs the rules.

Invariant: every selected rule answers for each source that was asked for, by findings or by UNKNOWN;
a rule that cannot evaluate is UNKNOWN and never an exception. A deployment that could not be read
whole gives no verdict about what is missing from it.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from observer_contracts.catalogue import BY_ID, EXEMPTIONS, GATES, RENDERING, RULES
from observer_contracts.declaration.facts import Declaration, Exemption
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.live.observations import Live
from observer_contracts.evidence.manifests import Manifests
from observer_contracts.evidence.repository import Repository
from observer_contracts.evidence.runtime.observations import Runtime
from observer_contracts.model import Check, Finding, Location, Result, Rule, Severity, Source, Status

_EXEMPTIBLE = frozenset({Status.FAIL, Status.WARN})


@dataclass(frozen=True, slots=True)
class Verification:
    """What is verified.

    Attributes:
        manifests: Deployments, each judged on its own; None where none was asked for.
        repository: A repository; None where none was asked for.
        runtime: The container of this process; None where it was not asked for.
        live: The cluster; None where it was not asked for. With one deployment it is compared with that.
        only: Ids of the rules to run; all where empty.
        exemptions: Accepted findings.
        today: The day that decides whether an exemption has expired.
    """

    declaration: Declaration
    manifests: Sequence[Manifests] | None = None
    repository: Repository | None = None
    runtime: Runtime | None = None
    live: Live | None = None
    only: Collection[str] = ()
    exemptions: Sequence[Exemption] = ()
    today: date = date.max


def verify(verification: Verification) -> list[Result]:
    """Runs the rules and returns their results, the worst first."""
    rules = [rule for rule in RULES if not verification.only or rule.id in verification.only]
    results = [
        replace(result, source=source)
        for source, evidence in _evidence(verification)
        for result in _run(rules, source, verification.declaration, evidence)
    ]
    unique = list(dict.fromkeys(results))
    return sorted(_exempted(unique, verification, rules), key=lambda result: result.order)


def _evidence(verification: Verification) -> Iterator[tuple[Source, Evidence]]:
    """Yields each source that was asked for."""
    given = verification.manifests or ()
    for manifests in given:
        yield (
            Source.MANIFESTS,
            Evidence(manifests=manifests, image_owner=verification.declaration.collector.name),
        )
    if verification.repository is not None:
        yield Source.REPOSITORY, Evidence(repository=verification.repository)
    if verification.runtime is not None:
        yield Source.RUNTIME, Evidence(runtime=verification.runtime)
    if verification.live is not None:
        compared = given[0] if len(given) == 1 else None
        yield Source.LIVE, Evidence(manifests=compared, live=verification.live)


def _run(
    rules: Iterable[Rule], source: Source, declaration: Declaration, evidence: Evidence
) -> Iterator[Result]:
    unreadable = _unreadable(evidence) if source is Source.MANIFESTS else ""
    for rule in rules:
        check = rule.checks.get(source)
        if check is None:
            continue
        if unreadable and rule is not RENDERING:
            yield Result(
                rule,
                Finding(
                    Status.UNKNOWN,
                    evidence.manifests.name if evidence.manifests else "",
                    rule.title,
                    unreadable,
                ),
            )
            continue
        yield from _evaluate(rule, check, declaration, evidence)


def _unreadable(evidence: Evidence) -> str:
    """Returns why nothing can be concluded from the manifests; empty where it can."""
    manifests = evidence.manifests
    if manifests is None or manifests.problems:
        return "the manifests were not read whole (RND-001)"
    return "" if manifests.objects else "there is no Kubernetes object in them (RND-001)"


def _evaluate(rule: Rule, check: Check, declaration: Declaration, evidence: Evidence) -> Iterator[Result]:
    try:
        findings = list(check(declaration, evidence))
    except Exception as error:  # noqa: BLE001 - whatever breaks a rule, the others must still answer
        observed = f"the rule could not be evaluated ({type(error).__name__})"
        findings = [
            Finding(
                Status.UNKNOWN, rule.id, rule.title, observed, remedy="Report this as a fault of the rule."
            )
        ]
    for finding in findings:
        yield Result(rule, finding)


def _exempted(
    results: Sequence[Result], verification: Verification, rules: Sequence[Rule]
) -> Iterator[Result]:
    used: set[int] = set()
    for result in results:
        match = next(
            (
                i
                for i, exemption in enumerate(verification.exemptions)
                if _covers(exemption, result, verification.today)
            ),
            None,
        )
        if match is None:
            yield result
            continue
        used.add(match)
        exemption = verification.exemptions[match]
        until = f"Exempt until {exemption.expires}: {exemption.reason} ({exemption.owner})"
        observed = f"{result.finding.observed}. {until}"
        yield replace(result, finding=replace(result.finding, status=Status.EXEMPT, observed=observed))
    if EXEMPTIONS in rules:
        yield from _judge_exemptions(verification, used)


def _covers(exemption: Exemption, result: Result, today: date) -> bool:
    return (
        result.status in _EXEMPTIBLE
        and exemption.rule == result.rule.id
        and exemption.expires >= today
        and fnmatch.fnmatchcase(result.finding.object, exemption.object)
    )


def _judge_exemptions(verification: Verification, used: set[int]) -> Iterator[Result]:
    for index, exemption in enumerate(verification.exemptions):
        about = f"{exemption.rule} on {exemption.object}"
        expected = "an exemption that is needed and has not expired"
        where = (Location(Source.CONFIGURATION, object=about),)
        if exemption.expires < verification.today:
            observed = f"expired on {exemption.expires} (owner {exemption.owner})"
            yield Result(EXEMPTIONS, Finding(Status.FAIL, about, expected, observed, where))
        elif index in used:
            yield Result(
                EXEMPTIONS, Finding(Status.PASS, about, expected, f"used, until {exemption.expires}", where)
            )
        elif _looked_at(exemption, verification):
            observed = f"nothing to exempt (owner {exemption.owner})"
            yield Result(EXEMPTIONS, Finding(Status.FAIL, about, expected, observed, where))


def _looked_at(exemption: Exemption, verification: Verification) -> bool:
    rule = BY_ID[exemption.rule]
    asked = {
        Source.MANIFESTS: verification.manifests is not None,
        Source.REPOSITORY: verification.repository is not None,
        Source.RUNTIME: verification.runtime is not None,
        Source.LIVE: verification.live is not None,
    }
    ran = not verification.only or rule.id in verification.only
    # What manifests or repository decide need not wait for somebody who looks at the running system.
    needed = set(rule.checks) & {Source.MANIFESTS, Source.REPOSITORY} or set(rule.checks)
    return ran and all(asked.get(source, False) for source in needed)


def worst_exit_status(results: Sequence[Result], fail_on: Severity) -> int:
    """Returns the exit status of a verification.

    Returns:
        0 nothing at or above the severity, 1 findings, 2 manifests that do not render, 3 nothing could be
        seen.
    """
    failures = [result for result in results if result.status is Status.FAIL]
    if any(result.rule is RENDERING for result in failures):
        return 2
    if any(result.rule.severity.rank <= fail_on.rank for result in failures):
        return 1
    unseen = [result for result in results if result.status is Status.UNKNOWN]
    nothing = not any(
        result.status in (Status.PASS, Status.WARN, Status.EXEMPT, Status.EXTERNAL) for result in results
    )
    blind = any(result.rule.id in GATES for result in unseen)
    return 3 if blind or (nothing and not failures) else 0
