"""What of the checks and runs is told to people, once each way.

Invariant: a problem is told when it begins or grows worse and when it is over, never in between; the last
event about it decides. Nothing here reads or sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

from observer_core.alerting import Attachment, Colour, slack_message

# More would be refused as too long; the rest is counted in the first line.
_MOST_SHOWN = 20
# A problem of a day that nobody runs again is not kept for ever.
_FORGOTTEN_AFTER_SECONDS = 14 * 86_400


class Level(IntEnum):
    """How bad a problem is."""

    WARNING = 1
    ERROR = 2


_COLOURS = {Level.WARNING: Colour.WARNING, Level.ERROR: Colour.DANGER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one event says.

    Attributes:
        key: What it is about; equal keys are the same problem.
        title: For people.
        level: How bad it is; None where all is well.
        text: What was seen.
        cause: Whose fault it is, where that is known.
        path: Where Dagster shows it, below its address.
        at_seconds: When, in seconds since the Unix epoch.
    """

    key: str
    title: str
    level: Level | None
    text: str
    cause: str
    path: str
    at_seconds: float


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem that was told and is not over.

    Attributes:
        level: The level it was told with.
        since_seconds: When it began.
    """

    level: int
    since_seconds: float


@dataclass(frozen=True, slots=True)
class News:
    """What there is to tell, and what is known afterwards."""

    begun: tuple[Finding, ...]
    over: tuple[Finding, ...]
    problems: Mapping[str, Problem]


def news_of(problems: Mapping[str, Problem], findings: Iterable[Finding]) -> News:
    """Returns the news.

    Args:
        problems: Key -> what was told.
        findings: What has happened since, in the order of its events.
    """
    latest = {finding.key: finding for finding in findings}
    known = dict(problems)
    begun, over = [], []
    for key, finding in latest.items():
        told = known.get(key)
        if finding.level is None:
            if told is not None:
                del known[key]
                over.append(finding)
        elif told is None or finding.level > told.level:
            since = told.since_seconds if told else finding.at_seconds
            known[key] = Problem(int(finding.level), since)
            begun.append(finding)
    return News(tuple(begun), tuple(over), known)


def without_forgotten(problems: Mapping[str, Problem], now_seconds: float) -> dict[str, Problem]:
    """Returns the problems that are not older than a fortnight."""
    oldest = now_seconds - _FORGOTTEN_AFTER_SECONDS
    return {key: problem for key, problem in problems.items() if problem.since_seconds >= oldest}


def message_of(news: News, *, address: str, place: str) -> dict[str, Any]:
    """Returns one message for all the news.

    Args:
        news: Some news.
        address: Where people open Dagster.
        place: Which deployment tells it.
    """
    worst = max((finding.level or 0 for finding in news.begun), default=0)
    counts = [
        f"{len(news.begun)} {'problem' if len(news.begun) == 1 else 'problems'}" if news.begun else "",
        f"{len(news.over)} resolved" if news.over else "",
    ]
    state = {Level.ERROR: "ERROR", Level.WARNING: "WARNING"}.get(Level(worst)) if worst else "RESOLVED"
    shown = [*sorted(news.begun, key=lambda one: -(one.level or 0)), *news.over][:_MOST_SHOWN]
    text = f"{state}: {', '.join(filter(None, counts))} in the pipeline ({place})"
    return slack_message(text, [_attachment(finding, address) for finding in shown])


def problems_as_json(problems: Mapping[str, Problem]) -> dict[str, Any]:
    """Returns what `problems_of` reads."""
    return {key: asdict(problem) for key, problem in problems.items()}


def problems_of(content: Mapping[str, Any]) -> dict[str, Problem]:
    """Returns the problems that a cursor holds.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: It was written by something else.
    """
    return {
        key: Problem(int(problem["level"]), float(problem["since_seconds"]))
        for key, problem in content.items()
    }


def _attachment(finding: Finding, address: str) -> Attachment:
    state = "RESOLVED" if finding.level is None else finding.level.name
    return Attachment(
        fallback=f"{state}: {finding.title}",
        colour=Colour.GOOD if finding.level is None else _COLOURS[finding.level],
        title=f"{state}: {finding.title}",
        link=f"{address.rstrip('/')}{finding.path}",
        text=finding.text,
        fields=[("Cause", finding.cause, True)] if finding.cause and finding.level is not None else [],
        at_seconds=int(finding.at_seconds),
    )
