"""Which registrations an app key's connection holds (broker reference, 6.7).

Invariant: a plan never has more pairs than the broker allows, holds every channel of a symbol or
none, and is the same for the same universe: pinned symbols first, then by traded value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from observer_core.reference.universe import Universe


class Pair(NamedTuple):
    """One registration: the broker counts pairs of channel and symbol."""

    channel: str
    symbol: str


def choose_pairs(
    universe: Universe, *, pinned: Sequence[str], channels: Sequence[str], registrations: int
) -> tuple[Pair, ...]:
    """Returns the pairs to register, most wanted first.

    Args:
        universe: The day's universe; its previous volume times base price ranks the symbols.
        pinned: Symbols that always hold a slot, in or out of the universe.
        channels: Channels of each watched symbol.
        registrations: Largest number of pairs.
    """
    ranked = sorted(
        universe.symbols, key=lambda symbol: (-symbol.previous_volume * symbol.base_price, symbol.code)
    )
    symbols = list(dict.fromkeys([*pinned, *(symbol.code for symbol in ranked)]))
    watched = symbols[: registrations // len(channels)]
    return tuple(Pair(channel, symbol) for symbol in watched for channel in channels)
