"""Continuity of the cumulative volume, per channel and symbol.

Invariant: for every symbol and business date, `volume + volume_before_reset` equals
`before_slot + captured + hole_shares + unwatched_shares`, as long as no trade contradicted the rule
below (`contradictions`). The accounting reads values; it never drops or changes a record.

The relation (broker reference, 7.1, fields by index): of two trades without another one between,
ACML_VOL(13) grows by CNTG_VOL(12), ACML_TR_PBMN(14) by price(2) times volume, and the count and the
volume of the side CCLD_DVSN(21) by 1 and by the volume (15, 16, 19, 20). A trade of an auction has
no side; so only shares make a hole, and the other figures size it.

Whether the cumulative figures begin anew in the after-market is not known (8.1): where a session states
another code than before and the policy lets it, a lower figure is an expected restart, and what the
session had traded before is a hole; any other lower figure is an unexpected one, followed and told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from observer_core.accounting.account import Account, Finding, Hole, Reset
from observer_core.accounting.ledger import SPLITS, Ledger
from observer_core.accounting.policy import ContinuityPolicy
from observer_core.accounting.trade import Trade
from observer_core.clock.base import kst_datetime
from observer_core.errors import StorageError

_BUY, _SELL = "1", "5"


class VolumeContinuity:
    """The accounts of all symbols of one intake.

    Args:
        phase_at: Returns the name of the market's phase at a receive time, for the holes.
        policy: What is a fault, and what is normal.
    """

    def __init__(self, phase_at: Callable[[int], str], policy: ContinuityPolicy | None = None) -> None:
        self._phase_at = phase_at
        self._policy = policy or ContinuityPolicy()
        # None of them is ever taken out: whoever keeps one must not keep a dead one.
        self._ledgers: dict[tuple[str, str], Ledger] = {}
        self._channels: set[str] = set()
        self.unreadable = 0

    def observe(self, channel: str, payload: str, wall_ns: int) -> Finding | None:
        """Enters one trade.

        Args:
            channel: A channel of trades.
            payload: The record as sent, values joined by `^`; decoded from UTF-8 with `surrogateescape`.
            wall_ns: Its receive time.

        Returns:
            A hole or a reset that this trade reveals; None where it continues, opens or repeats.
        """
        ledger = self._ledgers.get((channel, payload.partition("^")[0]))
        if (
            ledger is not None
            and payload.isascii()
            and ledger.continues(payload.encode("ascii").split(b"^", SPLITS), wall_ns)
        ):
            return None
        try:
            trade = Trade.parse(channel, payload, wall_ns)
            account = None if ledger is None else ledger.account
            if ledger is None or account is None:
                self._open(trade)
                return None
            ledger.forget_texts()
            return self._compare(trade, account)
        except (ValueError, IndexError):
            # The record is journaled as it came; compaction names what is wrong with it.
            self.unreadable += 1
        return None

    def ledger(self, channel: str, symbol: str) -> Ledger | None:
        """Returns the ledger of a symbol on a channel, if a trade of it was seen.

        What its `continues` enters, `observe` must not get; what it does not enter, `observe` must.
        """
        return self._ledgers.get((channel, symbol))

    def accounts(self) -> Iterator[tuple[str, str, Account]]:
        """Yields channel, symbol and account."""
        for (channel, symbol), ledger in self._ledgers.items():
            if ledger.account is not None:
                yield channel, symbol, ledger.account

    def account(self, channel: str, symbol: str) -> Account | None:
        """Returns the account of a symbol on a channel, if a trade of it was seen."""
        ledger = self._ledgers.get((channel, symbol))
        return None if ledger is None else ledger.account

    def watch(self, symbol: str, *, watched: bool) -> None:
        """States that a symbol holds a slot from now on, or that it holds none."""
        for channel in self._channels:
            if (account := self.account(channel, symbol)) is not None:
                account.watched = watched

    def excuse(self, channel: str, symbol: str, shares: int) -> None:
        """Takes back a hole that was found: in its time nobody listened, so nothing is missing."""
        account = self.account(channel, symbol)
        if account is None:
            raise KeyError((channel, symbol))
        account.holes -= 1
        account.hole_shares -= shares
        account.unwatched_shares += shares

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
            accounts = {
                (channel, symbol): Account(**figures)
                for channel, symbols in state.items()
                for symbol, figures in symbols.items()
            }
        except (TypeError, AttributeError) as error:
            raise StorageError(f"This is no state of the volume accounting: {error}.") from error
        self._channels |= state.keys()
        for name in (*accounts, *self._ledgers):
            self._ledgers.setdefault(name, Ledger()).begin(accounts.get(name))

    def _open(self, trade: Trade) -> None:
        self._channels.add(trade.channel)
        self._ledgers.setdefault((trade.channel, trade.symbol), Ledger()).begin(trade.open_account())

    def _compare(self, trade: Trade, account: Account) -> Finding | None:
        if trade.business_date > account.business_date:
            self._open(trade)
            return None
        if trade.business_date < account.business_date:
            self._earlier(trade, account)
            return None
        if self._begins_anew(trade, account):
            return self._reset(trade, account)
        if trade.cumulative <= account.volume and trade.volume:
            if trade.cumulative < account.volume and trade.time > account.trade_time:
                return self._reset(trade, account)
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

    def _earlier(self, trade: Trade, account: Account) -> None:
        if account.business_date > f"{kst_datetime(trade.received_ns):%Y%m%d}":
            # An earlier version took a date for granted that has not come.
            self._open(trade)
        else:
            account.duplicates += 1

    def _hole(self, trade: Trade, account: Account, shares: int) -> Hole:
        sold, bought = trade.side == _SELL, trade.side == _BUY
        sell_trades = trade.sell_trades - sold - account.sell_trades
        buy_trades = trade.buy_trades - bought - account.buy_trades
        phase = self._phase_at(trade.received_ns)
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
            phase=phase,
            session=trade.session,
            from_time=account.trade_time,
            to_time=trade.time,
            severity=self._policy.severity(trade.channel, phase),
        )

    def _begins_anew(self, trade: Trade, account: Account) -> bool:
        """Returns whether a session has begun whose figures do not go on from those before."""
        if trade.session == account.session or trade.session not in self._policy.restarts:
            return False
        return trade.time > account.trade_time and (
            trade.cumulative <= account.volume
            or trade.value < account.value
            or trade.sell_trades < account.sell_trades
            or trade.buy_trades < account.buy_trades
        )

    def _reset(self, trade: Trade, account: Account) -> Reset:
        unstated = not trade.session
        expected = unstated or (trade.session in self._policy.restarts and trade.session != account.session)
        left_behind, shares = account.volume, trade.cumulative - trade.volume
        account.resets += 1
        account.volume_before_reset += account.volume
        hole = None
        if expected and not unstated and shares > 0:
            # The session began at zero while the symbol was watched: what came before is missing.
            account.volume = account.value = 0
            account.sell_trades = account.buy_trades = account.sell_volume = account.buy_volume = 0
            hole = self._hole(trade, account, shares)
            account.holes += 1
            account.hole_shares += shares
        else:
            account.before_slot += shares
        trade.carry_on(account)
        return Reset(
            trade.channel,
            trade.symbol,
            left_behind,
            trade.cumulative,
            trade.received_ns,
            trade.session,
            expected,
            hole,
        )
