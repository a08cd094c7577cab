"""One HTTP exchange with Kiwoom (Kiwoom reference, sections 1 and 3).

Invariant: every failure is a `NetworkError` or a `BrokerError`, and neither holds a header or a request
body; redirects are not followed, for they would carry the keys elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from observer_core.brokers.kiwoom.answers import Answer, answer_of
from observer_core.errors import NetworkError
from observer_core.settings import KiwoomSettings
from observer_core.settings.brokers import KiwoomEnvironment

_ADDRESSES = {
    KiwoomEnvironment.REAL: "https://api.kiwoom.com",
    KiwoomEnvironment.MOCK: "https://mockapi.kiwoom.com",
}
_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
# Its firewall blocks the default names of HTTP libraries with a page of HTML (3.1).
_AGENT = "Mozilla/5.0 (compatible; Observer)"


def rest_url(settings: KiwoomSettings) -> str:
    """Returns the REST address without a slash at its end."""
    return (settings.rest_url or _ADDRESSES[settings.environment]).rstrip("/")


def http_client(settings: KiwoomSettings) -> httpx.AsyncClient:
    """Returns an HTTP client for the broker's address; time-outs are real time."""
    return httpx.AsyncClient(base_url=rest_url(settings), timeout=_TIMEOUT)


async def exchange(
    client: httpx.AsyncClient, path: str, *, headers: Mapping[str, str], body: Mapping[str, str]
) -> Answer:
    """Sends one request, a POST as all of them are, and returns the broker's answer.

    Raises:
        NetworkError: No answer.
        BrokerError: The broker answered with an error, or with something that is no answer.
    """
    own = {"content-type": "application/json;charset=UTF-8", "user-agent": _AGENT}
    try:
        response = await client.post(path, headers={**own, **headers}, json=dict(body))
    except httpx.HTTPError as error:
        raise NetworkError(
            f"{client.base_url.copy_with(path=path)} gave no answer: {type(error).__name__} {error}".rstrip(),
            remedy="Check KIWOOM_REST_URL, the network and the egress rules.",
        ) from error
    return answer_of(path, response.status_code, response.headers, response.content)
