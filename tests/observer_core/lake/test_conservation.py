"""Every journaled line becomes a row or is set aside with its reason, once."""

import json
from collections import Counter

import polars as pl
import pytest

from observer_core.errors import ConservationError
from observer_core.lake.compaction import compact_hour, receipts
from observer_core.lake.readers import scan, table_files
from observer_core.lake.schemas import JOURNAL_TABLES, Table


@pytest.fixture
def set_aside(paths, journal):
    """Returns the entries of all quarantine files of the day."""

    def read():
        files = sorted((paths.quarantine / f"{journal.day:%Y%m%d}").glob("*.jsonl"))
        return [json.loads(entry) for path in files for entry in path.read_text().splitlines()]

    return read


def rows_in_lake(paths, day):
    return sum(scan(paths, table, day).collect().height for table in JOURNAL_TABLES)


BAD_RECORDS = {
    "letters in the price": (
        lambda j: j.trade(j.changed(j.trade_47, p2="27x750")),
        "integer_not_valid",
        "price",
    ),
    "no price": (lambda j: j.trade(j.changed(j.trade_47, p2="")), "value_missing", "price"),
    "half a won": (lambda j: j.trade(j.changed(j.trade_47, p2="1500.5")), "integer_not_valid", "price"),
    "letters in the volume": (
        lambda j: j.trade(j.changed(j.trade_47, p12="five")),
        "integer_not_valid",
        "volume",
    ),
    "cumulative volume beyond 64 bits": (
        lambda j: j.trade(j.changed(j.trade_47, p13="9" * 20)),
        "integer_not_valid",
        "cumulative_volume",
    ),
    "a time of five digits": (lambda j: j.trade(j.changed(j.trade_47, p1="93354")), "time_not_valid", "time"),
    "a time with a sign": (lambda j: j.trade(j.changed(j.trade_47, p1="+93354")), "time_not_valid", "time"),
    "the 61st minute": (lambda j: j.trade(j.changed(j.trade_47, p1="096100")), "time_not_valid", "time"),
    "a code with a blank inside": (
        lambda j: j.trade(j.changed(j.trade_47, p0="0 5930")),
        "symbol_not_valid",
        "symbol",
    ),
    "no code": (lambda j: j.trade(j.changed(j.trade_47, p0="")), "symbol_not_valid", "symbol"),
    "another code than the line's": (
        lambda j: j.line("H0STCNT0", "000660", j.trade_47),
        "symbol_differs_from_key",
        "symbol",
    ),
    "another day": (
        lambda j: j.trade(j.changed(j.trade_47, p33="20260921")),
        "business_date_differs",
        "business_date",
    ),
    "too few values": (lambda j: j.trade("005930^140610^277750"), "width_too_small", ""),
    "two records in one": (lambda j: j.trade(f"{j.trade_47}^{j.trade_47}"), "width_too_large", ""),
    "a line break inside": (lambda j: j.trade(j.changed(j.trade_47, p44="a\nb")), "line_break_in_record", ""),
    "a frame that was not split": (
        lambda j: j.line("H0STCNT0", "", f"0|H0STCNT0|002|{j.trade_47}", record=-1),
        "frame_not_split",
        "",
    ),
    "a frame of no channel": (lambda j: j.line("_unreadable", "", "0|", record=-1), "frame_not_split", ""),
    "bytes that are no text": (
        lambda j: j.bytes_line("H0STCNT0", "005930", b"\xff"),
        "payload_not_utf8",
        "payload",
    ),
    "base64 that is none": (
        lambda j: j.line("H0STCNT0", "005930", "not base64!", encoding="base64"),
        "base64_not_valid",
        "payload",
    ),
    "base64 that is none, without a table": (
        lambda j: j.line("H0NEW0", "x", "!", encoding="base64"),
        "base64_not_valid",
        "payload",
    ),
    "an encoding nobody knows": (
        lambda j: j.line("H0STCNT0", "005930", "00", encoding="base16"),
        "encoding_unknown",
        "payload",
    ),
    "a book without its best price": (
        lambda j: j.line("H0STASP0", "005930", j.changed(j.book_62, p3="")),
        "value_missing",
        "ask_price_1",
    ),
    "a sweep's row that is no object": (
        lambda j: j.line("FHKST11300006", "", "[1,2]"),
        "payload_not_json",
        "",
    ),
    "a sweep's row that is cut off": (
        lambda j: j.line("FHKST11300006", "x", '{"a":'),
        "payload_not_json",
        "",
    ),
    "a sweep's row that is empty": (lambda j: j.line("FHKST11300006", "x", ""), "payload_not_json", ""),
    "a sweep's row with half a surrogate pair": (
        lambda j: j.line("FHKST11300006", "x", r'{"inter_shrn_iscd":"\ud800"}'),
        "symbol_not_valid",
        "symbol",
    ),
    "a sweep's row without a price": (lambda j: j.swing(inter2_prpr=""), "value_missing", "price"),
}


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_a_record_that_cannot_be_understood_is_set_aside_whole(paths, journal, set_aside, case):
    make, reason, field = BAD_RECORDS[case]
    bad, good = make(journal), [journal.trade(), journal.swing()]
    journal.segment([good[0], bad, good[1]])
    result = compact_hour(paths, journal.day, 14)
    [entry] = set_aside()
    assert (entry["reason"], entry["field"], entry["number"]) == (reason, field, 2)
    assert entry["line"] == bad.encode().decode().rstrip("\n")
    assert entry["identity"]["frame"] == bad["frame"]
    assert (result.records, sum(result.rows.values()), result.quarantined) == (3, 2, {reason: 1})
    assert rows_in_lake(paths, journal.day) == 2


def _flip(content, position=200):
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


DAMAGES = {
    "a flipped bit": (_flip, "crc_mismatch"),
    "a flipped quote": (lambda content: content.replace(b'{"v"', b'{"v', 1), "not_json"),
    "zeros from a lost page": (lambda content: b"\0" * 100 + content[100:], "not_json"),
    "half a character": (lambda content: content[:60] + b"\xec" + content[61:], "not_json"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_line_is_set_aside_and_the_segment_told(paths, journal, set_aside, case):
    spoil, reason = DAMAGES[case]
    journal.segment([journal.trade(), journal.trade(), journal.control("start")], spoil=spoil)
    result = compact_hour(paths, journal.day, 14)
    [entry] = set_aside()
    assert (entry["reason"], entry["number"], entry["identity"]) == (reason, 1, {})
    assert (result.records, result.rows, result.quarantined) == (2, {"scalp_trades": 1}, {"unreadable": 1})
    assert result.receipt.quarantined == {"scalp_trades": 1}
    assert result.receipt.damaged == ("0_14_000001.jsonl",)


def test_a_damaged_control_line_is_set_aside_and_is_no_record(paths, journal, set_aside):
    journal.segment(
        [journal.control("hole", shares=1), journal.trade()], spoil=lambda c: c.replace(b"shares", b"sharez")
    )
    result = compact_hour(paths, journal.day, 14)
    assert (result.records, result.rows, result.quarantined) == (1, {"scalp_trades": 1}, {})
    assert result.receipt.sources[0].control_quarantined == 1
    assert [entry["reason"] for entry in set_aside()] == ["crc_mismatch"]


def test_a_control_record_that_is_no_json_is_set_aside_and_is_no_record(paths, journal, set_aside):
    journal.segment([journal.line("_control", "gap", "{"), journal.trade()])
    result = compact_hour(paths, journal.day, 14)
    assert (result.records, result.quarantined) == (1, {})
    assert result.receipt.sources[0].control_quarantined == 1
    assert [(entry["reason"], entry["identity"]["key"]) for entry in set_aside()] == [
        ("payload_not_json", "gap")
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"v": 2}, "format_unknown"),
        ({"payload": None}, "envelope_not_valid"),
        ({"epoch": "three"}, "envelope_not_valid"),
        ({"epoch": 2**70}, "envelope_not_valid"),
        ({"epoch": True}, "envelope_not_valid"),
    ],
)
def test_a_whole_line_that_is_no_envelope_is_set_aside(paths, journal, set_aside, changes, reason):
    odd = journal.trade()
    odd.update(changes)
    journal.segment([journal.trade(), odd])
    result = compact_hour(paths, journal.day, 14)
    assert (result.rows, result.quarantined) == ({"scalp_trades": 1}, {"unreadable": 1})
    assert [(entry["reason"], entry["number"]) for entry in set_aside()] == [(reason, 2)]


COUNT_FAULTS = {
    "a line is gone": lambda content: content[content.index(b"\n") + 1 :],
    "a line is there twice": lambda content: content + content[: content.index(b"\n") + 1],
    "two lines ran together": lambda content: content.replace(b"\n", b" ", 1),
    "a channel was changed with its CRC": lambda content: content,
}


@pytest.mark.parametrize("case", COUNT_FAULTS)
def test_nothing_is_published_when_lines_and_manifest_differ(paths, journal, set_aside, case):
    spoil = COUNT_FAULTS[case]
    lines = [journal.trade(), journal.trade(), journal.trade()]
    if case == "a channel was changed with its CRC":
        other = b"".join(
            item.encode() for item in (*lines[:2], journal.line("H0STASP0", "005930", journal.book_62))
        )
        spoil = lambda _: other  # noqa: E731 - the content that the manifest does not describe
    journal.segment(lines, spoil=spoil)
    with pytest.raises(ConservationError, match=r"0_14_000001\.jsonl"):
        compact_hour(paths, journal.day, 14)
    assert rows_in_lake(paths, journal.day) == 0
    assert set_aside() == []
    assert receipts(paths, journal.day) == {}


def test_a_line_stored_twice_under_one_identity_is_refused(paths, journal):
    line = journal.trade()
    journal.segment([line], sequence=1)
    journal.segment([line], sequence=2)
    with pytest.raises(ConservationError, match="identity provider kis, shard 0, epoch 1"):
        compact_hour(paths, journal.day, 14)
    assert rows_in_lake(paths, journal.day) == 0


def test_the_last_line_of_a_segment_may_lack_its_newline(paths, journal):
    journal.segment([journal.trade(), journal.trade()], spoil=lambda content: content.removesuffix(b"\n"))
    assert compact_hour(paths, journal.day, 14).rows == {"scalp_trades": 2}


def test_a_mixed_hour_is_conserved_channel_by_channel(paths, journal, set_aside):
    scalp = [make(journal) for name, (make, _, _) in BAD_RECORDS.items() if "sweep" not in name]
    scalp += [journal.trade() for _ in range(50)]
    scalp += [journal.line("H0UNMKO0", "005930", journal.event_10), journal.control("connect")]
    swing = [make(journal) for name, (make, _, _) in BAD_RECORDS.items() if "sweep" in name]
    swing += [journal.swing(inter_shrn_iscd=f"{code:06d}") for code in range(30)]
    journal.segment(scalp)
    journal.segment(swing, shard="0-swing", track="swing")
    result = compact_hour(paths, journal.day, 14)
    assert result.records == len(scalp) - 1 + len(swing)
    assert result.records == sum(result.rows.values()) + sum(result.quarantined.values())
    assert result.quarantined == Counter(entry["reason"] for entry in set_aside())
    assert result.rows == {"market_events": 1, "scalp_trades": 50, "swing_snapshots": 30}
    read_back = {
        table.value: pl.read_parquet(table_files(paths, table, journal.day)[0]).height
        for table in JOURNAL_TABLES
        if table_files(paths, table, journal.day)
    }
    assert read_back == result.rows
    assert Table.GAPS not in read_back


def test_quarantine_goes_when_its_reason_has_gone(paths, journal, set_aside):
    path = journal.segment([journal.trade(), journal.trade()], spoil=_flip)
    compact_hour(paths, journal.day, 14)
    assert len(set_aside()) == 1
    path.write_bytes(_flip(path.read_bytes()))
    result = compact_hour(paths, journal.day, 14)
    assert (result.rows, set_aside()) == ({"scalp_trades": 2}, [])
    assert result.receipt.damaged == ()
