"""How the symbols of a sweep are divided among its requests (broker reference, 4.9).

Invariant: a request asks for thirty symbols at most. A batch that is refused for a symbol in it is halved
until that symbol is alone, within a bound on what one sweep spends on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from observer_collector.recording.sweep import Sweep
from observer_core.brokers.kis.rest import MULTI_PRICE_LIMIT
from observer_core.errors import BrokerRequestError

# Requests that a sweep spends on halving refused batches: a bad symbol among thirty costs ten.
_MOST_HALVED = 40
# The gateway's refusals are about the request or the key, and no smaller batch would be accepted.
_OF_THE_GATEWAY = "EGW"


def batches_of(codes: Sequence[str]) -> list[Sequence[str]]:
    """Returns the symbols as batches, one for each request."""
    return [codes[at : at + MULTI_PRICE_LIMIT] for at in range(0, len(codes), MULTI_PRICE_LIMIT)]


def halves(sweep: Sweep, batch: Sequence[str], error: BrokerRequestError) -> list[Sequence[str]]:
    """Returns what to ask for in place of a refused batch; nothing for one symbol, or past the bound."""
    if len(batch) == 1:
        sweep.unaccepted.append(batch[0])
        return []
    if error.code.startswith(_OF_THE_GATEWAY) or sweep.halved + 2 > _MOST_HALVED:
        return []
    sweep.halved += 2
    sweep.retried += 2
    sweep.batches += 1
    middle = len(batch) // 2
    return [batch[:middle], batch[middle:]]
