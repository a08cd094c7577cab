"""Continuity of the cumulative volume, per channel and symbol.

Invariant: for every symbol and business date, `volume + volume_before_reset` equals
`before_slot + captured + hole_shares`, as long as no trade contradicted the rule below
(`contradictions`). The accounting reads values; it never drops or changes a record.

The relation (broker reference, 7.1, fields by index): of two trades without another one between,
ACML_VOL(13) grows by CNTG_VOL(12), ACML_TR_PBMN(14) by price(2) times volume, and the count and the
volume of the side CCLD_DVSN(21) by 1 and by the volume (15, 16, 19, 20). A trade of an auction has
no side; so only shares make a hole, and the other figures size it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from observer_core.accounting.account import Account, Finding, Hole, Reset
from observer_core.clock.base import NANOSECONDS, kst_datetime
from observer_core.errors import StorageError

_BUY, _SELL = "1", "5"
# No session follows the one before within this time, so a pause this long may hide a new date.
_NIGHT_NS = 4 * 3600 * NANOSECONDS
# The last value that the fast path reads is number 21; what follows stays one piece.
_SPLITS = 22
_BUSINESS_DATE = 33


@dataclass(frozen=True, slots=True)
class _Trade:
    """The figures of one record that the accounting uses."""

    channel: str
    symbol: str
    business_date: str
    time: str
    received_ns: int
    volume: int
    cumulative: int
    value: int
    own_value: int
    sell_trades: int
    buy_trades: int
    sell_volume: int
    buy_volume: int
    side: str

    @classmethod
    def parse(cls, channel: str, payload: str, wall_ns: int) -> _Trade:
        values = payload.split("^")
        dated = len(values) > _BUSINESS_DATE and values[_BUSINESS_DATE]
        volume = int(values[12])
        return cls(
            channel=channel,
            symbol=values[0],
            business_date=values[_BUSINESS_DATE] if dated else f"{kst_datetime(wall_ns):%Y%m%d}",
            time=values[1],
            received_ns=wall_ns,
            volume=volume,
            cumulative=int(values[13]),
            value=int(values[14]),
            # A midpoint order trades at half a tick, which below 2,000 KRW is half a won.
            own_value=int(Decimal(values[2]) * volume),
            sell_trades=int(values[15]),
            buy_trades=int(values[16]),
            sell_volume=int(values[19]),
            buy_volume=int(values[20]),
            side=values[21],
        )

    def open_account(self) -> Account:
        """Returns the account of a day that begins with this trade."""
        account = Account(
            self.business_date, self.time, self.received_ns, self.cumulative, self.value,
            self.sell_trades, self.buy_trades, self.sell_volume, self.buy_volume,
        )  # fmt: skip
        account.trades, account.captured = 1, self.volume
        account.before_slot = self.cumulative - self.volume
        return account

    def carry_on(self, account: Account) -> None:
        """Makes this trade the last one of an account."""
        account.trade_time, account.last_ns = self.time, self.received_ns
        account.volume, account.value = self.cumulative, self.value
        account.sell_trades, account.buy_trades = self.sell_trades, self.buy_trades
        account.sell_volume, account.buy_volume = self.sell_volume, self.buy_volume
        account.trades += 1
        account.captured += self.volume


class VolumeContinuity:
    """The accounts of all symbols of one intake.

    Args:
        phase_at: Returns the name of the market's phase at a receive time, for the holes.
    """

    def __init__(self, phase_at: Callable[[int], str]) -> None:
        self._phase_at = phase_at
        self._accounts: dict[tuple[str, str], Account] = {}
        self.unreadable = 0

    def observe(self, channel: str, payload: str, wall_ns: int) -> Finding | None:
        """Enters one trade.

        Args:
            channel: A channel of trades.
            payload: The record as sent, values joined by `^`.
            wall_ns: Its receive time.

        Returns:
            A hole or a reset that this trade reveals; None where it continues, opens or repeats.
        """
        values = payload.split("^", _SPLITS)
        try:
            account = self._accounts.get((channel, values[0]))
            if account is None or wall_ns - account.last_ns > _NIGHT_NS:
                return self._after_pause(_Trade.parse(channel, payload, wall_ns), account)
            volume, cumulative = int(values[12]), int(values[13])
            if cumulative != account.volume + volume:
                return self._compare(_Trade.parse(channel, payload, wall_ns), account)
            _continue(account, values, volume, cumulative, wall_ns)
        except (ValueError, IndexError, InvalidOperation):
            # The record is journaled as it came; compaction names what is wrong with it.
            self.unreadable += 1
        return None

    def accounts(self) -> Iterator[tuple[str, str, Account]]:
        """Yields channel, symbol and account."""
        for (channel, symbol), account in self._accounts.items():
            yield channel, symbol, account

    def account(self, channel: str, symbol: str) -> Account | None:
        """Returns the account of a symbol on a channel, if a trade of it was seen."""
        return self._accounts.get((channel, symbol))

    def state(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Returns everything as plain values, by channel and symbol."""
        state: dict[str, dict[str, dict[str, Any]]] = {}
        for channel, symbol, account in self.accounts():
            state.setdefault(channel, {})[symbol] = asdict(account)
        return state

    def restore(self, state: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        """Replaces all accounts by those of an earlier `state`.

        Raises:
            StorageError: The state was written by a version with other figures.
        """
        try:
            self._accounts = {
                (channel, symbol): Account(**figures)
                for channel, symbols in state.items()
                for symbol, figures in symbols.items()
            }
        except (TypeError, AttributeError) as error:
            raise StorageError(f"This is no state of the volume accounting: {error}.") from error

    def _after_pause(self, trade: _Trade, account: Account | None) -> Finding | None:
        if account is None or trade.business_date > account.business_date:
            self._accounts[trade.channel, trade.symbol] = trade.open_account()
            return None
        return self._compare(trade, account)

    def _compare(self, trade: _Trade, account: Account) -> Finding | None:
        if trade.business_date > account.business_date:
            return self._after_pause(trade, account)
        if trade.business_date < account.business_date:
            account.duplicates += 1
            return None
        if trade.cumulative <= account.volume and trade.volume:
            if trade.cumulative < account.volume and trade.time > account.trade_time:
                return _reset(trade, account)
            account.duplicates += 1
            return None
        shares = trade.cumulative - trade.volume - account.volume
        hole = self._hole(trade, account, shares) if shares > 0 else None
        if hole is not None:
            account.holes += 1
            account.hole_shares += shares
        elif shares < 0:
            account.contradictions += 1
        trade.carry_on(account)
        return hole

    def _hole(self, trade: _Trade, account: Account, shares: int) -> Hole:
        sold, bought = trade.side == _SELL, trade.side == _BUY
        sell_trades = trade.sell_trades - sold - account.sell_trades
        buy_trades = trade.buy_trades - bought - account.buy_trades
        return Hole(
            channel=trade.channel,
            symbol=trade.symbol,
            business_date=trade.business_date,
            from_cumulative=account.volume,
            to_cumulative=account.volume + shares,
            shares=shares,
            value=trade.value - trade.own_value - account.value,
            trades=sell_trades + buy_trades,
            sell_trades=sell_trades,
            buy_trades=buy_trades,
            sell_volume=trade.sell_volume - sold * trade.volume - account.sell_volume,
            buy_volume=trade.buy_volume - bought * trade.volume - account.buy_volume,
            last_good_ns=account.last_ns,
            first_seen_ns=trade.received_ns,
            phase=self._phase_at(trade.received_ns),
        )


def _reset(trade: _Trade, account: Account) -> Reset:
    reset = Reset(trade.channel, trade.symbol, account.volume, trade.cumulative, trade.received_ns)
    account.resets += 1
    account.volume_before_reset += account.volume
    account.before_slot += trade.cumulative - trade.volume
    trade.carry_on(account)
    return reset


def _continue(account: Account, values: list[str], volume: int, cumulative: int, wall_ns: int) -> None:
    """Enters a trade whose shares fit; what else it says is checked, and never makes a hole."""
    value, side = int(values[14]), values[21]
    sell_trades, buy_trades = int(values[15]), int(values[16])
    sell_volume, buy_volume = int(values[19]), int(values[20])
    sold, bought = side == _SELL, side == _BUY
    price = values[2]
    own_value = int(price) * volume if price.isdigit() else int(Decimal(price) * volume)
    if value != account.value + own_value or (
        (sold or bought)
        and (
            sell_trades != account.sell_trades + sold
            or buy_trades != account.buy_trades + bought
            or sell_volume != account.sell_volume + sold * volume
            or buy_volume != account.buy_volume + bought * volume
        )
    ):
        account.contradictions += 1
    account.trade_time, account.last_ns = values[1], wall_ns
    account.volume, account.value = cumulative, value
    account.sell_trades, account.buy_trades = sell_trades, buy_trades
    account.sell_volume, account.buy_volume = sell_volume, buy_volume
    account.trades += 1
    account.captured += volume
