"""Who is watched, and what is missing.

Invariant: one row for each registration and for each of the latest holes, with what the JSON says of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from observer_collector.http.page.figures import (
    NOTHING,
    Level,
    card,
    instant,
    mark,
    number,
    row,
    table,
)
from observer_collector.http.page.language import Speech
from observer_collector.http.page.markup import Markup, element, join

_STATES = {
    "wanted": Level.IDLE,
    "sent": Level.IDLE,
    "confirmed": Level.WARNING,
    "refused": Level.BAD,
    "unwanted": Level.IDLE,
    "releasing": Level.IDLE,
}
_OUTCOMES = {
    "healed": Level.GOOD,
    "waiting": Level.IDLE,
    "not_filled": Level.IDLE,
    "refused": Level.BAD,
    "failed": Level.BAD,
}


def slots(status: Mapping[str, Any], say: Speech) -> Markup:
    """Returns the registrations."""
    found = status["slots"]
    delivering = sum(slot["delivering"] for slot in found)
    heads = ("Symbol", "Channel", "State", "Records/s", "Last record", "Records", "Continuity")
    caption = join(
        (number(len(found)), " ", say("registrations"), ", ", number(delivering), " ", say("deliver"))
    )
    content = table(
        caption, tuple(map(say, heads)), [_slot(slot, status, say) for slot in found], name="slots"
    )
    return card(say("Slots"), content, name="registrations")


def _slot(slot: Mapping[str, Any], status: Mapping[str, Any], say: Speech) -> Markup:
    held = status["watching"]["symbols"].get(slot["symbol"])
    cause = "" if held is None else element("small", say(held["cause"]))
    kind = say(slot["kind"]) if slot["kind"] else say("unlisted")
    return row(
        join((element("b", slot["symbol"]), " ", element("span", slot["name"], class_="name"), " ", cause)),
        join((kind, " ", slot["venue"] or "", " ", element("small", slot["channel"]))),
        _state(slot, say),
        number(slot["per_second"], 1),
        instant(slot["last_data"], of_day=status["time"]),
        number(slot["records"]),
        _continuity(slot["continuity"], say),
        identity=f"{slot['channel']} {slot['symbol']}",
    )


def _state(slot: Mapping[str, Any], say: Speech) -> Markup:
    if slot["delivering"] and slot["state"] == "confirmed":
        return mark(Level.GOOD, say("delivering"))
    words = say(slot["state"])
    return mark(_STATES[slot["state"]], f"{words} ({slot['reason']})" if slot["reason"] else words)


def _continuity(account: Mapping[str, Any] | None, say: Speech) -> str:
    if account is None:
        return NOTHING
    doubts = account["contradictions"]
    if account["holes"]:
        words = (say("holes"), ": ", number(account["holes"]), " · ",
                 number(account["hole_shares"]), " ", say("shares"))  # fmt: skip
        return mark(Level.WARNING, join(words))
    if doubts:
        return mark(Level.WARNING, say("contradictions"), ": ", number(doubts))
    return mark(Level.GOOD, say("unbroken"))


def holes(status: Mapping[str, Any], say: Speech) -> Markup:
    """Returns the latest holes and what became of them."""
    found, counted = status["holes"], status["counters"]
    summary = element(
        "p",
        number(counted["holes"]), " ", say("holes"), " · ",
        number(counted["hole_shares"]), " ", say("shares"), " · ",
        number(counted["hole_alarms"]), " ", say("alarms"), " · ",
        number(counted["holes_healed"]), " ", say("healed"), " · ",
        number(counted["holes_waiting"]), " ", say("waiting"),
    )  # fmt: skip
    if not found:
        return card(say("Holes"), summary, name="missing")
    heads = ("Symbol", "Channel", "From", "To", "Shares", "Trades", "Severity", "Healing")
    rows = [_hole(hole, status, say) for hole in found]
    content = table(say("The latest holes, the newest first"), tuple(map(say, heads)), rows, name="holes")
    return card(say("Holes"), summary, content, name="missing")


def _hole(hole: Mapping[str, Any], status: Mapping[str, Any], say: Speech) -> Markup:
    healing: list[str] = [mark(_OUTCOMES.get(hole["outcome"], Level.WARNING), say(hole["outcome"]))]
    if hole["missing_shares"]:
        healing += [" · ", say("still missing"), ": ", number(hole["missing_shares"])]
    level = Level.BAD if hole["severity"] == "alarm" else Level.IDLE
    return row(
        join((element("b", hole["symbol"]), " ", element("span", hole["name"], class_="name"))),
        element("small", hole["channel"]),
        instant(hole["from"], of_day=status["time"]),
        instant(hole["to"], of_day=status["time"]),
        number(hole["shares"]),
        number(hole["trades"]),
        mark(level, say(hole["severity"])),
        join(healing),
        identity=f"{hole['channel']} {hole['symbol']} {hole['to']}",
    )
