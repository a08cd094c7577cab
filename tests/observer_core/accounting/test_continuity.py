"""Continuity of the cumulative volume, against a market that is simulated here and nowhere else."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.accounting import ContinuityPolicy, Hole, Reset, VolumeContinuity, hole_of

SECOND = 1_000_000_000
# Later than every date that a trade states here: a date still to come is none.
NEW_YEAR = 1_798_729_200 * SECOND

# Three records of one real frame of 2025-07-30 (public capture, 46 values each).
REAL_STEPS = [
    "005930^094751^71950^2^1350^1.91^71690.50^71000^72300^70600^72000^71900^1^8305216^595403999350^21115^28170^"
    "7055^136.06^3060313^4163762^5^0.51^29.46^090014^2^950^090708^5^-350^090030^2^1350^20250730^20^N^93994^"
    "113056^1668973^822214^0.14^10584139^78.47^0^^71000",
    "005930^094751^71900^2^1300^1.84^71690.50^71000^72300^70600^72000^71900^2^8305218^595404143150^21116^28170^"
    "7054^136.06^3060315^4163762^5^0.51^29.46^090014^2^900^090708^5^-400^090030^2^1300^20250730^20^N^93985^"
    "112986^1668973^822144^0.14^10584139^78.47^0^^71000",
    "005930^094751^72000^2^1400^1.98^71690.50^71000^72300^70600^72000^71900^75^8305293^595409543150^21116^28171^"
    "7055^136.06^3060315^4163837^1^0.51^29.46^090014^2^1000^090708^5^-300^090030^2^1400^20250730^20^N^93985^"
    "112986^1668973^822144^0.14^10584139^78.47^0^^71000",
]


@dataclass
class Market:
    """Writes H0STCNT0 records by the table of the broker reference (7.1), cumulative figures included."""

    symbol: str = "005930"
    date: str = "20260915"
    volume: int = 0
    value: int = 0
    counts: dict = field(default_factory=lambda: {"1": 0, "5": 0})
    volumes: dict = field(default_factory=lambda: {"1": 0, "5": 0})

    def trade(self, shares, price=71_900, side="5", time="093000"):
        self.volume += shares
        self.value += price * shares
        if side in self.counts:
            self.counts[side] += 1
            self.volumes[side] += shares
        values = ["0"] * 47
        values[0], values[1], values[2] = self.symbol, time, str(price)
        values[12], values[13], values[14] = str(shares), str(self.volume), str(self.value)
        values[15], values[16] = str(self.counts["5"]), str(self.counts["1"])
        values[19], values[20], values[21] = str(self.volumes["5"]), str(self.volumes["1"]), side
        values[33] = self.date
        return "^".join(values)


class Accounting(VolumeContinuity):
    """The accounting, with receive times counted from the new year of 2027."""

    def observe(self, channel, payload, wall_ns):
        return super().observe(channel, payload, NEW_YEAR + wall_ns)


def continuity():
    return Accounting(lambda _: "continuous")


def test_real_frame_is_continuous():
    """The steps inside a real frame are continuous in shares, value, counts and sides."""
    accounting = continuity()
    assert [accounting.observe("H0STCNT0", record, 1) for record in REAL_STEPS] == [None, None, None]
    account = accounting.account("H0STCNT0", "005930")
    assert (account.captured, account.before_slot) == (1 + 2 + 75, 8305215)
    assert (account.contradictions, account.holes, account.trades) == (0, 0, 3)


def test_real_frame_without_its_middle_record_has_a_hole():
    """Without the second real record, the hole is that record: two shares, 143,800 KRW, one sale."""
    accounting = continuity()
    accounting.observe("H0STCNT0", REAL_STEPS[0], 10 * SECOND)
    hole = accounting.observe("H0STCNT0", REAL_STEPS[2], 11 * SECOND)
    assert hole == Hole(
        channel="H0STCNT0",
        symbol="005930",
        business_date="20250730",
        from_cumulative=8305216,
        to_cumulative=8305218,
        shares=2,
        value=2 * 71900,
        trades=1,
        sell_trades=1,
        buy_trades=0,
        sell_volume=2,
        buy_volume=0,
        last_good_ns=NEW_YEAR + 10 * SECOND,
        first_seen_ns=NEW_YEAR + 11 * SECOND,
        phase="continuous",
        from_time="094751",
        to_time="094751",
    )


trades = st.lists(
    st.tuples(
        st.integers(1, 10_000), st.integers(100, 900_000), st.sampled_from(["1", "5", "3"]), st.booleans()
    ),
    min_size=2,
    max_size=60,
)


@given(trades)
@settings(max_examples=300)
def test_holes_equal_what_was_removed(tape):
    """Whatever is removed between the first and the last record is found, in every figure, exactly."""
    market = Market()
    records = [market.trade(shares, price, side) for shares, price, side, _ in tape]
    kept = [not removed for *_, removed in tape]
    kept[0] = kept[-1] = True
    accounting = continuity()
    found = [
        accounting.observe("H0STCNT0", record, number)
        for number, (record, keep) in enumerate(zip(records, kept, strict=True))
        if keep
    ]
    holes = [finding for finding in found if finding is not None]
    lost = [trade for trade, keep in zip(tape, kept, strict=True) if not keep]
    assert all(isinstance(hole, Hole) for hole in holes)
    assert sum(hole.shares for hole in holes) == sum(shares for shares, *_ in lost)
    assert sum(hole.value for hole in holes) == sum(shares * price for shares, price, *_ in lost)
    assert sum(hole.trades for hole in holes) == sum(side != "3" for _, _, side, _ in lost)
    assert sum(hole.sell_volume for hole in holes) == sum(s for s, _, side, _ in lost if side == "5")
    assert sum(hole.buy_volume for hole in holes) == sum(s for s, _, side, _ in lost if side == "1")
    account = accounting.account("H0STCNT0", "005930")
    assert account.volume == account.before_slot + account.captured + account.hole_shares
    assert account.contradictions == 0


@given(trades, st.integers(0, 59))
def test_state_survives_a_restart(tape, position):
    """An accounting restored from its state finds what the uninterrupted one finds."""
    market = Market()
    records = [market.trade(shares, price, side) for shares, price, side, _ in tape]
    records = [record for record, (*_, removed) in zip(records, tape, strict=True) if not removed]
    whole, before = continuity(), continuity()
    expected = [whole.observe("H0STCNT0", record, number) for number, record in enumerate(records)]
    found = [before.observe("H0STCNT0", record, number) for number, record in enumerate(records[:position])]
    after = continuity()
    after.restore(before.state())
    found += [
        after.observe("H0STCNT0", record, number)
        for number, record in enumerate(records[position:], start=len(records[:position]))
    ]
    assert found == expected
    assert after.state() == whole.state()


def test_shares_before_the_first_trade_are_no_hole():
    """What was traded before the slot was held is stated apart."""
    market = Market()
    market.trade(700)
    accounting = continuity()
    assert accounting.observe("H0STCNT0", market.trade(30), 1) is None
    assert accounting.account("H0STCNT0", "005930").before_slot == 700


def test_a_repeated_record_is_a_duplicate():
    """A record that comes twice, or late, is counted and changes nothing else."""
    market, accounting = Market(), continuity()
    records = [market.trade(shares) for shares in (5, 6, 7)]
    for record in (*records, records[2], records[0]):
        assert accounting.observe("H0STCNT0", record, 1) is None
    account = accounting.account("H0STCNT0", "005930")
    assert (account.duplicates, account.captured, account.volume) == (2, 18, 18)


def test_a_new_business_date_begins_anew():
    """The first trade of a new date is no hole, even when its cumulative volume is higher."""
    monday, tuesday = Market(date="20260914"), Market(date="20260915")
    tuesday.trade(900)
    accounting = continuity()
    accounting.observe("H0STCNT0", monday.trade(100), 1)
    assert accounting.observe("H0STCNT0", tuesday.trade(40), 2) is None
    account = accounting.account("H0STCNT0", "005930")
    assert (account.business_date, account.before_slot, account.holes) == ("20260915", 900, 0)


def test_a_new_date_is_seen_even_where_the_figures_happen_to_fit():
    """A night between two trades makes the accounting look at the date."""
    monday, tuesday = Market(date="20260914"), Market(date="20260915", volume=100)
    accounting = continuity()
    accounting.observe("H0STCNT0", monday.trade(100), 1)
    accounting.observe("H0STCNT0", tuesday.trade(40), 1 + 12 * 3600 * SECOND)
    assert accounting.account("H0STCNT0", "005930").business_date == "20260915"


def test_a_record_of_yesterday_is_a_duplicate():
    """A late record of an earlier date does not turn the account back."""
    monday, tuesday = Market(date="20260914"), Market(date="20260915")
    accounting = continuity()
    accounting.observe("H0STCNT0", tuesday.trade(40), 1)
    assert accounting.observe("H0STCNT0", monday.trade(100), 2) is None
    account = accounting.account("H0STCNT0", "005930")
    assert (account.business_date, account.duplicates) == ("20260915", 1)


def test_a_lower_cumulative_volume_later_is_a_reset():
    """A restart of the cumulative volume in a later session is reported as such, not as a hole."""
    regular, after = Market(), Market()
    accounting = continuity()
    accounting.observe("H0STCNT0", regular.trade(1000, time="152000"), 1)
    after.trade(20)
    finding = accounting.observe("H0STCNT0", after.trade(30, time="160001"), 2)
    assert finding == Reset("H0STCNT0", "005930", 1000, 50, NEW_YEAR + 2, session="", expected=True)
    account = accounting.account("H0STCNT0", "005930")
    assert account.volume + account.volume_before_reset == account.before_slot + account.captured
    assert account.holes == 0


def test_an_auction_trade_has_no_side_and_makes_no_hole():
    """A trade without a side moves volume and value only; neither hole nor contradiction."""
    market, accounting = Market(), continuity()
    for side in ("5", "3", "1"):
        assert accounting.observe("H0STCNT0", market.trade(10, side=side), 1) is None
    assert accounting.account("H0STCNT0", "005930").contradictions == 0


def test_a_value_that_does_not_fit_is_a_contradiction():
    """Shares that fit with a value that does not are counted, and make no hole."""
    market, accounting = Market(), continuity()
    accounting.observe("H0STCNT0", market.trade(10), 1)
    market.value += 1
    assert accounting.observe("H0STCNT0", market.trade(10), 2) is None
    assert accounting.account("H0STCNT0", "005930").contradictions == 1


def test_a_midpoint_price_at_half_a_won_is_read():
    """A midpoint trade below 2,000 KRW may have a price with half a won."""
    market, accounting = Market(), continuity()
    accounting.observe("H0STCNT0", market.trade(10, price=1500), 1)
    market.value += 1500.5 * 2 - 1500 * 2
    market.value = int(market.value)
    record = market.trade(2, price=1500).replace("^1500^", "^1500.5^", 1)
    assert accounting.observe("H0STCNT0", record, 2) is None
    assert accounting.account("H0STCNT0", "005930").contradictions == 0


@pytest.mark.parametrize("record", ["", "005930", "005930^093000^71900", "^".join(["x"] * 47)])
def test_what_is_no_trade_is_counted(record):
    """A record without the figures of a trade is counted and never raises."""
    accounting = continuity()
    assert accounting.observe("H0STCNT0", record, 1) is None
    assert accounting.unreadable == 1


def test_symbols_and_channels_are_apart():
    """Each channel and symbol has its own account."""
    samsung, hynix, accounting = Market(), Market(symbol="000660"), continuity()
    accounting.observe("H0STCNT0", samsung.trade(10), 1)
    accounting.observe("H0STCNT0", hynix.trade(20), 1)
    accounting.observe("H0UNCNT0", samsung.trade(30), 1)
    volumes = {(channel, symbol): account.volume for channel, symbol, account in accounting.accounts()}
    assert volumes == {
        ("H0STCNT0", "005930"): 10,
        ("H0STCNT0", "000660"): 20,
        ("H0UNCNT0", "005930"): 40,
    }
    assert accounting.account("H0UNCNT0", "005930").before_slot == 10


def in_session(record, code):
    """Puts a record into a session (MARKET_CLS_CODE, the last of 47 values)."""
    return record[: record.rindex("^") + 1] + code


POLICY = ContinuityPolicy(
    alarms=frozenset({("H0STCNT0", "continuous")}), restarts=frozenset({"after_market"})
)


def test_a_hole_says_whether_it_is_a_fault():
    """Alarm where the policy says so for this channel and phase, told elsewhere; both are counted."""
    for channel, phase, severity in (
        ("H0STCNT0", "continuous", "alarm"),
        ("H0STCNT0", "after_market", "report"),
        ("H0UNCNT0", "continuous", "report"),
    ):
        accounting, market = Accounting(lambda _, phase=phase: phase, POLICY), Market()
        records = [market.trade(10, time=f"09300{number}") for number in range(3)]
        accounting.observe(channel, in_session(records[0], "2"), 1)
        hole = accounting.observe(channel, in_session(records[2], "2"), 2)
        assert (hole.shares, hole.severity, hole.phase) == (10, severity, phase)
        assert (hole.session, hole.from_time, hole.to_time) == ("regular", "093000", "093002")


def test_what_is_traded_while_nobody_listens_is_counted_apart():
    """Ten shares without a slot, five lost with one: the hole has five, and the sum holds."""
    accounting, market = continuity(), Market()
    accounting.observe("H0STCNT0", market.trade(100), 1)
    accounting.watch("005930", watched=False)
    market.trade(10)
    break_ = accounting.observe("H0STCNT0", market.trade(1), 2)
    accounting.excuse(break_.channel, break_.symbol, break_.shares)
    accounting.watch("005930", watched=True)
    market.trade(5)
    hole = accounting.observe("H0STCNT0", market.trade(1), 3)
    account = accounting.account("H0STCNT0", "005930")
    assert (break_.shares, hole.shares) == (10, 5)
    assert (account.holes, account.hole_shares, account.unwatched_shares) == (1, 5, 10)
    assert account.volume == account.captured + account.hole_shares + account.unwatched_shares == 117


def test_a_slot_is_of_one_symbol_on_all_its_channels():
    """Also where the accounts come from an earlier process."""
    earlier = VolumeContinuity(lambda _: "continuous")
    for channel, symbol in (("H0STCNT0", "005930"), ("H0NXCNT0", "005930"), ("H0STCNT0", "000660")):
        earlier.observe(channel, Market(symbol).trade(5), NEW_YEAR)
    restored = VolumeContinuity(lambda _: "continuous")
    restored.restore(earlier.state())
    for accounting in (earlier, restored):
        accounting.watch("005930", watched=False)
        watched = {(channel, symbol): account.watched for channel, symbol, account in accounting.accounts()}
        assert watched == {
            ("H0STCNT0", "005930"): False, ("H0NXCNT0", "005930"): False, ("H0STCNT0", "000660"): True
        }  # fmt: skip


def test_who_is_watched_survives_a_restart():
    """The state says it, and one that was written before this figure existed says: watched."""
    accounting, market = continuity(), Market()
    accounting.observe("H0STCNT0", market.trade(100), 1)
    accounting.watch("005930", watched=False)
    accounting.watch("999999", watched=False)
    state = accounting.state()
    second = continuity()
    second.restore(state)
    assert not second.account("H0STCNT0", "005930").watched
    for name in ("watched", "unwatched_shares"):
        del state["H0STCNT0"]["005930"][name]
    second.restore(state)
    account = second.account("H0STCNT0", "005930")
    assert (account.watched, account.unwatched_shares) == (True, 0)


def test_a_session_that_begins_at_zero_is_an_expected_restart():
    """What it traded before the first trade received is a hole; what it left behind is kept."""
    accounting, regular, after = Accounting(lambda _: "after_market", POLICY), Market(), Market()
    accounting.observe("H0STCNT0", in_session(regular.trade(100, time="152959"), "2"), 1)
    after.trade(7, time="160000")
    reset = accounting.observe("H0STCNT0", in_session(after.trade(5, time="160001"), "3"), 2)
    assert (reset.session, reset.expected, reset.from_cumulative) == ("after_market", True, 100)
    assert (reset.hole.shares, reset.hole.from_cumulative, reset.hole.to_cumulative) == (7, 0, 7)
    assert (reset.hole.value, reset.hole.trades) == (7 * 71_900, 1)
    assert accounting.observe("H0STCNT0", in_session(after.trade(1, time="160002"), "3"), 3) is None
    account = accounting.account("H0STCNT0", "005930")
    assert (account.volume, account.volume_before_reset, account.captured) == (13, 100, 106)
    assert account.volume + account.volume_before_reset == account.captured + account.hole_shares


@pytest.mark.parametrize("session", ["2", "1"])
def test_a_lower_figure_elsewhere_is_unexpected_and_followed(session):
    """A correction within a session: told as unexpected, no hole, and the next trade continues it."""
    accounting, market, corrected = Accounting(lambda _: "continuous", POLICY), Market(), Market()
    accounting.observe("H0STCNT0", in_session(market.trade(100, time="100000"), "2"), 1)
    corrected.volume = 50
    reset = accounting.observe("H0STCNT0", in_session(corrected.trade(5, time="100001"), session), 2)
    assert isinstance(reset, Reset)
    assert (reset.expected, reset.hole) == (False, None)
    assert accounting.observe("H0STCNT0", in_session(corrected.trade(5, time="100002"), session), 3) is None


deliveries = st.lists(
    st.tuples(st.integers(1, 500), st.sampled_from(["1", "5", "3"]), st.sampled_from("kkkrd")),
    min_size=1,
    max_size=40,
)


def expected_of(tape, *, restarts):
    """Returns what must be found, by plain sums: shares in holes, before the slot, seen, doubled."""
    missing = before_slot = seen = doubled = gap = 0
    first, session = True, "2"
    for code, shares, _, fate in tape:
        if restarts and code != session:
            gap = 0  # what is missing at the end of a session that begins anew cannot be known
        session = code
        if fate == "r":
            gap += shares
            continue
        if first:
            before_slot = gap
        else:
            missing += gap
        first, gap, seen, doubled = False, 0, seen + shares, doubled + (fate == "d")
    return missing, before_slot, seen, doubled


@given(st.booleans(), deliveries, deliveries)
@settings(max_examples=300)
def test_sessions_against_a_plain_model(restarts, regular, after):
    """Kept, removed and doubled trades over two sessions, the second of which may begin at zero."""
    # One large trade first: where both sessions are tiny, their figures alone cannot tell a restart.
    tape = [
        ("2", 10**6, "1", "k"),
        *(("2", *trade) for trade in regular),
        *(("3", *trade) for trade in after),
    ]
    accounting, market = Accounting(lambda _: "continuous", POLICY), Market()
    holes, session = 0, "2"
    for second, (code, shares, side, fate) in enumerate(tape):
        if restarts and code != session:
            market = Market()
        session = code
        record = in_session(market.trade(shares, side=side, time=f"{90_000 + second:06d}"), code)
        for _ in range({"r": 0, "k": 1, "d": 2}[fate]):
            hole = hole_of(accounting.observe("H0STCNT0", record, second))
            holes += hole.shares if isinstance(hole, Hole) else 0
    missing, before_slot, seen, doubled = expected_of(tape, restarts=restarts)
    account = accounting.account("H0STCNT0", "005930")
    assert (holes, account.hole_shares, account.captured) == (missing, missing, seen)
    assert (account.duplicates, account.before_slot) == (doubled, before_slot)
    assert account.volume + account.volume_before_reset == before_slot + seen + missing


@pytest.mark.parametrize("price", ["Infinity", "NaN", "1e99999999", "1E+999999999999999999", "", "71,900"])
def test_a_price_that_is_no_number_is_unreadable_and_no_more(price):
    """The trade after it shows its shares as a hole; nothing ends."""
    accounting, market = continuity(), Market()
    accounting.observe("H0STCNT0", market.trade(10), 1 * SECOND)
    odd = market.trade(5).split("^")
    odd[2] = price
    assert accounting.observe("H0STCNT0", "^".join(odd), 2 * SECOND) is None
    assert accounting.unreadable == 1
    assert accounting.observe("H0STCNT0", market.trade(10), 3 * SECOND).shares == 5


@pytest.mark.parametrize("date", ["99991231", "N", "20270102", "2026091a", "２０２６０９１５"])
@pytest.mark.parametrize("fits", [True, False], ids=["continuing", "after a hole"])
def test_a_date_that_has_not_come_closes_no_account(date, fits):
    """Later trades, of this day and of the next, are accounted as ever."""
    accounting, market = continuity(), Market()
    accounting.observe("H0STCNT0", market.trade(10), 1 * SECOND)
    if not fits:
        market.trade(7)
    odd = market.trade(5).split("^")
    odd[33] = date
    accounting.observe("H0STCNT0", "^".join(odd), 2 * SECOND)
    accounting.observe("H0STCNT0", market.trade(10), 3 * SECOND)
    market.trade(100)
    assert accounting.observe("H0STCNT0", market.trade(10), 4 * SECOND).shares == 100
    account = accounting.account("H0STCNT0", "005930")
    assert (account.business_date, account.duplicates) == ("20260915", 0)
    assert account.volume == account.captured + account.hole_shares
    next_day = Market(date="20260916")
    accounting.observe("H0STCNT0", next_day.trade(10), 9 * 3600 * SECOND)
    next_day.trade(3)
    assert accounting.observe("H0STCNT0", next_day.trade(10), 9 * 3600 * SECOND + 1).shares == 3


def test_an_account_that_an_earlier_version_let_run_ahead_begins_anew():
    """Its date would make duplicates of all trades until then."""
    accounting, market = continuity(), Market()
    accounting.observe("H0STCNT0", market.trade(10), 1 * SECOND)
    state = accounting.state()
    state["H0STCNT0"]["005930"]["business_date"] = "99991231"
    accounting.restore(state)
    market.trade(5)
    accounting.observe("H0STCNT0", market.trade(10), 2 * SECOND)
    account = accounting.account("H0STCNT0", "005930")
    assert (account.business_date, account.duplicates, account.captured) == ("20260915", 0, 10)


@given(st.lists(st.text(max_size=12), max_size=50), st.integers(0, 10**15))
def test_no_record_ends_the_accounting(values, moment):
    """Whatever the values are, before and after a good trade."""
    accounting, market = continuity(), Market()
    accounting.observe("H0STCNT0", "^".join(values), moment)
    accounting.observe("H0STCNT0", market.trade(10), moment)
    good = market.trade(5).split("^")
    good[: len(values)] = values[: len(good)]
    good[0] = "005930"
    accounting.observe("H0STCNT0", "^".join(good), moment)
