"""The results for a terminal: short, the worst first, what passes only counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

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


def render_text(results: Sequence[Result], *, colour: bool) -> str:
    """Returns the results as text.

    Args:
        results: The results, the worst first.
        colour: Whether the terminal shows colours.
    """
    lines = [
        line
        for result in results
        if result.status is not Status.PASS
        for line in _lines(result, colour=colour)
    ]
    counts = Counter(result.status for result in results)
    total = ", ".join(
        f"{counts[status]} {_painted(status, status.value, colour=colour)}"
        for status in Status
        if counts[status]
    )
    broken = sorted({result.rule.contract.value for result in results if result.status is Status.FAIL})
    verdict = f"Broken contracts: {', '.join(broken)}." if broken else "No contract is broken."
    return "\n".join([*lines, f"{total or 'Nothing was looked at'}. {verdict}"]) + "\n"


def _painted(status: Status, text: str, *, colour: bool) -> str:
    return f"\x1b[{_COLOURS[status]}m{text}\x1b[0m" if colour else text


def _lines(result: Result, *, colour: bool) -> list[str]:
    rule, finding = result.rule, result.finding
    finds = ", ".join(part for part in (rule.cf, rule.incident) if part)
    state = _painted(result.status, f"{result.status.value:8}", colour=colour)
    marks = f"{rule.severity.value}{', ' + finds if finds else ''}"
    head = f"{state}{rule.id}  {finding.object}  [{marks}]"
    lines = [
        head,
        f"        {rule.title}",
        f"        expected  {finding.expected}",
        f"        observed  {finding.observed}",
    ]
    lines += [f"        at        {shown_location(where)}" for where in finding.evidence[:_MOST_LOCATIONS]]
    if result.status in (Status.FAIL, Status.WARN):
        lines.append(f"        remedy    {result.remedy}")
    return lines


def shown_location(location: Location) -> str:
    """Returns a location as `file:line object field`."""
    place = f"{location.file}:{location.line}" if location.line else location.file
    return " ".join(part for part in (place, location.object, location.field) if part)


def explain(rule: Rule) -> str:
    """Returns all that the catalogue knows of a rule."""
    sources = ", ".join(source.value for source in rule.checks) or "the exemptions"
    lines = [
        f"{rule.id}  {rule.title}",
        f"contract   {rule.contract.value}",
        f"severity   {rule.severity.value}",
        f"stands for {', '.join(part for part in (rule.cf, rule.incident) if part) or '-'}",
        f"looks at   {sources}",
        f"why        {rule.why}",
        f"remedy     {rule.remedy}",
        f"look       {rule.look}",
    ]
    return "\n".join(lines) + "\n"
