"""What the token cache remembers of the broker.

Invariant: the broker is not asked: a verification every minute must not use up the one token request a
minute that the broker allows (broker reference, 2.3). No token is read further than to its end.
"""

from __future__ import annotations

from pathlib import Path

from observer_contracts.evidence.runtime.observations import BrokerState
from observer_contracts.evidence.seeing import Unseen
from observer_core.brokers.kis.endpoints import fingerprint_of
from observer_core.brokers.token_cache import TokenCache
from observer_core.clock import Clock
from observer_core.settings import KisSettings

_ACCESS_TOKEN = "access_token"


def broker_state(settings: KisSettings, cache: Path, clock: Clock) -> BrokerState | Unseen:
    """Returns the last refusal of the broker, and how long the token is valid."""
    if not settings.app_key.get_secret_value():
        return Unseen("KIS_APP_KEY is not set (SEC-002)")
    entry = TokenCache(cache, fingerprint_of(settings)).read(_ACCESS_TOKEN)
    if entry.failure is None and entry.value is None:
        return Unseen("the broker has not been asked for a token with this key yet")
    valid = entry.value is not None and entry.expires_at is not None and clock.now() < entry.expires_at
    refusal = entry.failure.code if entry.failure else ""
    text = entry.failure.message if entry.failure else ""
    return BrokerState(refusal, text, entry.expires_at if entry.value else None, valid)
