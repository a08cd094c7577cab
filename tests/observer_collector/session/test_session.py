"""Conversations of one connection: what happens goes in, what is to be done comes out."""

import json

import pytest

from observer_collector.market_hours import MarketHours
from observer_collector.moments import Moment
from observer_collector.session.commands import Echo, End, EndCause, Note, Outage, Register, Release
from observer_collector.session.session import Session
from observer_collector.slots.registrations import Pair
from observer_core.brokers.kis.frames import parse_message

SAMSUNG, HYNIX, NAVER = (Pair("H0STCNT0", code) for code in ("005930", "000660", "035420"))


class Talk:
    """A session and its clock; replies are texts of the broker's table (broker reference, 6.2)."""

    def __init__(self, calendar, at, plan=(SAMSUNG, HYNIX), *, limit=41, start="10:00:00", outages=None):
        self.at = at
        self.now = Moment(at(start), 0)
        self.records = {}
        self.session = Session(
            plan,
            limit=limit,
            now=self.now,
            outages=outages or {},
            hours=MarketHours(calendar),
            records=lambda pair: self.records.get(pair, 0),
        )

    def after(self, seconds, *, real=None):
        """Lets time pass on both clocks (or less in real time) and returns what is to be done."""
        real = seconds if real is None else real
        self.now = Moment(self.now.clock_ns + int(seconds * 1e9), self.now.real_ns + int(real * 1e9))
        return self.session.tick(self.now)

    def hears(self, text):
        self.session.heard(self.now)
        return self.session.received(parse_message(text), self.now)

    def reply(self, pair, code, *, outcome="0", message="text"):
        header = {"tr_id": pair.channel, "tr_key": pair.symbol, "encrypt": "N"}
        body = {"rt_cd": outcome, "msg_cd": code, "msg1": message}
        return self.hears(json.dumps({"header": header, "body": body}))

    def accepted(self, *pairs):
        """Registers and confirms."""
        for pair in pairs:
            assert Register(pair) in self.after(0.1)
            self.reply(pair, "OPSP0000", message="SUBSCRIBE SUCCESS")

    def states(self):
        return {pair.symbol: slot.state.value for pair, slot in self.session.slots.items()}


@pytest.fixture
def talk(calendar, at):
    return lambda *arguments, **options: Talk(calendar, at, *arguments, **options)


def note(kind, **payload):
    return Note(kind, payload)


def test_each_wanted_pair_is_registered_at_the_pace(talk):
    """One registration at a time, a tenth of a second apart, each with its control record."""
    conversation = talk()
    subscribed = note("subscribe", channel="H0STCNT0", symbol="005930", action="register")
    assert conversation.after(0) == [subscribed, Register(SAMSUNG)]
    assert conversation.after(0.05) == []
    assert conversation.after(0.05)[1] == Register(HYNIX)
    assert conversation.after(1) == []
    assert conversation.states() == {"005930": "sent", "000660": "sent"}


def test_a_registration_counts_when_the_broker_confirms_it(talk):
    """The acknowledgement is journaled without its iv and key."""
    conversation = talk()
    conversation.after(0)
    commands = conversation.hears(
        '{"header":{"tr_id":"H0STCNT0","tr_key":"005930","encrypt":"N"},"body":{"rt_cd":"0",'
        '"msg_cd":"OPSP0000","msg1":"SUBSCRIBE SUCCESS",'
        '"output":{"iv":"886b95bc1e1aa344","key":"bbkldjxnnopzhieyozcwiahshtvsghqj"}}}'
    )
    assert commands == [
        note(
            "acknowledge",
            channel="H0STCNT0",
            symbol="005930",
            action="register",
            code="OPSP0000",
            message="SUBSCRIBE SUCCESS",
        )
    ]
    assert conversation.states()["005930"] == "confirmed"


def test_pingpong_is_sent_back_verbatim(talk):
    text = '{"header":{"tr_id":"PINGPONG","datetime":"20230502221924"}}'
    assert talk().hears(text) == [Echo(text)]


def test_already_in_subscribe_is_success(talk):
    """OPSP0002 marks the registration active; nothing is sent again."""
    conversation = talk((SAMSUNG,))
    conversation.after(0)
    conversation.reply(SAMSUNG, "OPSP0002", outcome="1", message="ALREADY IN SUBSCRIBE")
    assert conversation.states() == {"005930": "confirmed"}


def test_a_full_broker_is_asked_for_one_more_after_minutes(talk):
    """OPSP0008 at a few that it holds: nothing for five minutes, then one; refused again, ten minutes."""
    plan = [Pair("H0STCNT0", f"00000{number}") for number in range(8)]
    conversation = talk(plan)
    conversation.accepted(*plan[:5])
    conversation.after(0.1)
    conversation.reply(plan[5], "OPSP0008", outcome="1", message="MAX SUBSCRIBE OVER")
    assert conversation.session.capacity == 5

    def asked(minutes, code="OPSP0008"):
        found = []
        for _ in range(minutes * 6):
            conversation.session.heard(conversation.now)
            for pair in plan[:5]:
                conversation.records[pair] = conversation.records.get(pair, 0) + 1
            for one in conversation.after(10):
                if isinstance(one, Register):
                    found.append(one.pair)
                    conversation.reply(one.pair, code, outcome="0" if code == "OPSP0000" else "1")
        return found

    assert asked(4) == []
    assert len(asked(2)) == 1
    assert asked(8) == []
    assert sorted(set(asked(3, "OPSP0000"))) == plan[5:]
    assert conversation.session.capacity == 41


def test_a_broker_that_is_full_at_once_still_counts_a_dead_session(talk):
    """OPSP0008 before anything is held costs half a minute, and not the connection's registrations."""
    plan = [Pair("H0STCNT0", f"00000{number}") for number in range(8)]
    conversation = talk(plan)
    conversation.after(0)
    conversation.reply(plan[0], "OPSP0008", outcome="1", message="MAX SUBSCRIBE OVER")
    assert conversation.states()["000000"] == "refused"
    sent = []
    for _ in range(400):
        conversation.session.heard(conversation.now)
        for one in conversation.after(0.1):
            if isinstance(one, Register):
                sent.append(one.pair)
                conversation.reply(one.pair, "OPSP0000")
    assert sorted(set(sent)) == plan
    assert set(conversation.states().values()) == {"confirmed"}
    texts = [one.text for one in conversation.session.news()]
    assert texts == [
        "The broker refuses a registration.",
        "Registrations are missing.",
        "The broker takes registrations again.",
    ]


def test_who_invents_codes_fills_neither_memory_nor_log(talk):
    """A hundred are told, then that no more are; the journal has all of them."""
    conversation = talk((SAMSUNG,))
    conversation.after(0)
    notes = [conversation.reply(SAMSUNG, f"OPSX{number:04d}", outcome="1")[0] for number in range(300)]
    assert [one.payload["code"] for one in notes] == [f"OPSX{number:04d}" for number in range(300)]
    texts = [one.text for one in conversation.session.news()]
    assert texts == ["The broker refuses a registration."] * 100 + [
        "Refusals with yet other codes are not told."
    ]


@pytest.mark.parametrize("code", ["OPSP0007", "OPSP0009", "OPSP8999", "OPSP9995"])
def test_a_passing_fault_is_tried_again_later(talk, code):
    """Not at once, but after half a minute, and then after a minute."""
    conversation = talk((SAMSUNG,))
    conversation.after(0)
    conversation.reply(SAMSUNG, code, outcome="1")
    assert conversation.after(29) == []
    assert conversation.after(1)[1] == Register(SAMSUNG)
    conversation.reply(SAMSUNG, code, outcome="1")
    assert conversation.after(59) == []
    assert conversation.after(1)[1] == Register(SAMSUNG)


def test_a_session_in_use_elsewhere_ends_the_connection(talk):
    """OPSP8996 comes with rt_cd 9 and the text (null) for a channel."""
    conversation = talk()
    conversation.after(0)
    commands = conversation.hears(
        '{"header":{"tr_id":"(null)","tr_key":"","encrypt":"N"},"body":{"rt_cd":"9","msg_cd":"OPSP8996",'
        '"msg1":"ALREADY IN USE appkey"}}'
    )
    assert commands[0].kind == "refuse"
    assert commands[1:] == [End(EndCause.IN_USE)]
    assert "OPSP8996" in conversation.session.external
    assert conversation.after(1) == []


def test_a_refused_approval_key_ends_the_connection_and_is_not_repeated(talk):
    """OPSP0011 quotes the key; the control record does not."""
    conversation = talk()
    conversation.after(0)
    key = "0f4e1a9c-5f0c-4b57-9d6e-8f2b7c1d2e3f"
    commands = conversation.reply(SAMSUNG, "OPSP0011", outcome="1", message=f"invalid approval : {key}")
    assert commands[-1] == End(EndCause.CREDENTIAL)
    assert key not in str(commands)
    assert key not in conversation.session.external


def test_an_unanswered_registration_is_sent_again(talk):
    """After half a minute without an answer, then more slowly."""
    conversation = talk((SAMSUNG,))
    conversation.after(0)
    assert conversation.after(29) == []
    assert conversation.after(1)[1] == Register(SAMSUNG)
    assert conversation.after(30) == []
    assert conversation.after(30)[1] == Register(SAMSUNG)


def test_a_fast_virtual_clock_makes_no_answer_late(talk):
    """At several hundred times the speed, half a minute passes before a real broker could answer."""
    conversation = talk((SAMSUNG,))
    conversation.after(0)
    assert conversation.after(100, real=0.2) == []
    assert conversation.states() == {"005930": "sent"}


def test_a_silent_registration_is_registered_once_more_in_the_session(talk):
    """Confirmed, but no data for a minute while the market trades: once again, and not a third time."""
    conversation = talk((SAMSUNG, HYNIX))
    conversation.accepted(SAMSUNG, HYNIX)
    conversation.after(30)
    conversation.records[HYNIX] = 1
    assert Register(SAMSUNG) in [*conversation.after(30), *conversation.after(1)]
    conversation.reply(SAMSUNG, "OPSP0002", outcome="1")
    for _ in range(4):
        conversation.session.heard(conversation.now)
        conversation.records[HYNIX] += 1
        assert conversation.after(59) == []


def test_a_registration_that_stays_silent_is_released_and_made_anew_once(talk):
    """The broker says that it stands; five minutes later it is released and registered, then left alone."""
    conversation = talk((SAMSUNG, HYNIX))
    conversation.accepted(SAMSUNG, HYNIX)
    sent = []
    for _ in range(40):
        conversation.session.heard(conversation.now)
        conversation.records[HYNIX] = conversation.records.get(HYNIX, 0) + 1
        for command in [*conversation.after(29), *conversation.after(1)]:
            if isinstance(command, Register):
                sent.append(command)
                again = "OPSP0002" if len(sent) == 1 else "OPSP0000"
                conversation.reply(SAMSUNG, again, outcome="1" if len(sent) == 1 else "0")
            elif isinstance(command, Release):
                sent.append(command)
                conversation.reply(SAMSUNG, "OPSP0001", message="UNSUBSCRIBE SUCCESS")
    assert sent == [Register(SAMSUNG), Release(SAMSUNG), Register(SAMSUNG)]
    assert conversation.states() == {"005930": "confirmed", "000660": "confirmed"}


def test_a_registration_that_falls_silent_after_data_is_registered_again(talk):
    """A subscription may be lost in mid-session; the minute begins with its last record."""
    conversation = talk((SAMSUNG, HYNIX))
    conversation.accepted(SAMSUNG, HYNIX)
    for _ in range(3):
        conversation.records = {SAMSUNG: conversation.records.get(SAMSUNG, 0) + 1, HYNIX: 1}
        conversation.after(25)
    conversation.session.heard(conversation.now)
    assert Register(SAMSUNG) not in conversation.after(30)
    assert Register(SAMSUNG) in [*conversation.after(29), *conversation.after(2)]


def test_a_market_operation_channel_may_be_silent_all_day(talk):
    conversation = talk((Pair("H0STMKO0", "005930"), Pair("H0XXNEW0", "005930")))
    for pair in conversation.session.slots:
        assert Register(pair) in conversation.after(0.1)
        conversation.reply(pair, "OPSP0000")
    for _ in range(30):
        conversation.session.heard(conversation.now)
        assert conversation.after(60) == []


def test_a_connection_that_delivers_nothing_is_begun_anew(talk):
    """PINGPONG comes, every registration is confirmed, and three minutes of the session bring no record."""
    plan = [Pair("H0STCNT0", f"00000{number}") for number in range(6)]
    conversation = talk(plan)
    for pair in plan:
        conversation.after(0.1)
        conversation.reply(pair, "OPSP0000")
    seen = []
    for _ in range(24):
        conversation.session.heard(conversation.now)
        for command in conversation.after(10):
            seen.append(command)
            if isinstance(command, Register):
                conversation.reply(command.pair, "OPSP0002", outcome="1")
    assert [command for command in seen if isinstance(command, End)] == [End(EndCause.STARVED)]


def test_an_index_does_not_hide_that_trades_are_silent(talk):
    """Indices are computed whether or not anything trades."""
    plan = [Pair("H0STCNT0", f"00000{number}") for number in range(6)]
    index = Pair("H0UPCNT0", "0001")
    conversation = talk([*plan, index])
    for pair in [*plan, index]:
        conversation.after(0.1)
        conversation.reply(pair, "OPSP0000")
    seen = []
    for number in range(24):
        conversation.session.heard(conversation.now)
        conversation.records[index] = number + 1
        seen += conversation.after(10)
    assert End(EndCause.STARVED) in seen
    assert conversation.session.starvations == 1


def test_what_delivers_has_done_so_lately(talk):
    """A registration that fell silent delivers no more; a new record makes it deliver at once."""
    plan = [Pair("H0STCNT0", f"00000{number}") for number in range(6)]
    conversation = talk(plan)
    for pair in plan:
        conversation.after(0.1)
        conversation.reply(pair, "OPSP0000")
        conversation.records[pair] = 1
    session = conversation.session
    conversation.after(10)
    assert all(session.delivers(pair, conversation.now) for pair in plan)
    for number in range(20):
        session.heard(conversation.now)
        conversation.records[plan[0]] = number + 2
        conversation.after(10)
    assert [session.delivers(pair, conversation.now) for pair in plan] == [True] + [False] * 5
    found = session.delivery(conversation.now)
    assert (found.expected, found.due, found.recent) == (6, 6, 1)
    conversation.records[plan[1]] = 2
    assert session.delivers(plan[1], conversation.now)


def test_one_record_shows_that_a_connection_delivers(talk):
    plan = [Pair("H0STCNT0", f"00000{number}") for number in range(6)]
    conversation = talk(plan)
    for pair in plan:
        conversation.after(0.1)
        conversation.reply(pair, "OPSP0000")
    for number in range(24):
        conversation.session.heard(conversation.now)
        conversation.records[plan[0]] = number // 10
        assert not [command for command in conversation.after(10) if isinstance(command, End)]


def test_a_broker_that_is_full_is_not_asked_for_more(talk):
    """OPSP0008 below our own limit: another program uses the rest, and what waits is not sent."""
    conversation = talk((SAMSUNG, HYNIX, NAVER))
    conversation.accepted(SAMSUNG)
    conversation.after(0.1)
    conversation.reply(HYNIX, "OPSP0008", outcome="1", message="MAX SUBSCRIBE OVER")
    assert conversation.session.capacity == 1
    assert conversation.after(1) == []
    assert conversation.states() == {"005930": "confirmed", "000660": "refused", "035420": "wanted"}


def test_silence_before_the_session_is_normal(talk):
    """Before the opening, the minute begins with the session."""
    conversation = talk((SAMSUNG,), start="08:58:30")
    conversation.accepted(SAMSUNG)
    assert conversation.after(80) == []
    conversation.session.heard(conversation.now)
    assert conversation.after(10) == []
    assert conversation.after(59) == []
    assert conversation.after(11)[1] == Register(SAMSUNG)


def test_a_line_without_any_message_is_dead(talk):
    """Two minutes on the clock, and never less than fifteen real seconds."""
    conversation = talk((SAMSUNG,))
    conversation.accepted(SAMSUNG)
    assert End(EndCause.SILENT) not in conversation.after(119)
    assert conversation.after(1) == [End(EndCause.SILENT)]
    fast = talk((SAMSUNG,))
    fast.accepted(SAMSUNG)
    assert End(EndCause.SILENT) not in fast.after(1000, real=14)
    assert fast.after(1, real=1.1) == [End(EndCause.SILENT)]


def test_pingpong_counts_as_a_sign_of_life(talk):
    conversation = talk((SAMSUNG,), start="21:00:00")
    conversation.accepted(SAMSUNG)
    for _ in range(10):
        assert conversation.after(110) == []
        conversation.hears('{"header":{"tr_id":"PINGPONG","datetime":"20260915210150"}}')


def test_a_new_plan_releases_before_it_registers(talk):
    """What is no longer wanted goes first, and its place is used only once the broker has freed it."""
    conversation = talk((SAMSUNG, HYNIX), limit=2)
    conversation.accepted(SAMSUNG, HYNIX)
    conversation.session.replan((HYNIX, NAVER), conversation.now)
    assert conversation.after(0.1)[1] == Release(SAMSUNG)
    assert conversation.after(0.1) == []
    commands = conversation.reply(SAMSUNG, "OPSP0001", message="UNSUBSCRIBE SUCCESS")
    assert commands[0].payload["action"] == "release"
    assert conversation.after(0.1)[1] == Register(NAVER)
    assert conversation.states() == {"000660": "confirmed", "035420": "sent"}


def test_a_release_without_an_answer_frees_the_place_in_the_end(talk):
    conversation = talk((SAMSUNG,), limit=1)
    conversation.accepted(SAMSUNG)
    conversation.session.replan((HYNIX,), conversation.now)
    assert conversation.after(0.1)[1] == Release(SAMSUNG)
    assert conversation.after(29) == []
    assert conversation.after(1)[1] == Release(SAMSUNG)
    conversation.session.heard(conversation.now)
    assert conversation.after(29) == []
    assert conversation.after(1)[1] == Register(HYNIX)


def test_a_release_that_finds_nothing_is_done(talk):
    """OPSP0003 answers a release of what the broker does not have."""
    conversation = talk((SAMSUNG,))
    conversation.accepted(SAMSUNG)
    conversation.session.replan((), conversation.now)
    conversation.after(0.1)
    conversation.reply(SAMSUNG, "OPSP0003", outcome="1", message="UNSUBSCRIBE ERROR(not found!)")
    assert conversation.states() == {}


def test_a_pair_that_is_wanted_again_is_kept_or_registered_anew(talk):
    """Before its release was sent it is kept; after it, it is registered again once it is gone."""
    conversation = talk((SAMSUNG, HYNIX))
    conversation.accepted(SAMSUNG, HYNIX)
    conversation.session.replan((), conversation.now)
    assert conversation.after(0.1)[1] == Release(SAMSUNG)
    conversation.session.replan((SAMSUNG, HYNIX), conversation.now)
    assert conversation.states() == {"005930": "releasing", "000660": "confirmed"}
    conversation.reply(SAMSUNG, "OPSP0001", message="UNSUBSCRIBE SUCCESS")
    assert conversation.after(0.1)[1] == Register(SAMSUNG)


def test_an_old_acknowledgement_does_not_revive_a_release(talk):
    """The answer to the registration arrives after the release was sent."""
    conversation = talk((SAMSUNG,))
    conversation.accepted(SAMSUNG)
    conversation.session.replan((), conversation.now)
    conversation.after(0.1)
    conversation.reply(SAMSUNG, "OPSP0000", message="SUBSCRIBE SUCCESS")
    assert conversation.states() == {"005930": "releasing"}


def test_a_reconnection_tells_the_gap_of_each_pair(talk, at):
    """From the last message of the old connection to the confirmation on the new one."""
    conversation = talk((SAMSUNG, HYNIX), outages={SAMSUNG: Outage(at("09:58:00"), "lost")})
    conversation.after(0)
    commands = conversation.reply(SAMSUNG, "OPSP0000")
    assert commands[1] == note(
        "gap",
        channel="H0STCNT0",
        symbol="005930",
        last_good_ns=at("09:58:00"),
        first_seen_ns=at("10:00:00"),
        cause="lost",
        phase="continuous",
    )
    conversation.after(0.1)
    assert len(conversation.reply(HYNIX, "OPSP0000")) == 1


def test_an_outage_outside_of_the_hours_is_no_gap(talk, at):
    conversation = talk((SAMSUNG,), start="07:40:00", outages={SAMSUNG: Outage(at("07:10:00"), "lost")})
    conversation.after(0)
    assert len(conversation.reply(SAMSUNG, "OPSP0000")) == 1


def test_what_was_covered_is_out_when_the_connection_ends(talk, at):
    """Confirmed pairs since the last message; pairs that were already out, since then."""
    earlier = Outage(at("09:00:00"), "lost")
    conversation = talk((SAMSUNG, HYNIX, NAVER), outages={HYNIX: earlier})
    conversation.accepted(SAMSUNG)
    heard = conversation.now.clock_ns
    conversation.after(60)
    assert conversation.session.outages("silent") == {SAMSUNG: Outage(heard, "silent"), HYNIX: earlier}


def test_replies_about_unknown_pairs_are_journaled_and_change_nothing(talk):
    conversation = talk((SAMSUNG,))
    assert conversation.reply(NAVER, "OPSP0000")[0].kind == "acknowledge"
    assert conversation.reply(NAVER, "OPSP8999", outcome="1")[0].kind == "refuse"
    assert conversation.states() == {"005930": "wanted"}
