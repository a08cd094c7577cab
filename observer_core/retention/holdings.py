"""A holding, the policy, and whether it goes.

Invariant: pure. A holding goes only when its day has come and nothing stands against it; every one that stays
says why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from observer_core.market.calendar import MarketCalendar
from observer_core.settings import RetentionSettings


class Subject(StrEnum):
    """What takes up room; in the order in which it is shown."""

    JOURNAL = "journal"
    LAKE = "lake"
    KEPT_TABLES = "kept_tables"
    SCALP_TRADES = "scalp_trades"
    SWING_SNAPSHOTS = "swing_snapshots"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Holding:
    """Something that takes up room and may go one day.

    Attributes:
        subject: What it is.
        name: Its day, or its file name.
        bytes: Its size.
        due: First day on which it may go, Korean time; None where the policy keeps it for ever.
        obstacles: What stands against it; looked for only once it is due.
    """

    subject: Subject
    name: str
    bytes: int
    due: date | None
    obstacles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a holding goes.

    Attributes:
        holding: The holding.
        goes: Whether it goes.
        reasons: Why it stays; empty where it goes.
    """

    holding: Holding
    goes: bool
    reasons: tuple[str, ...]

    @property
    def held_back(self) -> bool:
        """Whether it is due and stays all the same."""
        return not self.goes and bool(self.holding.obstacles)


@dataclass(frozen=True, slots=True)
class Volume:
    """Room on a volume.

    Attributes:
        name: Variable that names its mount.
        bytes: Its size.
        free: Bytes that are free.
    """

    name: str
    bytes: int
    free: int

    @property
    def free_percent(self) -> float:
        return 100.0 * self.free / self.bytes if self.bytes else 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes, what stays and why.

    Attributes:
        decisions: One for each holding.
        volumes: The volumes of the mounts.
        pressed: Those with less free room than the policy asks for.
    """

    decisions: tuple[Decision, ...]
    volumes: tuple[Volume, ...]
    pressed: tuple[Volume, ...]

    @property
    def going(self) -> tuple[Decision, ...]:
        return tuple(decision for decision in self.decisions if decision.goes)

    @property
    def held_back(self) -> tuple[Decision, ...]:
        return tuple(decision for decision in self.decisions if decision.held_back)


def due_after_days(day: date, days: int | None) -> date | None:
    """Returns the first day on which something of a day may go, None for ever."""
    return None if days is None else day + timedelta(days=days)


def due_after_sessions(day: date, sessions: int, calendar: MarketCalendar) -> date:
    """Returns the trading day on which a day is no longer among the last trading days."""
    for _ in range(sessions):
        day = calendar.next_trading_day(day)
    return day


def decide(holding: Holding, today: date) -> Decision:
    """Returns whether a holding goes today."""
    if holding.due is None:
        return Decision(holding, goes=False, reasons=("the policy keeps it",))
    if today < holding.due:
        return Decision(holding, goes=False, reasons=(f"the policy keeps it until {holding.due}",))
    return Decision(holding, goes=not holding.obstacles, reasons=holding.obstacles)


def make_plan(
    holdings: Iterable[Holding], volumes: Iterable[Volume], policy: RetentionSettings, today: date
) -> Plan:
    """Decides about everything.

    Args:
        holdings: What takes up room.
        volumes: Room on the volumes; how little it may be, it makes nothing go.
        policy: The policy.
        today: The present day, Korean time.
    """
    known = tuple(volumes)
    order = list(Subject)
    decisions = sorted(
        (decide(holding, today) for holding in holdings),
        key=lambda decision: (order.index(decision.holding.subject), decision.holding.name),
    )
    pressed = tuple(volume for volume in known if volume.free_percent < policy.free_percent)
    return Plan(tuple(decisions), known, pressed)
