"""From messages to lines: every record is kept, whatever it looks like."""

import asyncio
import json
from datetime import timedelta

import pytest
from pydantic import SecretStr

from observer_collector.recording.recorder import Recorder
from observer_collector.recording.unknown import Unknown
from observer_collector.slots.registrations import Pair
from observer_core.accounting import VolumeContinuity
from observer_core.brokers.kis.frames import Acknowledgement, KeepAlive
from observer_core.clock import StepClock, kst_datetime
from observer_core.errors import BrokerRequestError, BrokerRetryableError
from observer_core.journal import (
    ControlKind,
    EpochStore,
    JournalWriter,
    WriterSettings,
    read_lines,
    sealed_segments,
)
from observer_core.logs import hide
from observer_core.settings.paths import Track

# A real frame of 2025-07-30 with three different trades (public capture, 3 x 46 values).
THREE_TRADES = (
    "0|H0STCNT0|003|005930^094751^71950^2^1350^1.91^71690.50^71000^72300^70600^72000^71900^1^8305216^595403999350^"
    "21115^28170^7055^136.06^3060313^4163762^5^0.51^29.46^090014^2^950^090708^5^-350^090030^2^1350^20250730^20^N^"
    "93994^113056^1668973^822214^0.14^10584139^78.47^0^^71000^005930^094751^71900^2^1300^1.84^71690.50^71000^72300^"
    "70600^72000^71900^2^8305218^595404143150^21116^28170^7054^136.06^3060315^4163762^5^0.51^29.46^090014^2^900^"
    "090708^5^-400^090030^2^1300^20250730^20^N^93985^112986^1668973^822144^0.14^10584139^78.47^0^^71000^005930^"
    "094751^72000^2^1400^1.98^71690.50^71000^72300^70600^72000^71900^75^8305293^595409543150^21116^28171^7055^"
    "136.06^3060315^4163837^1^0.51^29.46^090014^2^1000^090708^5^-300^090030^2^1400^20250730^20^N^93985^112986^"
    "1668973^822144^0.14^10584139^78.47^0^^71000"
)
HEAD, RECORDS = "0|H0STCNT0|001|", ["005930^0947" + part for part in THREE_TRADES.split("005930^0947")[1:]]


class Desk:
    """A recorder with its journal."""

    def __init__(self, root, start):
        self.root = root
        self.clock = StepClock(kst_datetime(start))
        settings = WriterSettings(root, Track.SCALP, "kis", "0", 0.01, 1 << 20)
        self.continuity = VolumeContinuity(lambda _: "continuous")
        self.writer = JournalWriter(settings, self.clock, continuity=self.continuity.state)
        epochs = EpochStore(root / "epochs-0.json")
        self.recorder = Recorder(self.writer, epochs, self.continuity, self.clock, shard="0")

    def takes(self, message, wall_ns=None):
        data = message if isinstance(message, bytes) else message.encode()
        return self.recorder.message(data, wall_ns or self.clock.now_ns(), 7)

    async def records(self):
        return [line for line in await self.lines() if not line.is_control]

    async def lines(self):
        self.writer.close()
        await self.writer.run()
        folders = sorted(path for path in self.root.iterdir() if path.is_dir())
        return [
            line for folder in folders for one in sealed_segments(folder) for line in read_lines(one.path)
        ]


@pytest.fixture
async def desk(tmp_path, at):
    made = Desk(tmp_path / "scalp", at("09:47:51"))
    await made.recorder.begin_epoch()
    return made


async def test_every_record_of_a_frame_is_a_line(desk):
    """Verbatim, numbered inside the frame, with one receive time."""
    assert desk.takes(THREE_TRADES) is None
    lines = await desk.lines()
    assert [(line.epoch, line.frame, line.record) for line in lines] == [(1, 1, 0), (1, 1, 1), (1, 1, 2)]
    assert HEAD.replace("001", "003") + "^".join(line.payload for line in lines) == THREE_TRADES
    assert {(line.channel, line.key, line.wall_ns, line.mono_ns) for line in lines} == {
        ("H0STCNT0", "005930", desk.clock.now_ns(), 7)
    }
    assert desk.recorder.records == 3
    assert desk.continuity.account("H0STCNT0", "005930").captured == 78


async def test_a_hole_follows_the_trade_that_revealed_it(desk):
    """As a control record of its own, with the size of what is missing."""
    first, _, third = (record.rstrip("^") for record in RECORDS)
    desk.takes(HEAD + first)
    desk.takes(HEAD + third)
    lines = await desk.lines()
    assert [line.key for line in lines] == ["005930", "005930", "hole"]
    hole = json.loads(lines[2].payload)
    assert (hole["symbol"], hole["shares"], hole["value"], hole["trades"]) == ("005930", 2, 143_800, 1)
    assert (desk.recorder.holes, desk.recorder.hole_shares, desk.recorder.records) == (1, 2, 2)
    assert [line.frame for line in lines] == [1, 2, 3]


async def test_one_record_goes_the_short_way_and_leaves_the_same(tmp_path, at):
    """One message of three trades, with a hole before the last, and one message each."""
    trades = [record.rstrip("^") for record in RECORDS]
    trades[2] = trades[2].replace("^8305293^", "^8305300^")
    left = []
    for name, messages in (
        ("together", [HEAD.replace("001", "003") + "^".join(trades)]),
        ("apart", [HEAD + trade for trade in trades]),
    ):
        desk = Desk(tmp_path / name, at("09:47:51"))
        await desk.recorder.begin_epoch()
        for message in messages:
            desk.takes(message)
        lines = [(line.channel, line.key, line.payload) for line in await desk.lines()]
        recorder = desk.recorder
        told = (recorder.records, recorder.holes, recorder.hole_shares, recorder.last_data.wall_ns)
        left.append((lines, told, [flow.records for flow in recorder.flows], desk.continuity.state()))
    assert left[0] == left[1]
    assert left[0][1][:3] == (3, 1, 7)


@pytest.mark.parametrize(
    "frame",
    [
        THREE_TRADES.replace("|003|", "|004|"),
        "0|H0STCNT0|000|005930^1",
        "0|H0STCNT0",
        "0|H0STCNT0|xyz|005930",
        "1|H0STCNI9|001|cipher",
        "what is this",
        "",
        '{"header":',
        "0|" + "X" * 300 + "|002|1^2^3",
    ],
)
async def test_what_cannot_be_split_is_kept_whole(desk, frame):
    """One line, index -1, no key, the text as it came."""
    desk.takes(frame)
    (line,) = await desk.lines()
    assert (line.record, line.key, line.payload) == (-1, "", frame)
    assert desk.recorder.records == desk.recorder.whole_frames == 1


async def test_invalid_utf8_is_kept_byte_for_byte(desk):
    """The record with the bytes is base64; the other records of the frame are plain."""
    desk.takes(b"0|H0XXXXX0|002|005930^\xff\xfe^000660^ok")
    lines = await desk.records()
    assert [line.payload_bytes for line in lines] == [b"005930^\xff\xfe", b"000660^ok"]
    assert [(line.key, line.encoding) for line in lines] == [("005930", "base64"), ("000660", None)]


@pytest.mark.parametrize("key", [b"\xff\xfe", b"x" * 1000, b'a"b', "삼성".encode()])
async def test_a_strange_symbol_does_not_become_a_key(desk, key):
    """The payload keeps it; line and manifest stay readable."""
    desk.takes(b"0|H0STCNT0|001|" + key + b"^rest")
    (line,) = await desk.records()
    assert (line.key, line.payload_bytes) == ("", key + b"^rest")


async def test_what_no_list_has_is_journaled_counted_and_told_once(desk, capsys, caplog):
    """A new channel, a new width and a new code, each twice: every one is kept, each is told once."""
    for _ in range(2):
        desk.takes("0|H0STNEW0|001|005930^1^2")
        desk.takes("0|H0STCNT0|001|005930^093000^1")
        refusal = {
            "channel": "H0STCNT0",
            "symbol": "005930",
            "code": "OPSP7777",
            "message": "new",
            "policy": "x",
        }
        desk.recorder.control(ControlKind.REFUSE, refusal)
        # What every list has is no news.
        desk.recorder.control(ControlKind.REFUSE, refusal | {"code": "OPSP0007"})
    lines = await desk.lines()
    told = [json.loads(line.payload) for line in lines if line.key == "unknown"]
    assert told == [
        {"what": "channel", "channel": "H0STNEW0", "values": 3},
        {"what": "width", "channel": "H0STCNT0", "values": 3},
        {"what": "code", "code": "OPSP7777", "message": "new"},
    ]
    assert len({(line.epoch, line.frame, line.record) for line in lines}) == len(lines)
    assert [line.channel for line in lines if not line.is_control] == ["H0STNEW0", "H0STCNT0"] * 2
    unknown = desk.recorder.unknown
    assert (unknown.channels, unknown.widths) == ({"H0STNEW0": 2}, {("H0STCNT0", 3): 2})
    assert unknown.codes == {"OPSP7777": 2}
    # Where an earlier test has set up the program's logs, they go through the standard library.
    warnings = capsys.readouterr().out + caplog.text
    for words in ("unknown channel", "unknown number of values", "unknown code"):
        assert warnings.count(words) == 1


def test_a_flood_of_new_names_fills_no_memory():
    """Beyond a hundred names all others are counted as one."""
    unknown = Unknown()
    told = [unknown.code(f"OPSX{number:04d}", "") for number in range(500)]
    assert sum(one is not None for one in told) == 100
    assert (len(unknown.codes), unknown.codes.total()) == (101, 500)


async def test_refusals_with_invented_codes_are_counted_as_one(desk):
    """Those of the table keep their own count, however many are invented before them."""
    for code in [f"OPSX{number:04d}" for number in range(500)] + ["OPSP0008"] * 2:
        desk.recorder.control(ControlKind.REFUSE, {"code": code, "message": ""})
    assert desk.recorder.refusals == {"other": 500, "OPSP0008": 2}
    assert len(await desk.lines()) == 602


def test_a_refused_request_with_an_unknown_code_is_told_once():
    """Codes of the tables (of requests, of replies) are no news, and neither is an answer without a code."""
    unknown = Unknown()
    for code in ("EGW00201", "OPSQ2002", "OPSP0011", "HTTP 502", "no output"):
        assert unknown.refusal("intstock-multprice", BrokerRetryableError(code, "known")) is None
    error = BrokerRequestError("EGW99999", "새로운 오류", status=500)
    told = [unknown.refusal(name, error) for name in ("intstock-multprice", "access_token")]
    assert told == [
        {"what": "code", "code": "EGW99999", "message": "새로운 오류", "request": "intstock-multprice"},
        None,
    ]
    assert unknown.codes == {"EGW99999": 2}


def test_a_secret_in_the_text_of_a_refusal_stays_secret():
    hide([SecretStr("PSsecret-of-this-test-0123456789")])
    error = BrokerRequestError("EGW99999", "invalid appkey : PSsecret-of-this-test-0123456789")
    assert "PSsecret" not in str(Unknown().refusal("access_token", error))


async def test_control_messages_go_to_the_session_and_pass_no_secret_on(desk):
    """Known ones are returned; unknown ones are kept without iv, key and approval key."""
    hide(["11112222-secret-approval"])
    acknowledged = (
        '{"header":{"tr_id":"H0STCNT0","tr_key":"035720","encrypt":"N"},"body":{"rt_cd":"0",'
        '"msg_cd":"OPSP0000","msg1":"SUBSCRIBE SUCCESS",'
        '"output":{"iv":"886b95bc1e1aa344","key":"bbkldjxnnopzhieyozcwiahshtvsghqj"}}}'
    )
    assert isinstance(desk.takes(acknowledged), Acknowledgement)
    assert isinstance(desk.takes('{"header":{"tr_id":"PINGPONG","datetime":"20230502221924"}}'), KeepAlive)
    desk.takes(
        acknowledged.replace('"rt_cd":"0"', '"rt_cd":""').replace("SUCCESS", "11112222-secret-approval")
    )
    (line,) = await desk.lines()
    assert line.record == -1
    for secret in ("886b95bc1e1aa344", "bbkldjxnnopzhieyozcwiahshtvsghqj", "11112222-secret-approval"):
        assert secret not in line.payload
    assert '"tr_key":"035720"' in line.payload


async def test_lines_lie_in_the_hour_in_which_they_were_received(desk, at):
    """A frame belongs to the hour of its receive time, also when several hours pass without one."""
    for moment in ("09:59:59", "10:00:00", "12:00:00"):
        desk.takes(HEAD + RECORDS[0].rstrip("^"), at(moment))
    await desk.lines()
    (folder,) = [path for path in desk.root.iterdir() if path.is_dir()]
    assert [one.manifest.hour for one in sealed_segments(folder)] == [9, 10, 12]


async def test_an_epoch_waits_for_the_disk(desk, monkeypatch):
    """No line of a new connection is written before its epoch is durable."""
    monkeypatch.setattr("observer_collector.recording.recorder._RETRY_SECONDS", 0.01)
    refusals = iter([OSError(28, "No space left"), OSError(28, "No space left")])
    real = desk.recorder._epochs.next

    def sometimes():
        failure = next(refusals, None)
        if failure is not None:
            raise failure
        return real()

    monkeypatch.setattr(desk.recorder._epochs, "next", sometimes)
    await asyncio.wait_for(desk.recorder.begin_epoch(), 5)
    assert desk.recorder.epoch == 2


async def test_a_trade_that_comes_after_the_slot_was_planned_anew_is_no_hole(desk):
    """Released and registered again within a minute: what was traded in between is unwatched."""
    first, _, third = (record.rstrip("^") for record in RECORDS)
    pair, start_ns = Pair("H0STCNT0", "005930"), desk.clock.now_ns()
    told = {"channel": "H0STCNT0", "symbol": "005930", "code": "OPSP0000", "message": ""}
    desk.recorder.rejoins(pair, start_ns)
    desk.takes(HEAD + first, start_ns)
    desk.recorder.rejoins(pair, start_ns)
    desk.recorder.control(ControlKind.ACKNOWLEDGE, {**told, "action": "release"})
    await desk.clock.advance_to(desk.clock.now() + timedelta(seconds=20))
    desk.recorder.control(ControlKind.ACKNOWLEDGE, {**told, "action": "register"})
    desk.takes(HEAD + third, desk.clock.now_ns() + 10**9)
    lines = await desk.lines()
    (unwatched,) = [json.loads(line.payload) for line in lines if line.key == "unwatched"]
    assert (unwatched["shares"], unwatched["severity"]) == (2, "report")
    account = desk.continuity.account("H0STCNT0", "005930")
    assert (desk.recorder.holes, desk.recorder.hole_shares) == (0, 0)
    assert (account.holes, account.hole_shares, account.unwatched_shares) == (0, 0, 2)
    assert not [line for line in lines if line.key == "hole"]
    assert desk.recorder.holes == 0


@pytest.mark.parametrize(
    "message",
    [
        ' {"approval_key":"99998888-secret-approval","header":',
        '\ufeff{"header":{"tr_id":"H0STCNT0"},"approval_key":"99998888-secret-approval"}',
        "no session for 99998888-secret-approval",
    ],
)
async def test_no_form_of_a_message_carries_the_approval_key_into_the_journal(desk, message):
    """Behind a blank, behind a byte order mark, in plain words."""
    hide(["99998888-secret-approval"])
    await desk.recorder.begin_epoch()
    desk.takes(message)
    (line,) = await desk.records()
    assert line.record == -1
    assert "99998888-secret-approval" not in line.payload
