"""The message parser, on real recordings and on arbitrary text."""

import json
import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from observer_core.brokers.kis.codes import ReplyPolicy
from observer_core.brokers.kis.frames import (
    Acknowledgement,
    DataFrame,
    KeepAlive,
    Refusal,
    parse_message,
    register,
    release,
    single_record,
    split_records,
)
from observer_core.clock import KST
from observer_core.errors import FrameError

from . import recordings

APPROVAL_KEY = "0f4b2d3a-1c2e-4f60-8a9b-1234567890ab"


def reply(rt_cd: str, code: str, message: str, tr_id: str = "H0STCNT0", key: str = "005930") -> str:
    header = {"tr_id": tr_id, "tr_key": key, "encrypt": "N"}
    return json.dumps({"header": header, "body": {"rt_cd": rt_cd, "msg_cd": code, "msg1": message}})


@pytest.mark.parametrize(
    ("message", "channel", "width"),
    [
        (recordings.TRADE_46, "H0STCNT0", 46),
        (recordings.TRADE_47, "H0STCNT0", 47),
        (recordings.BOOK_59, "H0STASP0", 59),
        (recordings.BOOK_62, "H0STASP0", 62),
    ],
)
def test_a_recorded_frame_of_one_record_is_kept_verbatim(message, channel, width):
    frame = parse_message(message)
    assert isinstance(frame, DataFrame)
    assert (frame.channel, frame.encrypted, frame.count) == (channel, False, 1)
    [record] = split_records(frame)
    assert record == message.split("|")[3]
    assert record.count("^") + 1 == width
    assert single_record(message) == (channel, record)


def test_a_recorded_frame_of_three_records_gives_each_of_them():
    frame = parse_message(recordings.TRADES_3_TIMES_46)
    assert split_records(frame) == list(recordings.THREE_TRADES)


def test_empty_values_at_the_end_of_a_record_are_kept():
    frame = parse_message("0|H0UNMKO0|002|005930^N^^^^^^^N^^000660^N^^^^^^^N^")
    assert split_records(frame) == ["005930^N^^^^^^^N^", "000660^N^^^^^^^N^"]


def test_a_bar_inside_the_payload_belongs_to_it():
    frame = parse_message("0|H0STMKO0|001|005930^Y^a|b|c")
    assert split_records(frame) == ["005930^Y^a|b|c"]


def test_an_encrypted_frame_is_recognised_and_not_split():
    frame = parse_message("1|H0STCNI0|001|c2VjcmV0+/=")
    assert frame == DataFrame("H0STCNI0", True, 1, "c2VjcmV0+/=")
    with pytest.raises(FrameError) as caught:
        split_records(frame)
    assert caught.value.reason == "encrypted"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("PINGPONG", "unknown_flag"),
        ("2|H0STCNT0|001|005930", "unknown_flag"),
        ("01|H0STCNT0|001|005930", "unknown_flag"),
        (" 0|H0STCNT0|001|005930", "unknown_flag"),
        ("|H0STCNT0|001|005930", "unknown_flag"),
        ("0", "too_few_parts"),
        ("0|H0STCNT0", "too_few_parts"),
        ("0|H0STCNT0|001", "too_few_parts"),
        ("0||001|005930", "channel_missing"),
        ("0|H0STCNT0||005930", "count_not_a_number"),
        ("0|H0STCNT0|-01|005930", "count_not_a_number"),
        ("0|H0STCNT0|1.0|005930", "count_not_a_number"),
        ("0|H0STCNT0|٣|005930", "count_not_a_number"),
        ("0|H0STCNT0|9999999|005930", "count_not_a_number"),
        ("0|H0STCNT0|000|005930", "count_zero"),
        ("0|H0STCNT0|1000|005930" + "^1" * 999, "count_too_large"),
        ("0|H0STASP0|999999|1", "count_too_large"),
        ("0|H0STCNT0|001|", "payload_empty"),
        ('{"header":', "invalid_json"),
        ('{"a":' * 100_000, "invalid_json"),
        ("{}", "unknown_json"),
        ('{"header":{"tr_id":"H0STCNT0"}}', "unknown_json"),
        ('{"header":[],"body":"x"}', "unknown_json"),
        ('{"header":{},"body":{"rt_cd":"0"}}', "unknown_json"),
    ],
)
def test_what_is_no_message_has_a_reason_of_its_own(text, reason):
    with pytest.raises(FrameError) as caught:
        parse_message(text)
    assert caught.value.reason == reason


@pytest.mark.parametrize("count", [2, 4, 45, 47, 139])
def test_a_count_that_does_not_divide_the_values_is_refused(count):
    payload = "^".join(recordings.THREE_TRADES)
    with pytest.raises(FrameError) as caught:
        split_records(DataFrame("H0STCNT0", False, count, payload + "^1" if count == 2 else payload))
    assert caught.value.reason == "width_not_divisible"


def test_a_truncated_record_makes_the_frame_indivisible():
    cut = recordings.TRADES_3_TIMES_46.rpartition("^")[0]
    with pytest.raises(FrameError, match="137 values in 3 records"):
        split_records(parse_message(cut))


def test_the_recorded_keep_alive_is_echoed_verbatim():
    message = parse_message(recordings.PINGPONG)
    assert message == KeepAlive(recordings.PINGPONG, datetime(2023, 5, 2, 22, 19, 24, tzinfo=KST))


def test_a_keep_alive_without_a_readable_time_is_still_one():
    assert parse_message('{"header":{"tr_id":"PINGPONG"}}').sent_at is None


def test_the_recorded_acknowledgement_leaves_iv_and_key_behind():
    message = parse_message(recordings.ACKNOWLEDGEMENT)
    assert message == Acknowledgement("H0STCNT0", "035720", False, "OPSP0000", "SUBSCRIBE SUCCESS")
    assert "886b95bc1e1aa344" not in repr(message)
    assert "bbkldjxnnopzhieyozcwiahshtvsghqj" not in repr(message)


@pytest.mark.parametrize(
    ("code", "message"), [("OPSP0001", "UNSUBSCRIBE SUCCESS"), ("OPSP9", "UNSUBSCRIBE SUCCESS")]
)
def test_a_release_is_recognised_by_its_code_or_its_text(code, message):
    assert parse_message(reply("0", code, message)).released is True


@pytest.mark.parametrize(
    ("rt_cd", "code", "message", "policy"),
    [
        ("1", "OPSP0002", "ALREADY IN SUBSCRIBE", ReplyPolicy.ALREADY_ACTIVE),
        ("1", "OPSP0003", "UNSUBSCRIBE ERROR(not found!)", ReplyPolicy.NOT_FOUND),
        ("1", "OPSP0008", "MAX SUBSCRIBE OVER", ReplyPolicy.PLANNING_FAULT),
    ],
)
def test_a_refusal_names_what_to_do(rt_cd, code, message, policy):
    refusal = parse_message(reply(rt_cd, code, message))
    assert refusal == Refusal("H0STCNT0", "005930", code, message)
    assert refusal.policy is policy


def test_a_second_session_is_refused_without_channel_and_key():
    refusal = parse_message(reply("9", "OPSP8996", "ALREADY IN USE appkey", tr_id="(null)", key=""))
    assert refusal == Refusal("", "", "OPSP8996", "ALREADY IN USE appkey")
    assert refusal.policy is ReplyPolicy.ALREADY_IN_USE


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("OPSP0011", f"invalid approval : {APPROVAL_KEY}"),
        ("OPSP0011", "invalid approval : AnOldKeyThatIsNoUuid"),
        ("OPSP9993", f"internal error {APPROVAL_KEY.upper()}"),
    ],
)
def test_a_refusal_that_quotes_the_approval_key_loses_it(code, message):
    refusal = parse_message(reply("1", code, message))
    for secret in (APPROVAL_KEY, APPROVAL_KEY.upper(), "AnOldKeyThatIsNoUuid"):
        assert secret not in repr(refusal)


def test_an_unknown_reply_does_not_show_its_content():
    with pytest.raises(FrameError) as caught:
        parse_message('{"header":{"tr_id":"X"},"body":{"output":{"key":"bbkldjxnnopzhieyozcwiahshtvsghqj"}}}')
    assert "bbkldj" not in str(caught.value)


def test_registration_and_release_have_the_documented_form():
    """Broker reference, 6.1: "1" registers, "2" releases."""
    for build, action in ((register, "1"), (release, "2")):
        assert json.loads(build(SecretStr(APPROVAL_KEY), "H0STCNT0", "005930")) == {
            "header": {
                "approval_key": APPROVAL_KEY,
                "custtype": "P",
                "tr_type": action,
                "content-type": "utf-8",
            },
            "body": {"input": {"tr_id": "H0STCNT0", "tr_key": "005930"}},
        }


def reason_of(text: str) -> str:
    """Returns why a text cannot be read; empty if it can. Any other error fails the test."""
    try:
        message = parse_message(text)
        if isinstance(message, DataFrame):
            split_records(message)
    except FrameError as error:
        return error.reason
    return ""


@given(st.one_of(st.text(), st.text().map("{{{}".format), st.text('01|^ABZ{}":', max_size=60)))
def test_any_text_gives_a_message_or_a_frame_error(text):
    assert re.fullmatch("[a-z_]*", reason_of(text))


PIECES = st.lists(
    st.sampled_from(["0", "1", "|", "001", "002", "1", "H0STCNT0", "005930^1", "^", ""]), max_size=9
)


@given(PIECES.map("".join))
def test_the_short_way_to_a_single_record_tells_what_the_long_one_tells(text):
    """It may say nothing, and then the long one is taken; where it answers, both are the same."""
    found = single_record(text)
    if found is not None:
        message = parse_message(text)
        assert (message.channel, split_records(message)) == (found[0], [found[1]])


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
JSON_PARTS = st.dictionaries(
    st.sampled_from(["tr_id", "tr_key", "datetime", "rt_cd", "msg_cd", "msg1"]), JSON_VALUES
)


@given(st.dictionaries(st.sampled_from(["header", "body"]), JSON_PARTS | JSON_VALUES))
def test_any_json_object_gives_a_message_or_a_frame_error(content):
    assert reason_of(json.dumps(content)) in ("", "unknown_json")


@given(
    st.integers(1, 12).flatmap(
        lambda width: st.lists(
            st.lists(
                st.text(st.characters(exclude_characters="^"), max_size=4), min_size=width, max_size=width
            ),
            min_size=1,
            max_size=12,
        )
    )
)
def test_records_come_back_as_they_were_put_into_a_frame(records):
    joined = ["^".join(values) for values in records]
    text = f"0|H0STCNT0|{len(records):03d}|{'^'.join(joined)}"
    if "^".join(joined) == "":
        with pytest.raises(FrameError, match="payload_empty"):
            parse_message(text)
    else:
        assert split_records(parse_message(text)) == joined
