"""The short way of the accounting: it enters what the rule says, or nothing."""

from dataclasses import asdict
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.accounting import SPLITS, Ledger, VolumeContinuity

NOW = 1_798_729_200 * 10**9
NAME = ("H0STCNT0", "005930")
# By the table of the broker reference (7.1): the shares, then cumulative volume, value, and both sides.
FIGURES = (12, 13, 14, 15, 16, 19, 20)
START = [10, 1000, 71_900_000, 40, 50, 400, 600]


def record(figures, side, price="71900", time="093000"):
    values = ["0"] * 47
    values[0], values[1], values[2], values[21], values[33] = "005930", time, price, side, "20260915"
    for position, figure in zip(FIGURES, figures, strict=True):
        values[position] = str(figure)
    return "^".join(values)


def split(payload):
    return payload.encode().split(b"^", SPLITS)


@pytest.fixture
def accounting():
    made = VolumeContinuity(lambda _: "continuous")
    made.observe("H0STCNT0", record(START, "5"), NOW)
    return made


def follow(figures, shares, price, side):
    """The figures of the trade that follows, as the reference has them."""
    _, volume, value, sold, bought, sell, buy = figures
    sells, buys = side == "5", side == "1"
    return [
        shares,
        volume + shares,
        value + price * shares,
        sold + sells,
        bought + buys,
        sell + sells * shares,
        buy + buys * shares,
    ]


trades = st.tuples(st.integers(1, 500), st.integers(100, 900_000), st.sampled_from(["1", "5", "3", ""]))
# Which of value and side figures is wrong, and by how much; the shares always fit.
wrong = st.dictionaries(st.integers(2, 6), st.sampled_from([-1, 1, 7]), max_size=2)


@given(st.lists(st.tuples(trades, st.one_of(st.just({}), wrong)), max_size=30))
@settings(max_examples=200)
def test_every_figure_is_checked_against_the_trade_before(tape):
    """Against a plain model: what does not follow is a contradiction, and the next is held against it."""
    ledger, accounting = Ledger(), VolumeContinuity(lambda _: "continuous")
    accounting.observe("H0STCNT0", record(START, "5"), NOW)
    ledger.begin(accounting.account(*NAME))
    account, figures, contradictions = ledger.account, START, 0
    for (shares, price, side), off in tape:
        right = follow(figures, shares, price, side)
        figures = [figure + off.get(index, 0) for index, figure in enumerate(right)]
        looked_at = range(2, 7) if side in ("1", "5") else (2,)
        contradictions += any(figures[index] != right[index] for index in looked_at)
        assert ledger.continues(split(record(figures, side, str(price))), NOW)
        found = [account.volume, account.value, account.sell_trades, account.buy_trades]
        assert [*found, account.sell_volume, account.buy_volume] == figures[1:]
        assert account.contradictions == contradictions
    assert account.trades == len(tape) + 1
    assert account.captured == sum(shares for (shares, *_), _ in tape) + START[0]


odd_texts = st.sampled_from(["", "0", "1", "-5", "+7", "1_0", " 3", "x", "71900.5", "1e3", "5", "20260916"])
steps = st.tuples(
    trades,
    st.sampled_from([0, 0, 0, 0, -1, 1, 40]),
    st.dictionaries(
        st.sampled_from([0, 1, 2, 12, 13, 14, 15, 16, 19, 20, 21, 33, 46]), odd_texts, max_size=1
    ),
    st.sampled_from([15, 22, 46, 47, 47, 47, 47]),
    st.sampled_from([0, 1, 5 * 3600 * 10**9]),
)


@given(st.lists(steps, max_size=30), st.lists(st.booleans(), min_size=30, max_size=30))
@settings(max_examples=200)
def test_who_asks_the_ledger_first_finds_the_same(tape, remembered):
    """Holes, resets, the unreadable and every account, whether or not texts of the last trade are known."""
    ways = [VolumeContinuity(lambda _: "continuous") for _ in range(3)]
    figures, now_ns = START, NOW
    for ((shares, price, side), lost, odd, width, after_ns), remember in zip(tape, remembered, strict=False):
        figures = follow(figures, shares, price, side)
        figures[1] += lost
        values = record(figures, side, str(price)).split("^")
        for position, text in odd.items():
            values[position] = text
        payload, now_ns = "^".join(values[:width]), now_ns + after_ns
        found = [ways[0].observe("H0STCNT0", payload, now_ns)]
        for way, keeps in ((ways[1], True), (ways[2], remember)):
            ledger = way.ledger("H0STCNT0", values[0])
            if ledger is not None and not keeps:
                ledger.forget_texts()
            entered = ledger is not None and ledger.continues(split(payload), now_ns)
            found.append(None if entered else way.observe("H0STCNT0", payload, now_ns))
        assert found[0] == found[1] == found[2]
        assert ways[0].state() == ways[1].state() == ways[2].state()
        assert ways[0].unreadable == ways[1].unreadable == ways[2].unreadable


@pytest.mark.parametrize(
    ("position", "text"),
    # Any text of a bounded length may stand for the time.
    [
        *product([1], [b"", b"\xff", b"9" * 17]),
        *product([2, *FIGURES], [b"", b"x", b"\xff", b"1 2", b"1.5.5"]),
        *product(FIGURES[2:], [b"-1", str(2**63).encode(), b"9" * 4000]),
    ],
)
@pytest.mark.parametrize("side", ["1", "5", "3"])
def test_what_cannot_be_read_enters_nothing(accounting, position, side, text):
    """Not half of a trade either, and not though the trade before had the same text."""
    ledger, account = accounting.ledger(*NAME), accounting.account(*NAME)
    assert ledger.continues(split(record(follow(START, 5, 71_900, side), side)), NOW)
    before = asdict(account)
    values = split(record(follow(follow(START, 5, 71_900, side), 5, 71_900, side), side))
    values[position] = text
    assert not ledger.continues(values, NOW)
    assert not ledger.continues(values[:21], NOW)
    assert asdict(account) == before


@pytest.mark.parametrize("figure", [2**63, int("9" * 4299)], ids=["64 bits", "4299 digits"])
@pytest.mark.parametrize("side", ["1", "5", "3"])
def test_no_way_enters_a_figure_beyond_64_bits(accounting, side, figure):
    """Though it follows from the trade before: what is in an account can be written by everybody."""
    ledger, before = accounting.ledger(*NAME), asdict(accounting.account(*NAME))
    large = record(follow(START, figure, 1, side), side, "1")
    assert not ledger.continues(split(large), NOW)
    assert accounting.observe("H0STCNT0", large, NOW) is None
    assert (asdict(ledger.account), accounting.unreadable) == (before, 1)
    assert accounting.observe("H0STCNT0", record(follow(START, -5, 1, side), side, "1"), NOW) is None
    assert (asdict(ledger.account), accounting.unreadable) == (before, 2)


@pytest.mark.parametrize("odd", ["\udcff", "005930\udcff", "삼성전자", "0" * 17, "", "00 5930", "005930\n"])
@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("opens", [True, False], ids=["opens", "breaks"])
def test_a_symbol_or_a_time_that_is_no_plain_text_is_unreadable(accounting, opens, position, odd):
    """Neither an account nor a hole may hold what nobody can write down; the trade is counted."""
    before = accounting.state()
    if opens:
        accounting.restore({})
    figures = follow(START, 5, 71_900, "5")
    figures[1] += 7
    values = record(figures, "5").split("^")
    values[position] = odd
    assert accounting.observe("H0STCNT0", "^".join(values), NOW) is None
    assert (accounting.unreadable, accounting.state()) == (1, {} if opens else before)


def test_a_ledger_outlives_its_account(accounting):
    """Who keeps one follows a restored state, a new day, and a state that does not have the symbol."""
    ledger = accounting.ledger(*NAME)
    first = follow(START, 5, 71_900, "5")
    assert ledger.continues(split(record(first, "5")), NOW)
    later = accounting.state()
    second = follow(first, 7, 71_900, "5")
    accounting.restore({})
    assert (ledger.account, list(accounting.accounts()), accounting.state()) == (None, [], {})
    assert not ledger.continues(split(record(second, "5")), NOW)
    accounting.restore(later)
    assert ledger.continues(split(record(second, "5")), NOW)
    assert accounting.account(*NAME).volume == second[1]
    tomorrow = record(START, "5").replace("20260915", "20260916")
    assert accounting.observe("H0STCNT0", tomorrow, NOW + 12 * 3600 * 10**9) is None
    assert (accounting.ledger(*NAME), ledger.account.business_date) == (ledger, "20260916")


@pytest.mark.parametrize(("side", "other"), [("5", "1"), ("1", "5")])
def test_a_figure_is_held_against_the_account_and_not_against_an_older_text(accounting, side, other):
    """A hole lies between: its side's figures are newer than the last text that the short way has seen."""
    ledger, account = accounting.ledger(*NAME), accounting.account(*NAME)
    older = follow(START, 5, 71_900, side)
    assert ledger.continues(split(record(older, side)), NOW)
    missed = follow(older, 7, 71_900, other)
    revealing = follow(missed, 5, 71_900, side)
    assert accounting.observe("H0STCNT0", record(revealing, side), NOW).shares == 7
    following = follow(revealing, 5, 71_900, side)
    # The other side's figures as they were before the hole.
    back = (4, 6) if other == "1" else (3, 5)
    for index in back:
        following[index] = older[index]
    assert ledger.continues(split(record(following, side)), NOW)
    found = [account.sell_trades, account.buy_trades, account.sell_volume, account.buy_volume]
    assert (account.contradictions, found) == (1, following[3:])


def test_a_pause_as_long_as_a_night_is_for_the_long_way(accounting):
    """Though the shares fit, the date may be another."""
    payload = split(record(follow(START, 5, 71_900, "5"), "5"))
    assert not accounting.ledger(*NAME).continues(payload, NOW + 4 * 3600 * 10**9 + 1)
    assert accounting.ledger(*NAME).continues(payload, NOW + 4 * 3600 * 10**9)
