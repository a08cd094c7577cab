"""`observer kis decode`: real messages in, records and reasons out."""

import io
import json
import subprocess
import sys

import pytest

from observer.commands.kis import decode_lines

# Real messages, copied verbatim (see tests/observer_core/brokers/kis/recordings.py for their sources).
ACKNOWLEDGEMENT = (
    '{"header":{"tr_id":"H0STCNT0","tr_key":"035720","encrypt":"N"},"body":{"rt_cd":"0","msg_cd":"OPSP0000",'
    '"msg1":"SUBSCRIBE SUCCESS","output":{"iv":"886b95bc1e1aa344","key":"bbkldjxnnopzhieyozcwiahshtvsghqj"}}}'
)
PINGPONG = '{"header":{"tr_id":"PINGPONG","datetime":"20230502221924"}}'
TRADE = (
    "005930^140610^277750^2^3750^1.37^280395.69^283000^283500^276500^278000^277500^5^11955000^3352130122500^83251"
    "^86830^3579^120.39^5217059^6280658^5^0.53^53.70^090023^5^-5250^090048^5^-5750^135824^2^1250^20260922^20^N"
    "^47588^70626^794823^496479^0.20^17123443^69.82^0^^283000^2"
)
FRAME = f"0|H0STCNT0|001|{TRADE}"


def decode(*lines: str | bytes, as_json: bool = True) -> tuple[int, list, list[str]]:
    """Returns the exit status, the records and the lines of standard error."""
    out, err = io.StringIO(), io.StringIO()
    encoded = [line if isinstance(line, bytes) else f"{line}\n".encode() for line in lines]
    status = decode_lines(encoded, out, err, as_json=as_json)
    printed = out.getvalue().splitlines()
    return status, [json.loads(line) for line in printed] if as_json else printed, err.getvalue().splitlines()


def test_a_trade_becomes_one_object_with_numbers():
    status, [record], errors = decode(FRAME)
    assert (status, errors) == (0, [])
    expected = {
        "channel": "H0STCNT0",
        "symbol": "005930",
        "kind": "trade",
        "time": "14:06:10",
        "price": 277750,
        "volume": 5,
        "cumulative_volume": 11955000,
        "change_rate": 1.37,
        "business_date": "2026-09-22",
        "halted": False,
        "random_end_code": None,
        "market_session": "2",
    }
    assert {name: record[name] for name in expected} == expected
    assert "extra" not in record


def test_decimals_are_written_exactly():
    out = io.StringIO()
    decode_lines([FRAME.replace("^120.39^", "^120.30^").encode()], out, io.StringIO(), as_json=True)
    assert '"trade_strength": 120.30,' in out.getvalue()
    assert '"weighted_average_price": 280395.69,' in out.getvalue()


def test_control_messages_are_printed_without_keys():
    refused = {
        "header": {"tr_id": "H0STCNT0", "tr_key": "005930"},
        "body": {
            "rt_cd": "1",
            "msg_cd": "OPSP0011",
            "msg1": "invalid approval : 0f4b2d3a-1c2e-4f60-8a9b-123456",
        },
    }
    released = {
        "header": {"tr_id": "H0STCNT0", "tr_key": "005930", "encrypt": "N"},
        "body": {"rt_cd": "0", "msg_cd": "OPSP0001", "msg1": "UNSUBSCRIBE SUCCESS"},
    }
    status, records, errors = decode(ACKNOWLEDGEMENT, json.dumps(released), PINGPONG, json.dumps(refused))
    assert (status, errors) == (0, [])
    assert records == [
        {
            "channel": "H0STCNT0",
            "symbol": "035720",
            "kind": "acknowledgement",
            "action": "registered",
            "code": "OPSP0000",
            "message": "SUBSCRIBE SUCCESS",
        },
        {
            "channel": "H0STCNT0",
            "symbol": "005930",
            "kind": "acknowledgement",
            "action": "released",
            "code": "OPSP0001",
            "message": "UNSUBSCRIBE SUCCESS",
        },
        {"channel": "PINGPONG", "symbol": None, "kind": "keep_alive", "sent_at": "2023-05-02T22:19:24+09:00"},
        {
            "channel": "H0STCNT0",
            "symbol": "005930",
            "kind": "refusal",
            "policy": "credential",
            "code": "OPSP0011",
            "message": "invalid approval",
        },
    ]


def test_comments_blank_lines_and_line_ends_of_windows_are_tolerated():
    status, records, errors = decode(
        "# where it was seen", "", "   ", f"{FRAME}\r", b"#\xff\n", PINGPONG.encode()
    )
    assert (status, errors) == (0, [])
    assert [record["kind"] for record in records] == ["trade", "keep_alive"]


def test_a_line_that_cannot_be_decoded_is_named_and_the_others_are_printed():
    status, records, errors = decode("# one", "hello", FRAME, "0|H0STCNT0|002|" + TRADE, PINGPONG)
    assert status == 1
    assert [record["kind"] for record in records] == ["trade", "keep_alive"]
    assert errors == [
        "line 2: unknown_flag: the message begins with 'hello'",
        "line 4: width_not_divisible: H0STCNT0 has 47 values in 2 records",
    ]


def test_one_bad_record_of_a_frame_is_named_and_the_others_are_printed():
    bad = TRADE.replace("^277750^", "^?^", 1)
    status, records, errors = decode(f"0|H0STCNT0|003|{TRADE}^{bad}^{TRADE}")
    assert status == 1
    assert len(records) == 2
    assert errors == ["line 1: integer_not_valid: record 2 of 3: H0STCNT0 stck_prpr is '?'"]


@pytest.mark.parametrize("count", [48, 50])
def test_a_wider_record_keeps_its_new_values(count):
    status, [record], _ = decode(FRAME + "^9" * (count - 47))
    assert status == 0
    assert record["extra"] == ["9"] * (count - 47)


def test_an_encrypted_frame_is_named():
    status, records, errors = decode("1|H0STCNI0|001|c2VjcmV0")
    assert (status, records) == (1, [])
    assert errors == ["line 1: encrypted: H0STCNI0 cannot be read without the session's key"]


def test_a_channel_that_is_not_known_keeps_its_values_and_is_no_failure():
    status, records, errors = decode("0|H0XXNEW0|002|005930^1^^2^000660^3^^4")
    assert (status, errors) == (0, [])
    assert records == [
        {"channel": "H0XXNEW0", "symbol": "005930", "kind": "unknown", "values": ["005930", "1", "", "2"]},
        {"channel": "H0XXNEW0", "symbol": "000660", "kind": "unknown", "values": ["000660", "3", "", "4"]},
    ]


def test_bytes_that_are_not_utf8_are_warned_about_and_decoded_all_the_same():
    frame = b"0|H0UNMKO0|001|005930^Y^\xb0\xfc^174^^^^58^N^"
    status, [record], errors = decode(frame)
    assert status == 0
    assert (record["symbol"], record["halted"], record["status_code"]) == ("005930", True, "58")
    assert errors == ["line 1: warning: invalid_utf8: decoded with replacement characters"]
    status, records, errors = decode(FRAME.encode().replace(b"277750", b"2777\xff0"))
    assert (status, records) == (1, [])
    assert errors[1].startswith("line 1: integer_not_valid")


def test_text_for_a_person_has_one_line_per_record():
    status, [first, second], _ = decode(FRAME, ACKNOWLEDGEMENT, as_json=False)
    assert status == 0
    assert first.startswith(
        "H0STCNT0 trade 005930  time=14:06:10  price=277750  change_sign=2  change=3750  "
    )
    assert "  halted=no  " in first
    assert second == (
        "H0STCNT0 acknowledgement 035720  action=registered  code=OPSP0000  message=SUBSCRIBE SUCCESS"
    )


def test_the_command_reads_standard_input_and_ends_with_one_after_a_fault():
    command = [sys.executable, "-m", "observer", "kis", "decode", "--json"]
    done = subprocess.run(command, input=f"{FRAME}\nx\n".encode(), capture_output=True, check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["price"] == 277750
    assert done.stderr.startswith(b"line 2: unknown_flag")
    assert subprocess.run(command, input=FRAME.encode(), capture_output=True, check=False).returncode == 0


def test_a_reader_that_leaves_early_is_no_error():
    """As in `observer kis decode | head -1`."""
    command = f"{sys.executable} -m observer kis decode | head -c 1"
    text = f"{FRAME}\n".encode() * 20_000
    done = subprocess.run(["/bin/sh", "-c", command], input=text, capture_output=True, check=False)
    assert done.stderr == b""
    assert done.stdout == b"H"
