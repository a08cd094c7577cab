"""Flags as the broker documents them (broker reference, 5.4), and what two days tell."""

from dataclasses import replace
from datetime import date

import pytest

from observer_core.reference.corporate_actions import (
    CorporateAction,
    Earlier,
    InstrumentState,
    corporate_actions,
)

BEFORE = date(2026, 9, 14)
SHARE = InstrumentState(
    symbol="005930", name="삼성전자", base_price=70_000, listed_shares=5_969_782_000, face_value=100,
    listed_date=date(1975, 6, 11), ex_rights="00", face_value_change="00", capital_increase="00",
)  # fmt: skip


def found(
    today: InstrumentState, before: InstrumentState | None = SHARE, close: int | None = None
) -> list[CorporateAction]:
    earlier = Earlier(BEFORE, {before.symbol: before} if before else {})
    return corporate_actions({today.symbol: today}, earlier, {today.symbol: close} if close else {})


def test_a_day_on_which_nothing_happened_has_none() -> None:
    """A price that moved by trading is none: the base price is the previous close."""
    assert found(SHARE) == []
    assert found(replace(SHARE, base_price=90_000), close=90_000) == []
    assert found(replace(SHARE, base_price=91_000)) == []


@pytest.mark.parametrize(
    ("field", "code", "meaning"),
    [
        ("ex_rights", "01", "rights"),
        ("ex_rights", "02", "dividend"),
        ("ex_rights", "06", "rights and interim dividend"),
        ("face_value_change", "01", "split"),
        ("face_value_change", "02", "merge"),
        ("capital_increase", "01", "paid"),
        ("capital_increase", "02", "free"),
        ("capital_increase", "07", "code without a documented meaning"),
    ],
)
def test_a_flag_is_told_in_words(field: str, code: str, meaning: str) -> None:
    """An undocumented code is shown as it came."""
    [action] = found(replace(SHARE, **{field: code}))
    assert (action.kind, action.code, action.meaning, action.factor) == (field, code, meaning, None)


def test_a_split_is_a_flag_a_face_value_and_a_base_price() -> None:
    """Samsung's split of 2018-05-04: 5,000 to 100 KRW, and from 2,650,000 to 53,000 KRW."""
    before = replace(SHARE, face_value=5000, base_price=2_650_000, listed_shares=119_395_000)
    after = replace(SHARE, face_value_change="01", base_price=53_000, listed_shares=5_969_782_000)
    actions = {action.kind.value: action for action in found(after, before, close=2_650_000)}
    assert sorted(actions) == ["base_price", "face_value", "face_value_change", "listed_shares"]
    assert actions["base_price"].factor == pytest.approx(0.02)
    assert actions["base_price"].evidence == "base price is not the previous close"
    assert (actions["face_value"].before, actions["face_value"].after) == (5000, 100)
    assert actions["listed_shares"].factor == pytest.approx(50, rel=1e-4)


@pytest.mark.parametrize(
    ("base", "told"), [(49_000, False), (91_000, False), (48_000, True), (92_000, True), (140_000, True)]
)
def test_without_a_sweep_only_a_move_beyond_the_limit_tells(base: int, *, told: bool) -> None:
    """30 % a day (KRX business regulation, article 20), and a percent for the rounding to ticks."""
    actions = found(replace(SHARE, base_price=base))
    assert [action.evidence.value for action in actions] == (
        ["base price moved further than a day's limit allows"] if told else []
    )


def test_the_day_after_a_first_day_of_trading_tells_nothing() -> None:
    """On its first day a share may close at four times its offering price."""
    new = replace(SHARE, listed_date=BEFORE)
    assert found(replace(new, base_price=280_000), new) == []


def test_symbols_come_and_go() -> None:
    gone = replace(SHARE, symbol="000001", name="old")
    earlier = Earlier(BEFORE, {gone.symbol: gone})
    actions = corporate_actions({SHARE.symbol: SHARE}, earlier, {})
    assert [(one.symbol, one.kind.value, one.previous_day) for one in actions] == [
        ("000001", "delisting", BEFORE),
        ("005930", "listing", BEFORE),
    ]


def test_without_the_day_before_only_flags_and_closes_tell() -> None:
    """A first day of a deployment lists no 2,700 new shares."""
    today = {SHARE.symbol: replace(SHARE, ex_rights="01", base_price=60_000)}
    actions = corporate_actions(today, None, {SHARE.symbol: 70_000})
    assert [(one.kind.value, one.previous_day) for one in actions] == [
        ("base_price", None),
        ("ex_rights", None),
    ]
