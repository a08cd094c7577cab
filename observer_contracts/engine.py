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
from pathlib import Path

from observer_contracts.catalogue import BY_ID, EXEMPTIONS, GATES, RENDERING, RULES
from observer_contracts.declaration.facts import Declaration, Exemption
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.live.observations import Live
from observer_contracts.evidence.manifests import Manifests
from observer_contracts.evidence.repository import Repository
from observer_contracts.evidence.runtime.observations import Runtime
from observer_contracts.helm.values import HelmValues
from observer_contracts.model import Check, Finding, Location, Result, Rule, Severity, Source, Status

_EXEMPTIBLE = frozenset({Status.FAIL, Status.WARN})
_OPTIONS = {
    Source.MANIFESTS: "manifests",
    Source.REPOSITORY: "repo",
    Source.RUNTIME: "runtime",
    Source.LIVE: "live",
    Source.VALUES: "helm-values",
}


@dataclass(frozen=True, slots=True)
class Verification:
    """What is verified.

    Attributes:
        manifests: Deployments, each judged on its own; None where none was asked for.
        repository: A repository; None where none was asked for.
        runtime: The container of this process; None where it was not asked for.
        live: The cluster; None where it was not asked for. With one deployment it is compared with that.
        values: Values of the Helm charts; None where they were not asked for.
        only: Ids of the rules to run; all where empty.
        exemptions: Accepted findings.
        today: The day that decides whether an exemption has expired.
    """

    declaration: Declaration
    manifests: Sequence[Manifests] | None = None
    repository: Repository | None = None
    runtime: Runtime | None = None
    live: Live | None = None
    values: HelmValues | None = None
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
    results += _not_looked_at(verification, results)
    unique = _without_images_seen_twice(list(dict.fromkeys(results)), verification)
    return sorted(_exempted(unique, verification, rules), key=lambda result: result.order)


def _without_images_seen_twice(results: list[Result], verification: Verification) -> list[Result]:
    """Leaves out what the repository says of an image definition that was given with the manifests too."""
    if verification.repository is None or verification.manifests is None:
        return results
    root = Path(verification.repository.root)
    given = {
        _image_line(result, Path())
        for result in results
        if result.source is Source.MANIFESTS and _about_image(result)
    }
    return [
        result
        for result in results
        if result.source is not Source.REPOSITORY
        or not _about_image(result)
        or _image_line(result, root) not in given
    ]


def _about_image(result: Result) -> bool:
    return any(where.object == "image" for where in result.finding.evidence)


def _image_line(result: Result, root: Path) -> tuple[str, Status, Path, int | None, str]:
    where = next(where for where in result.finding.evidence if where.object == "image")
    return result.rule.id, result.status, (root / where.file).resolve(), where.line, where.field


def _not_looked_at(verification: Verification, results: Sequence[Result]) -> Iterator[Result]:
    """Yields UNKNOWN for each rule that was named and has no answer from the evidence that was given."""
    answered = {result.rule.id for result in results} | {EXEMPTIONS.id}
    for rule in RULES:
        if rule.id in verification.only and rule.id not in answered:
            needed = " or ".join(f"--{_OPTIONS[source]}" for source in rule.checks)
            observed = f"nothing that was looked at tells it; it needs {needed}"
            yield Result(rule, Finding(Status.UNKNOWN, rule.id, rule.title, observed))


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
    compared = given[0] if len(given) == 1 else None
    if verification.live is not None:
        yield Source.LIVE, Evidence(manifests=compared, live=verification.live)
    if verification.values is not None:
        yield Source.VALUES, Evidence(manifests=compared, values=verification.values)


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
    if EXEMPTIONS.id in verification.only and not verification.exemptions:
        expected = "every exemption is needed and has not expired"
        yield Result(EXEMPTIONS, Finding(Status.PASS, "exemptions", expected, "there is none"))
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
        Source.VALUES: verification.values is not None,
    }
    ran = not verification.only or rule.id in verification.only
    # What manifests or repository decide need not wait for somebody who looks at the running system.
    needed = set(rule.checks) & {Source.MANIFESTS, Source.REPOSITORY} or set(rule.checks)
    return ran and all(asked.get(source, False) for source in needed)


def worst_exit_status(results: Sequence[Result], fail_on: Severity, *, named: Collection[str] = ()) -> int:
    """Returns the exit status of a verification.

    Args:
        results: What the rules said.
        fail_on: Smallest severity that counts as a finding.
        named: Rules that were asked for by name: without an answer to each of them nothing is proved.

    Returns:
        0 nothing at or above the severity, 1 findings, 2 manifests that do not render, 3 nothing could be
        seen, or not all that was named.
    """
    failures = [result for result in results if result.status is Status.FAIL]
    if any(result.rule is RENDERING for result in failures):
        return 2
    if any(result.severity.rank <= fail_on.rank for result in failures):
        return 1
    unseen = [result for result in results if result.status is Status.UNKNOWN]
    nothing = not any(
        result.status in (Status.PASS, Status.WARN, Status.EXEMPT, Status.EXTERNAL) for result in results
    )
    blind = any(result.rule.id in GATES or result.rule.id in named for result in unseen)
    return 3 if blind or (nothing and not failures) else 0
