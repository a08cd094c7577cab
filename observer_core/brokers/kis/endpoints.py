"""The broker's addresses and rates, and the name of an app key (broker reference, sections 1 and 3.3).

Invariant: an address set by the operator wins over the environment's own.
"""

from __future__ import annotations

from observer_core.brokers.token_cache import digest
from observer_core.settings import KisSettings
from observer_core.settings.brokers import KisEnvironment

_REST = {
    KisEnvironment.REAL: "https://openapi.koreainvestment.com:9443",
    KisEnvironment.PAPER: "https://openapivts.koreainvestment.com:29443",
}
# The broker offers no encryption on these ports.
_WEBSOCKET = {
    KisEnvironment.REAL: "ws://ops.koreainvestment.com:21000",
    KisEnvironment.PAPER: "ws://ops.koreainvestment.com:31000",
}
_REQUESTS_PER_SECOND = {KisEnvironment.REAL: 18.0, KisEnvironment.PAPER: 1.0}


def rest_url(settings: KisSettings) -> str:
    """Returns the REST address without a slash at its end."""
    return (settings.rest_url or _REST[settings.environment]).rstrip("/")


def websocket_url(settings: KisSettings) -> str:
    """Returns the websocket address; any path is accepted, the broker's samples use `/tryitout`."""
    return settings.websocket_url or f"{_WEBSOCKET[settings.environment]}/tryitout"


def requests_per_second(settings: KisSettings) -> float:
    """Returns how many REST requests a second all processes of an app key send together."""
    return settings.requests_per_second or settings.rate_share * _REQUESTS_PER_SECOND[settings.environment]


def fingerprint_of(settings: KisSettings) -> str:
    """Returns the name of an app key and its environment, in the cache and in the writer's lock."""
    parts = (settings.environment.value, rest_url(settings), settings.app_key.get_secret_value())
    return digest("\n".join(parts))
