"""The data in the cluster: they are recent, and they survive the pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.live.cluster_objects import as_fields
from observer_contracts.evidence.live.pods import pods_of
from observer_contracts.evidence.objects import items_at, text_at
from observer_contracts.evidence.seeing import HttpAnswer, Unseen
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, unknown, warned
from observer_contracts.rules.live.seen import live_of
from observer_contracts.rules.volume import GIB
from observer_core.market.calendar import Phase
from observer_core.probes import STATUS_PATH

# The collector's own watchdog speaks after one minute; the question travels as well.
_OLDEST_SECONDS = 120
_MOST_SHOWN = 10


def data_are_recent(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """DAT-001: while the market trades, the writer's newest record is a few seconds old."""
    live, collector = live_of(evidence), declaration.collector
    about, expected = f"{collector.kind}/{collector.name}", "recent records while the market trades"
    unseen = live.unseen(collector.kind, "Pod")
    if unseen:
        yield unknown(about, expected, unseen)
        return
    found = False
    for pod in pods_of(live, collector.name, collector.kind):
        answer = live.answers.get((pod.name, STATUS_PATH), Unseen("not asked"))
        if isinstance(answer, HttpAnswer) and answer.fields.get("role") == "writer":
            found = True
            yield _recent(pod.label, expected, answer)
    if not found:
        yield unknown(about, expected, "no pod says that it writes (VOL-007)")


def _recent(about: str, expected: str, answer: HttpAnswer) -> Finding:
    phase, now = str(answer.fields.get("phase", "")), _instant(answer.fields.get("time"))
    newest = max(_times(answer.fields), default=None)
    told = f"newest record {newest or 'none'}, phase {shown(phase)}"
    if phase not in set(Phase) or now is None:
        return unknown(about, expected, "the pod does not tell its phase and time")
    if not Phase(phase).delivers_trades:
        return passed(about, expected, f"no trades are due; {told}")
    if newest is None or (now - newest).total_seconds() > _OLDEST_SECONDS:
        return warned(
            about, expected, f"{told}, asked at {now}", remedy="See /ready of the pod for the reason."
        )
    return passed(about, expected, told)


def _times(status: Mapping[str, object]) -> Iterator[datetime]:
    for _, slot in items_at(as_fields(dict(status)), "slots"):
        found = _instant(text_at(slot, "last_data"))
        if found is not None:
            yield found


def _instant(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def data_survive(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """DAT-002: after its pods were deleted, the collector has every file that it had."""
    live, collector = live_of(evidence), declaration.collector
    about, expected = f"{collector.kind}/{collector.name}", "every file is there after the pods were replaced"
    outcome = live.persistence
    if outcome is None:
        return
    if isinstance(outcome, Unseen):
        yield unknown(about, expected, outcome.reason)
    elif outcome.lost:
        more = f" and {len(outcome.lost) - _MOST_SHOWN} more" if len(outcome.lost) > _MOST_SHOWN else ""
        names = ", ".join(map(shown, outcome.lost[:_MOST_SHOWN]))
        yield failed(about, expected, f"lost: {names}{more}")
    else:
        observed = (
            f"{outcome.files} files, {outcome.bytes / GIB:.2f} GiB; {', '.join(outcome.deleted)} replaced by "
            f"{', '.join(outcome.successors)} in {outcome.seconds:.0f} s"
        )
        yield passed(about, expected, observed)
