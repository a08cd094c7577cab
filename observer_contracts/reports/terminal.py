"""The results for a terminal: short, the worst first, what passes only counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from observer_contracts.model import Location, Result, Rule, Status

_COLOURS = {
    Status.FAIL: "31",
    Status.UNKNOWN: "35",
    Status.WARN: "33",
    Status.EXTERNAL: "36",
    Status.EXEMPT: "34",
    Status.PASS: "32",
}
_MOST_LOCATIONS = 3
# As many rules without evidence for one reason are told in one line.
_MANY = 4


def render_text(results: Sequence[Result], *, colour: bool) -> str:
    """Returns the results as text.

    Args:
        results: The results, the worst first.
        colour: Whether the terminal shows colours.
    """
    blind = _seen_by_nobody(results)
    lines = [line for reason, rules in blind.items() for line in _not_seen(reason, rules, colour=colour)]
    for result in results:
        if result.status is not Status.PASS and not _is_in(result, blind):
            lines += _lines(result, colour=colour)
    counts = Counter(result.status for result in results)
    total = ", ".join(
        f"{counts[status]} {_painted(status, status.value, colour=colour)}"
        for status in Status
        if counts[status]
    )
    return "\n".join([*lines, f"{total or 'Nothing was looked at'}. {_verdict(results)}"]) + "\n"


def _verdict(results: Sequence[Result]) -> str:
    def contracts(status: Status) -> str:
        return ", ".join(sorted({r.rule.contract.value for r in results if r.status is status}))

    if contracts(Status.FAIL):
        return f"Broken contracts: {contracts(Status.FAIL)}."
    unseen = contracts(Status.UNKNOWN)
    if unseen:
        return f"Not seen to be broken, but not seen whole: {unseen}."
    return "No contract is broken."


def _seen_by_nobody(results: Sequence[Result]) -> dict[str, list[str]]:
    """Returns the reasons for which many rules have no evidence, such as a cluster that is away."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        if result.status is Status.UNKNOWN:
            rules = reasons.setdefault(result.finding.observed, [])
            rules += [result.rule.id] if result.rule.id not in rules else []
    return {reason: rules for reason, rules in reasons.items() if len(rules) >= _MANY}


def _is_in(result: Result, blind: Mapping[str, Sequence[str]]) -> bool:
    return result.status is Status.UNKNOWN and result.finding.observed in blind


def _not_seen(reason: str, rules: Sequence[str], *, colour: bool) -> list[str]:
    state = _painted(Status.UNKNOWN, f"{Status.UNKNOWN.value:9}", colour=colour)
    return [f"{state}{len(rules)} rules  {', '.join(rules)}", f"          observed  {reason}"]


def _painted(status: Status, text: str, *, colour: bool) -> str:
    return f"\x1b[{_COLOURS[status]}m{text}\x1b[0m" if colour else text


def _lines(result: Result, *, colour: bool) -> list[str]:
    rule, finding = result.rule, result.finding
    finds = ", ".join(part for part in (rule.cf, rule.incident) if part)
    state = _painted(result.status, f"{result.status.value:9}", colour=colour)
    marks = f"{result.severity.value}{', ' + finds if finds else ''}"
    head = f"{state}{rule.id}  {finding.object}  [{marks}]"
    lines = [
        head,
        f"         {rule.title}",
        f"         expected  {finding.expected}",
        f"         observed  {finding.observed}",
    ]
    lines += [f"         at        {shown_location(where)}" for where in finding.evidence[:_MOST_LOCATIONS]]
    if result.status in (Status.FAIL, Status.WARN):
        lines.append(f"         remedy    {result.remedy}")
    return lines


def shown_location(location: Location) -> str:
    """Returns a location as `file:line object field`."""
    place = f"{location.file}:{location.line}" if location.line else location.file
    return " ".join(part for part in (place, location.object, location.field) if part)


def severity_text(rule: Rule) -> str:
    """Returns what a violation costs, and what it costs inside of the pod where that is less."""
    inside = f" (in the pod: {rule.severity_in_the_pod})" if rule.severity_in_the_pod else ""
    return f"{rule.severity}{inside}"


def explain(rule: Rule) -> str:
    """Returns all that the catalogue knows of a rule."""
    sources = ", ".join(source.value for source in rule.checks) or "the exemptions"
    lines = [
        f"{rule.id}  {rule.title}",
        f"contract   {rule.contract.value}",
        f"severity   {severity_text(rule)}",
        f"stands for {', '.join(part for part in (rule.cf, rule.incident) if part) or '-'}",
        f"looks at   {sources}",
        f"why        {rule.why}",
        f"remedy     {rule.remedy}",
        f"look       {rule.look}",
    ]
    return "\n".join(lines) + "\n"
