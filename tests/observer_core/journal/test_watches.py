"""Who was watched when, from control records as the collector writes them."""

import json

import pytest

from observer_core.accounting.compared import Watch
from observer_core.journal.envelope import JournalLine
from observer_core.journal.watches import DayWatches

CHANNEL, SAMSUNG, HYNIX = "H0STCNT0", "005930", "000660"


class Day:
    """The control records of a day, in order."""

    def __init__(self):
        self.found = DayWatches()
        self._last_ns = 0

    def tell(self, at_ns, kind, *, shard="0", last_ns=None, **payload):
        line = JournalLine("kis", shard, 1, at_ns, 0, at_ns, at_ns, "_control", kind, json.dumps(payload))
        self.found.take(line, last_ns=self._last_ns if last_ns is None else last_ns)
        self._last_ns = at_ns

    def acknowledge(self, at_ns, action, symbol=SAMSUNG, **more):
        self.tell(at_ns, "acknowledge", action=action, channel=CHANNEL, symbol=symbol, **more)

    def of(self, symbol=SAMSUNG):
        return self.found.of(CHANNEL, symbol)

    def select(self, at_ns, action="enter", symbol=SAMSUNG, *, shard="0"):
        told = {"action": action, "symbol": symbol, "channels": [CHANNEL], "cause": "pinned"}
        self.tell(at_ns, "slot", shard=shard, **told)

    def undertaken(self, symbol=SAMSUNG):
        """Since when; trading begins at 1,000, and a selection is due at 1,500."""
        return self.found.undertaken_ns(symbol, opens_ns=1_000, due_ns=1_500)


def test_a_registration_counts_from_its_confirmation_to_its_release():
    day = Day()
    day.acknowledge(100, "register")
    day.acknowledge(500, "release")
    day.acknowledge(700, "register")
    assert day.of() == [Watch(100, 500, released=True), Watch(700)]


def test_a_registration_ends_with_its_connection():
    day = Day()
    day.acknowledge(100, "register")
    day.tell(300, "disconnect", cause="lost")
    day.acknowledge(400, "register")
    assert day.of() == [Watch(100, 300), Watch(400)]


def test_a_second_confirmation_of_what_is_registered_changes_nothing():
    """A silent slot is registered once more; OPSP0002 is the usual answer."""
    day = Day()
    day.acknowledge(100, "register")
    day.tell(200, "refuse", code="OPSP0002", channel=CHANNEL, symbol=SAMSUNG)
    day.acknowledge(300, "register")
    assert day.of() == [Watch(100)]


def test_a_symbol_of_which_nothing_is_said_was_registered_before():
    day = Day()
    day.acknowledge(100, "register", HYNIX)
    assert day.of() == [Watch(0)]


def test_a_symbol_whose_first_word_is_its_end_was_registered_before():
    day = Day()
    day.acknowledge(200, "release")
    assert day.of() == [Watch(0, 200, released=True)]


def test_a_symbol_that_is_registered_already_was_so_before():
    """OPSP0002 as the first word of a day."""
    day = Day()
    day.tell(200, "refuse", code="OPSP0002", channel=CHANNEL, symbol=SAMSUNG)
    assert day.of() == [Watch(0)]


def test_a_process_that_ended_without_a_word_was_there_until_its_last_line():
    day = Day()
    day.acknowledge(100, "register")
    day.tell(900, "start", last_ns=640)
    day.acknowledge(950, "register")
    assert day.of() == [Watch(100, 640), Watch(950)]


def test_two_shards_do_not_end_each_others_registrations():
    day = Day()
    day.acknowledge(100, "register")
    day.tell(150, "acknowledge", shard="1", action="register", channel=CHANNEL, symbol=HYNIX)
    day.tell(300, "stop", shard="1", records=0)
    assert day.of() == [Watch(100)]
    assert day.of(HYNIX) == [Watch(150, 300)]


def test_what_was_traded_without_a_slot_is_kept():
    day = Day()
    day.tell(100, "unwatched", channel=CHANNEL, symbol=SAMSUNG, from_cumulative=1, to_cumulative=9)
    assert day.found.unwatched == [
        {"channel": CHANNEL, "symbol": SAMSUNG, "from_cumulative": 1, "to_cumulative": 9}
    ]


def test_a_symbol_is_ours_to_watch_from_when_it_enters_the_selection():
    """Its first entry counts; one of which nothing is said is held since another day, or fixed."""
    day = Day()
    day.tell(500, "start")
    day.select(600)
    day.tell(601, "subscribe", action="register", channel=CHANNEL, symbol=SAMSUNG)
    day.select(2_000, symbol=HYNIX)
    day.select(2_500, "leave")
    day.select(3_000)
    assert (day.undertaken(), day.undertaken(HYNIX), day.undertaken("069500")) == (600, 2_000, 0)


@pytest.mark.parametrize(
    ("started", "selected", "since"),
    [(400, 900, 900), (400, 1_400, 1_400), (400, 1_600, 0), (1_200, 1_400, 0)],
    ids=["in time", "due later than the opening", "too late", "by a process that began too late"],
)
def test_what_a_day_begins_with_too_late_was_ours_from_its_begin(started, selected, since):
    day = Day()
    day.tell(started, "start")
    day.select(selected)
    day.tell(selected + 1, "subscribe", action="register", channel=CHANNEL, symbol=SAMSUNG)
    day.select(5_000, symbol=HYNIX)
    assert day.undertaken() == since
    assert day.undertaken(HYNIX) == 5_000, "who comes later was chosen later"


def test_a_restart_begins_no_day():
    day = Day()
    day.tell(900, "connect", registrations=1, key="first")
    day.tell(2_000, "start")
    day.select(2_001)
    assert day.undertaken() == 2_001


def test_who_was_selected_after_an_instant_is_known_from_the_slots():
    """Who left before is not among them, who stays since an earlier day is."""
    day = Day()
    day.select(100)
    day.select(200, "stay", HYNIX)
    assert day.found.selected(CHANNEL, opens_ns=1_000, ends_ns=2_000) == [HYNIX, SAMSUNG]
    day.select(900, "leave", HYNIX)
    assert day.found.selected(CHANNEL, opens_ns=1_000, ends_ns=2_000) == [SAMSUNG]
    day.select(1_100, "leave")
    assert day.found.selected(CHANNEL, opens_ns=1_000, ends_ns=2_000) == [SAMSUNG]
    assert day.found.selected("H0NXCNT0", opens_ns=0, ends_ns=2_000) == []


def test_a_symbol_that_moves_to_another_shard_is_selected_whichever_is_read_first():
    day = Day()
    day.select(900)
    day.select(10, "stay", shard="1")
    day.select(800, "leave", shard="1")
    assert day.found.selected(CHANNEL, opens_ns=1_000, ends_ns=2_000) == [SAMSUNG]
    assert day.undertaken() == 900


def test_a_signal_that_finds_no_place_selects_nobody():
    day = Day()
    day.tell(100, "slot", action="overflow", symbol=SAMSUNG, cause="volume", strength=2.0)
    assert day.found.selected(CHANNEL, opens_ns=0, ends_ns=2_000) == []


def test_who_stays_since_an_earlier_day_is_ours_from_its_begin_whatever_a_restart_selects():
    day = Day()
    day.select(10, "stay")
    day.tell(5_000, "start", last_ns=4_000)
    day.select(5_001)
    assert day.undertaken() == 0
    assert day.of() == [Watch(0, 4_000)]


def test_a_symbol_that_enters_and_is_never_confirmed_was_not_registered():
    day = Day()
    day.select(100)
    day.tell(110, "subscribe", action="register", channel=CHANNEL, symbol=SAMSUNG)
    assert day.of() == []


def test_who_enters_after_the_close_was_not_selected_on_the_day():
    day = Day()
    day.select(2_500)
    assert day.found.selected(CHANNEL, opens_ns=1_000, ends_ns=2_000) == []


@pytest.mark.parametrize("first", ["stay", "enter"])
def test_who_left_before_the_opening_is_ours_from_when_it_comes_back(first):
    """Yesterday's symbols leave with the new universe, and a signal brings one of them back."""
    day = Day()
    day.select(10, first)
    day.select(700, "leave")
    day.select(1_800)
    assert day.undertaken() == 1_800


def test_the_morning_of_a_symbol_that_stays_is_known_after_its_connection_was_lost():
    day = Day()
    day.select(10, "stay")
    day.tell(300, "disconnect", cause="lost")
    day.acknowledge(400, "register")
    day.tell(500, "disconnect", cause="lost")
    assert day.of() == [Watch(0, 300), Watch(400, 500)]


def test_another_shards_end_ends_no_watch_of_a_symbol_that_stays():
    day = Day()
    day.select(10, "stay")
    day.tell(300, "stop", shard="1")
    assert day.of() == [Watch(0)]
