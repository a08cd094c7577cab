"""Who was watched when, from control records as the collector writes them."""

import json

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
