"""What the page says beside charts and tables.

Invariant: a card says what the JSON says under the same name, and nothing that is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from observer_collector.http.page.figures import (
    NOTHING,
    Level,
    card,
    duration,
    facts,
    instant,
    mark,
    number,
    row,
    size,
    table,
)
from observer_collector.http.page.language import Speech
from observer_collector.http.page.markup import Markup, element, join, listed

# Below this share of a volume, and above this age of the oldest unsynced line, an operator looks.
_LITTLE_FREE = 0.1
_LATE_SECONDS = 2.0
_ANSWERS = {"PASS": Level.GOOD, "EXEMPT": Level.GOOD, "FAIL": Level.BAD}

Status = Mapping[str, Any]


def verdict(status: Status, say: Speech) -> Markup:
    """Returns whether the collector does its work, as the page's first sentence."""
    words = say.reason(status["reason"])
    if not status["ready"]:
        return element("p", mark(Level.BAD, f"{say('Not ready')}: {words}"), id="verdict", role="status")
    resting = status["role"] == "standby" or not status["market"]["data_due"]
    level = Level.IDLE if resting else Level.GOOD
    return element("p", mark(level, f"{say('Ready')}: {words}"), id="verdict", role="status")


def market(status: Status, say: Speech) -> Markup:
    """Returns clock and phase of the market."""
    found = status["market"]
    time = element("time", status["time"][11:19], datetime=status["time"], class_="clock")
    virtual = join((" ", say("(virtual)"))) if status["virtual_time"] else ""
    window = (instant(found["data_from"], of_day=status["time"]), " – ",
              instant(found["data_to"], of_day=status["time"]))  # fmt: skip
    return card(
        say("Market"),
        facts(
            (say("Clock (KST)"), join((status["time"][:10], " ", time, virtual))),
            (say("Phase"), say(found["phase"])),
            (say("Data are due"), say("yes") if found["data_due"] else say("no")),
            (say("Window"), join(window)),
        ),
        name="market",
    )


def process(status: Status, say: Speech) -> Markup:
    """Returns who this process is, and who writes."""
    writer = status["writer"]
    since = instant(writer.get("since"), of_day=status["time"])
    return card(
        say("Process"),
        facts(
            (say("Name"), status["name"]),
            (say("Role"), say(status["role"])),
            (say("Writer"), join((str(writer.get("name", NOTHING)), " ", say("since"), " ", since))),
            (say("Version"), status["version"]),
        ),
        name="process",
    )


def session(status: Status, say: Speech) -> Markup:
    """Returns how the conversation with the broker stands."""
    found = status["session"]
    level = Level.GOOD if found["state"] == "open" else Level.BAD if found["problem"] else Level.IDLE
    registered = [join((number(many), " ", say(state))) for state, many in found["registrations"].items()]
    budget = (number(found["connects_in_the_hour"]), " / ", number(found["connects_allowed"]))
    pairs = [
        (say("State"), mark(level, say(found["state"]))),
        (say("Connected since"), instant(found["since"], of_day=status["time"])),
        (say("Reconnects"), number(found["reconnects"])),
        (say("Connects in the hour"), join(budget)),
        (say("Epoch"), number(found["epoch"])),
        (say("Registrations"), listed(registered) or NOTHING),
    ]
    if found["reserve_key"]:
        pairs.append((say("App key"), say(found["key"])))
    if found["problem"]:
        pairs.append((say("Problem"), found["problem"]))
    if found["waiting_for_disk"]:
        pairs.append((say("Intake"), mark(Level.BAD, say("waits for the disk"))))
    return card(say("Session"), facts(*pairs), name="session")


def records(status: Status, say: Speech) -> Markup:
    """Returns how much was recorded, and of which universe."""
    counted, universe, sweeps = status["counters"], status["universe"], status["sweeps"]
    day = universe["day"] or NOTHING
    if universe["fallback"]:
        day = mark(Level.WARNING, f"{day} ({say('an earlier day')})")
    pairs = [
        (say("Records now"), join((number(status["rates"]["now"], 1), "/", say("s")))),
        (say("Records journaled"), number(counted["records_journaled"])),
        (say("From the feed"), number(counted["scalp_records"])),
        (say("From sweeps"), number(counted["swing_rows"])),
        (say("Universe"), join((day, " · ", number(universe["symbols"]), " ", say("symbols")))),
        (say("Sweeps"), join((number(sweeps["complete"]), " ", say("complete"), " · ",
                              number(sweeps["failed_requests"]), " ", say("failed requests")))),
    ]  # fmt: skip
    if counted["unsplit_frames"]:
        pairs.append((say("Unreadable frames"), mark(Level.WARNING, number(counted["unsplit_frames"]))))
    strange = [
        join((what, " (", number(many), ")"))
        for kind in status["unknown"].values()
        for what, many in kind.items()
    ]
    if strange:
        pairs.append((say("In no list"), mark(Level.WARNING, listed(strange))))
    if status["settings"]["problem"]:
        pairs.append((say("Settings"), mark(Level.BAD, status["settings"]["problem"])))
    return card(say("Records"), facts(*pairs), name="records")


def journal(status: Status, say: Speech) -> Markup:
    """Returns the open segments and how far they are durable."""
    heads = ("Track", "State", "Open segment", "Lines", "Sealed", "Oldest unsynced")
    rows = []
    for track, found in status["journal"].items():
        level = Level.GOOD if found["state"] == "writable" else Level.BAD
        late = found["unsynced_seconds"] > _LATE_SECONDS
        age = (number(found["unsynced_seconds"], 3), f" {say('s')}")
        rows.append(
            row(
                say(track),
                mark(level, say(found["state"])),
                found["open_segment"] or NOTHING,
                number(found["open_lines"]),
                number(found["segments_sealed"]),
                mark(Level.WARNING, *age) if late else join(age),
                identity=track,
            )
        )
    content = table(say("Both tracks of the journal"), tuple(map(say, heads)), rows, name="tracks")
    return card(say("Journal"), content, name="journal")


def upkeep(status: Status, say: Speech) -> Markup:
    """Returns what has to last: disks, token, contracts."""
    pairs: list[tuple[str, str]] = [
        (join((say("Free on"), " ", name)), _free(volume, say)) for name, volume in status["volumes"].items()
    ]
    pairs.append((say("Token"), _token(status, say)))
    if "contracts" in status:
        pairs.append((say("Contracts"), _contracts(status["contracts"], say)))
    return card(say("Upkeep"), facts(*pairs), name="upkeep")


def _free(volume: Mapping[str, Any], say: Speech) -> str:
    share = volume["free_bytes"] / volume["size_bytes"] if volume["size_bytes"] else 0.0
    words = join((size(volume["free_bytes"]), f" {say('of')} ", size(volume["size_bytes"])))
    return mark(Level.WARNING, words) if share < _LITTLE_FREE else words


def _token(status: Status, say: Speech) -> str:
    if status["token_age_seconds"] is None:
        return say("none yet")
    age = duration(status["token_age_seconds"], say)
    return join((age, f" {say('old')}, {say('until')} ", instant(status["token_expires_at"])))


def _contracts(found: Mapping[str, Any], say: Speech) -> str:
    if not found["verified"]:
        return mark(Level.IDLE, f"{say('not verified')}: {found['reason']}")
    told = mark(_ANSWERS.get(found["worst"], Level.WARNING), found["worst"])
    broken = [f"{one['rule']} {one['object']}: {one['observed']}" for one in found["broken"]]
    details = element("ul", join(element("li", words) for words in broken)) if broken else ""
    return join((told, " · ", instant(found["verified_at"]), details))
