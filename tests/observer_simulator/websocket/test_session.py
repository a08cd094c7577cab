"""The conversation of one session, as dialogues: codes and texts are those of section 6.2 and 6.7."""

from __future__ import annotations

import json

import pytest

from observer_simulator.credentials import Credentials
from observer_simulator.websocket.frames import Channel, Pair
from observer_simulator.websocket.session import Reaction, Session, Slot, Slots

KEY, SECRET = "P" * 36, "s" * 180
NOW_NS = 1_789_430_400_000_000_000


class Conversation:
    """A session and an approval key for it."""

    def __init__(self, *, slots: Slots | None = None, number: int = 1, app_key: str = KEY) -> None:
        self.credentials = Credentials(KEY, SECRET, seed=1)
        self.approval = self.credentials.approval(NOW_NS, app_key).value
        self.now_ns = NOW_NS
        self.session = Session(
            connection=number,
            slots=slots or Slots(),
            credentials=self.credentials,
            channels=frozenset(Channel),
            seed=1,
            now_ns=lambda: self.now_ns,
        )

    def say(self, channel: str = "H0STCNT0", key: str = "005930", **header: str) -> tuple[Reaction, dict]:
        head = {"approval_key": self.approval, "custtype": "P", "tr_type": "1", "content-type": "utf-8"}
        message = {"header": head | header, "body": {"input": {"tr_id": channel, "tr_key": key}}}
        reaction = self.session.receive(json.dumps(message))
        return reaction, json.loads(reaction.reply)


def test_a_registration_is_acknowledged_with_iv_and_key() -> None:
    reaction, answer = Conversation().say()
    assert reaction.registered == Pair(Channel.TRADES, "005930")
    assert answer["header"] == {"tr_id": "H0STCNT0", "tr_key": "005930", "encrypt": "N"}
    body = answer["body"]
    assert (body["rt_cd"], body["msg_cd"], body["msg1"]) == ("0", "OPSP0000", "SUBSCRIBE SUCCESS")
    assert (len(body["output"]["iv"]), len(body["output"]["key"])) == (16, 32)


def test_a_second_registration_of_the_pair_is_refused_and_does_not_count() -> None:
    talk = Conversation()
    talk.say()
    reaction, answer = talk.say()
    assert reaction.registered is None
    assert (answer["body"]["rt_cd"], answer["body"]["msg_cd"]) == ("1", "OPSP0002")
    assert answer["body"]["msg1"] == "ALREADY IN SUBSCRIBE"
    assert len(talk.session.pairs) == 1


def test_a_release_is_acknowledged_once() -> None:
    talk = Conversation()
    talk.say()
    reaction, answer = talk.say(tr_type="2")
    assert reaction.released == Pair(Channel.TRADES, "005930")
    assert (answer["body"]["msg_cd"], answer["body"]["msg1"]) == ("OPSP0001", "UNSUBSCRIBE SUCCESS")
    _, answer = talk.say(tr_type="2")
    assert (answer["body"]["msg_cd"], answer["body"]["msg1"]) == ("OPSP0003", "UNSUBSCRIBE ERROR(not found!)")


def test_the_42nd_pair_is_refused_until_one_is_released() -> None:
    talk = Conversation()
    for number in range(41):
        _, answer = talk.say(key=f"{number:06d}")
        assert answer["body"]["msg_cd"] == "OPSP0000"
    reaction, answer = talk.say("H0STASP0", "000000")
    assert reaction.registered is None
    assert (answer["body"]["rt_cd"], answer["body"]["msg_cd"]) == ("1", "OPSP0008")
    assert answer["body"]["msg1"] == "MAX SUBSCRIBE OVER"
    talk.say(key="000000", tr_type="2")
    _, answer = talk.say("H0STASP0", "000000")
    assert answer["body"]["msg_cd"] == "OPSP0000"


def test_a_bad_approval_key_is_named_and_ends_the_session() -> None:
    reaction, answer = Conversation().say(approval_key="not-a-key")
    assert reaction.close
    assert (answer["body"]["rt_cd"], answer["body"]["msg_cd"]) == ("1", "OPSP0011")
    assert answer["body"]["msg1"] == "invalid approval : not-a-key"


def test_an_approval_key_opens_sessions_for_a_day_and_keeps_a_running_one() -> None:
    talk = Conversation()
    talk.now_ns = NOW_NS + 86_399 * 10**9
    assert talk.say()[1]["body"]["msg_cd"] == "OPSP0000"
    talk.now_ns = NOW_NS + 86_400 * 10**9
    assert talk.say(key="000660")[1]["body"]["msg_cd"] == "OPSP0011"


def test_a_second_session_of_the_app_key_is_refused_without_tr_id_and_closed() -> None:
    slots = Slots()
    Conversation(slots=slots, number=1).say()
    reaction, answer = Conversation(slots=slots, number=2).say()
    assert reaction.close
    assert (answer["header"]["tr_id"], answer["header"]["tr_key"]) == ("(null)", "")
    assert (answer["body"]["rt_cd"], answer["body"]["msg_cd"]) == ("9", "OPSP8996")
    assert answer["body"]["msg1"] == "ALREADY IN USE appkey"


def test_each_app_key_has_a_session_of_its_own() -> None:
    slots = Slots()
    assert Conversation(slots=slots, number=1).say()[1]["body"]["msg_cd"] == "OPSP0000"
    assert Conversation(slots=slots, number=2, app_key="R" * 36).say()[1]["body"]["msg_cd"] == "OPSP0000"
    slots.leave(2, NOW_NS)
    assert slots.holds(1)
    assert not slots.holds(2)


def test_a_slot_lingers_as_long_as_it_was_told() -> None:
    slot = Slot()
    assert slot.take(1, NOW_NS)
    slot.leave(2, NOW_NS)
    assert not slot.take(2, NOW_NS)
    slot.leave(1, NOW_NS + 60)
    assert not slot.take(2, NOW_NS + 59)
    assert slot.take(2, NOW_NS + 60)


@pytest.mark.parametrize(
    ("channel", "key", "header", "code"),
    [
        ("H0XXXXX0", "005930", {}, "OPSP8991"),
        ("H0STCNT0", "", {}, "OPSP8993"),
        ("H0STCNT0", "005930", {"tr_type": "0"}, "OPSP8997"),
        ("H0STCNT0", "005930", {"custtype": "X"}, "OPSP8998"),
    ],
)
def test_a_wrong_part_of_a_message_has_its_code(
    channel: str, key: str, header: dict[str, str], code: str
) -> None:
    reaction, answer = Conversation().say(channel, key, **header)
    assert answer["body"]["msg_cd"] == code
    assert reaction.registered is None
    assert not reaction.close


@pytest.mark.parametrize(
    ("text", "code"),
    [("hello", "OPSP9999"), ("[]", "OPSP9999"), ("{}", "OPSP9998"), ('{"header":{}}', "OPSP9992")],
)
def test_a_message_of_another_form_has_its_code(text: str, code: str) -> None:
    reaction = Conversation().session.receive(text)
    assert json.loads(reaction.reply)["body"]["msg_cd"] == code


def test_an_echo_of_pingpong_is_an_answer_and_nothing_else() -> None:
    talk = Conversation()
    talk.session.unanswered = 2
    text = '{"header":{"tr_id":"PINGPONG","datetime":"20230502221924"}}'
    assert talk.session.receive(text) == Reaction()
    assert talk.session.unanswered == 0


@pytest.mark.parametrize("text", ['{"header":{"tr_id":"\\ud800"},"body":{"input":{}}}', "[" * 100_000])
def test_a_message_that_no_answer_can_repeat_is_bad_json(text: str) -> None:
    """Half of a surrogate pair, or nesting without end: the handler goes on to the next message."""
    talk = Conversation()
    assert json.loads(talk.session.receive(text).reply)["body"]["msg_cd"] == "OPSP9999"
    assert talk.say(key="\ud800")[0].registered is None
    assert talk.say()[0].registered is not None
