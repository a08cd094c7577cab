"""The ledger of one symbol on one channel: its account, and the short way for the trade that follows on.

Invariant: the short way enters a trade whose shares follow on from the last one, in full, or enters nothing
and says so; what it enters is what the rule says (see `continuity`). A ledger stays the same object as long
as its accounting lives, so that who takes trades of one symbol may keep it.

This is the hot path: nearly every trade goes this way. Numbers are the costly part of it (0.1 µs each), so a
figure that has to stay as it was is compared as text first, and one that grew from a figure as it should is
only held against the largest.
"""

from __future__ import annotations

from collections.abc import Sequence

from observer_core.accounting.account import Account
from observer_core.accounting.trade import LARGEST_FIGURE, LONGEST_TEXT, require_figures, value_of
from observer_core.clock.base import NANOSECONDS

# No session follows the one before within this time, so a pause this long may hide a new date.
NIGHT_NS = 4 * 3600 * NANOSECONDS
# The last value that the short way reads is number 21; what follows stays one piece.
SPLITS = 22
_BUY, _SELL = b"1", b"5"
# Equal to no text.
_NO_TEXTS = (None,) * SPLITS


class Ledger:
    """The account of one symbol on one channel; None before its first trade."""

    __slots__ = ("_last", "account")

    def __init__(self) -> None:
        self.account: Account | None = None
        # The values of the trade that the account's figures come from, where the short way entered it.
        self._last: Sequence[bytes | None] = _NO_TEXTS

    def begin(self, account: Account | None) -> None:
        """Puts another account in the place of this one."""
        self.account, self._last = account, _NO_TEXTS

    def forget_texts(self) -> None:
        """States that somebody else changes the account's figures."""
        self._last = _NO_TEXTS

    def continues(self, values: list[bytes], wall_ns: int) -> bool:
        """Enters a trade whose shares fit; what else it says is checked, and never makes a hole.

        Args:
            values: The record as sent, in ASCII, split at most `SPLITS` times.
            wall_ns: Its receive time.

        Returns:
            False, with nothing entered, where the trade opens, breaks or repeats, or cannot be read.
        """
        account, last = self.account, self._last
        if account is None or wall_ns - account.last_ns > NIGHT_NS:
            return False
        try:
            volume, cumulative = int(values[12]), int(values[13])
            if cumulative != account.volume + volume or volume < 0 or cumulative > LARGEST_FIGURE:
                return False
            time, price, side = values[1].decode(), values[2], values[21]
            value = int(values[14])
            if not 0 <= value <= LARGEST_FIGURE or not 0 < len(time) <= LONGEST_TEXT:
                return False
            own_value = int(price) * volume if price.isdigit() else value_of(price.decode(), volume)
            # The figures of the side that traded grow, those of the other one stay.
            if side == _SELL and values[16] == last[16] and values[20] == last[20]:
                trades, shares = int(values[15]), int(values[19])
                fits = trades == account.sell_trades + 1 and shares == account.sell_volume + volume
                if not fits or shares > LARGEST_FIGURE:
                    require_figures(trades, shares)
                account.sell_trades, account.sell_volume = trades, shares
            elif side == _BUY and values[15] == last[15] and values[19] == last[19]:
                trades, shares = int(values[16]), int(values[20])
                fits = trades == account.buy_trades + 1 and shares == account.buy_volume + volume
                if not fits or shares > LARGEST_FIGURE:
                    require_figures(trades, shares)
                account.buy_trades, account.buy_volume = trades, shares
            else:
                fits = _enter_sides(account, values, volume)
        except (ValueError, IndexError):
            return False
        if not fits or value != account.value + own_value:
            account.contradictions += 1
        account.trade_time, account.last_ns = time, wall_ns
        account.volume, account.value = cumulative, value
        account.trades += 1
        account.captured += volume
        self._last = values
        return True


def _enter_sides(account: Account, values: list[bytes], volume: int) -> bool:
    """Enters the figures of both sides; returns whether they fit. An auction has no side, and always fits.

    Raises ValueError, with nothing entered, where one of them is no figure.
    """
    sell_trades, buy_trades = int(values[15]), int(values[16])
    sell_volume, buy_volume = int(values[19]), int(values[20])
    require_figures(sell_trades, buy_trades)
    require_figures(sell_volume, buy_volume)
    sold, bought = values[21] == _SELL, values[21] == _BUY
    fits = not (sold or bought) or (
        sell_trades == account.sell_trades + sold
        and buy_trades == account.buy_trades + bought
        and sell_volume == account.sell_volume + sold * volume
        and buy_volume == account.buy_volume + bought * volume
    )
    account.sell_trades, account.buy_trades = sell_trades, buy_trades
    account.sell_volume, account.buy_volume = sell_volume, buy_volume
    return fits
