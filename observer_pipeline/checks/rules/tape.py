"""The tape is plausible in itself: holes, prices, cumulative figures, bars."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from observer_core.market.calendar import Phase
from observer_core.market.ticks import price_limits, tick_size
from observer_pipeline.checks.verdict import Scalar, Severity, Verdict

_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Hole:
    """A break of continuity that the collector has measured.

    Attributes:
        symbol: The symbol.
        at: When it was seen, Korean time.
        phase: What the exchange did then.
        missing_volume: Shares that were traded and not received.
    """

    symbol: str
    at: str
    phase: Phase
    missing_volume: int


@dataclass(frozen=True, slots=True)
class Gap:
    """An interval without data that should have had some, Korean time.

    Attributes:
        symbol: The symbol; empty where it concerns a whole shard.
        channel: The channel; empty where it concerns all.
        begins: Receive time of the last data before it.
        ends: Receive time of the first data after it.
        cause: Why, where the collector knows it.
    """

    symbol: str
    channel: str
    begins: str
    ends: str
    cause: str


@dataclass(frozen=True, slots=True)
class StepBack:
    """A trade whose cumulative volume is below that of the trade received before it.

    Attributes:
        symbol: The symbol.
        venue: KRX, NXT or UNIFIED.
        at: When it was received, Korean time.
        phase: What the exchange did then.
        before: Cumulative volume of the trade before.
        after: Its own.
    """

    symbol: str
    venue: str
    at: str
    phase: Phase
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class PriceRange:
    """The extreme prices in KRW of a symbol's trades of a day."""

    symbol: str
    lowest: int
    highest: int


def no_holes(holes: Sequence[Hole]) -> Verdict:
    """Judges that continuity was never broken; in auctions and the after-market a hole is a warning.

    There, the rule is reported only until real tapes confirm it (architecture, decision 2).
    """
    alarming = [hole for hole in holes if hole.phase is Phase.CONTINUOUS]
    worst_first = sorted(holes, key=lambda hole: hole.missing_volume, reverse=True)
    return Verdict(
        passed=not holes,
        severity=Severity.ERROR if alarming else Severity.WARN,
        bound=0,
        observed=len(holes),
        offenders=[
            {
                "symbol": hole.symbol,
                "at": hole.at,
                "phase": hole.phase.value,
                "missing_volume": hole.missing_volume,
            }
            for hole in worst_first[:_SHOWN]
        ],
        reason=f"{len(holes)} holes, {len(alarming)} in continuous trading, "
        f"{sum(hole.missing_volume for hole in holes):,} shares missed."
        if holes
        else "Each trade continues the cumulative volume of the one before.",
    )


def no_gaps(gaps: Sequence[Gap]) -> Verdict:
    """Judges that there was no interval without data."""
    return Verdict(
        passed=not gaps,
        severity=Severity.WARN,
        bound=0,
        observed=len(gaps),
        offenders=[
            {
                "symbol": gap.symbol,
                "channel": gap.channel,
                "from": gap.begins,
                "to": gap.ends,
                "cause": gap.cause,
            }
            for gap in gaps[:_SHOWN]
        ],
        reason=f"{len(gaps)} intervals without data." if gaps else "The feed was never interrupted.",
    )


@dataclass(frozen=True, slots=True)
class PriceCount:
    """How many trades of a symbol had a price in KRW."""

    symbol: str
    price: int
    trades: int


def prices_on_grid(prices: Sequence[PriceCount], shares: Collection[str]) -> Verdict:
    """Judges that the trades of shares lie on the grid of prices, or on a midpoint of it.

    A midpoint order trades at half a tick, cut or rounded to whole KRW. Other products have other grids.

    Args:
        prices: Every price that was traded.
        shares: The symbols to judge.
    """
    judged = [one for one in prices if one.symbol in shares]
    wrong = sorted(
        (one for one in judged if not _on_grid(one.price)), key=lambda one: (-one.trades, one.symbol)
    )
    trades = sum(one.trades for one in wrong)
    return Verdict(
        passed=not wrong,
        severity=Severity.WARN,
        bound=0,
        observed=trades,
        offenders=[
            {"symbol": one.symbol, "price": one.price, "tick": tick_size(one.price), "trades": one.trades}
            for one in wrong[:_SHOWN]
        ],
        reason=f"{trades:,} of {sum(one.trades for one in judged):,} trades are off the grid."
        if wrong
        else f"All {sum(one.trades for one in judged):,} trades lie on the grid or its midpoints.",
    )


def _on_grid(price: int) -> bool:
    tick = tick_size(price)
    # Twice the distance from the grid: 0 on it; around one tick at a midpoint.
    return price % tick == 0 or abs(2 * (price % tick) - tick) <= 1


def prices_within_limits(ranges: Sequence[PriceRange], base_prices: Mapping[str, int]) -> Verdict:
    """Judges that every trade lies within the day's price limits, 30 % around the base price.

    Args:
        ranges: The extremes of each symbol's trades.
        base_prices: Symbol -> base price in KRW of the day; a symbol without one is not judged.
    """
    offenders: list[Mapping[str, Scalar]] = []
    judged = 0
    for seen in ranges:
        base = base_prices.get(seen.symbol, 0)
        if base <= 0:
            continue
        judged += 1
        lower, upper = price_limits(base)
        if seen.lowest < lower or seen.highest > upper:
            offenders.append(
                {
                    "symbol": seen.symbol,
                    "base_price": base,
                    "lower_limit": lower,
                    "upper_limit": upper,
                    "lowest": seen.lowest,
                    "highest": seen.highest,
                }
            )
    return Verdict(
        passed=not offenders,
        severity=Severity.ERROR,
        bound=f"30 % around the base price, {judged} of {len(ranges)} symbols have one",
        observed=len(offenders),
        offenders=offenders[:_SHOWN],
        reason=f"{len(offenders)} symbols traded outside of their limits."
        if offenders
        else "All trades lie within the day's limits.",
    )


def cumulative_volume_grows(steps_back: Sequence[StepBack], *, trades: int) -> Verdict:
    """Judges that the cumulative volume of a symbol never falls from one trade to the next.

    Whether it restarts between the sessions of a day is not documented (broker reference, 8.1): outside
    of continuous trading a fall is a warning.

    Args:
        steps_back: The trades at which it fell.
        trades: Trades looked at.
    """
    alarming = any(step.phase is Phase.CONTINUOUS for step in steps_back)
    return Verdict(
        passed=not steps_back,
        severity=Severity.ERROR if alarming else Severity.WARN,
        bound=0,
        observed=len(steps_back),
        offenders=[
            {
                "symbol": step.symbol,
                "venue": step.venue,
                "at": step.at,
                "phase": step.phase.value,
                "before": step.before,
                "after": step.after,
            }
            for step in steps_back[:_SHOWN]
        ],
        reason=f"The cumulative volume falls at {len(steps_back)} of {trades:,} trades."
        if steps_back
        else f"The cumulative volume never falls in {trades:,} trades.",
    )


def bars_hold_trades(bars: Mapping[str, int], trades: Mapping[str, int]) -> Verdict:
    """Judges that the bars of a day hold exactly the volume of its trades, symbol by symbol.

    Args:
        bars: Symbol -> shares in its bars.
        trades: Symbol -> shares in its trades.
    """
    symbols = sorted(bars.keys() | trades.keys())
    wrong = [symbol for symbol in symbols if bars.get(symbol, 0) != trades.get(symbol, 0)]
    return Verdict(
        passed=not wrong,
        severity=Severity.ERROR,
        bound=sum(trades.values()),
        observed=sum(bars.values()),
        offenders=[
            {"symbol": symbol, "in_bars": bars.get(symbol, 0), "in_trades": trades.get(symbol, 0)}
            for symbol in wrong[:_SHOWN]
        ],
        reason=f"{len(wrong)} symbols have other volumes in bars than in trades."
        if wrong
        else "The bars hold the volume of every trade once.",
    )
