"""One HTTP exchange with the broker (broker reference, sections 3.1, 3.2 and 2.6).

Invariant: the body is judged before the HTTP status, because errors arrive as 200, 403 or 500 alike;
every failure is a `NetworkError` or a `BrokerError`, and neither holds a header or a request body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from observer_core.brokers.kis.rest_errors import HTTP_STATUS, NO_OUTPUT, broker_error
from observer_core.errors import BrokerRetryableError, NetworkError

TIMEOUT = httpx.Timeout(10.0, connect=5.0)


class NotConnectedError(NetworkError):
    """No connection came about: the request certainly did not reach the broker."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer.

    Attributes:
        body: The JSON object.
        more_pages: Whether the broker announces another page.
    """

    body: dict[str, Any]
    more_pages: bool


def http_client(base_url: str) -> httpx.AsyncClient:
    """Returns an HTTP client for the broker's address; time-outs are real time."""
    return httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT)


async def exchange(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    params: Mapping[str, str] | None = None,
    body: Mapping[str, str] | None = None,
) -> Answer:
    """Sends one request and returns the broker's answer.

    Raises:
        NotConnectedError: No connection came about.
        NetworkError: A connection came about, but no answer.
        BrokerError: The broker answered with an error, or with something that is no answer.
    """
    content = None if body is None else json.dumps(body).encode()
    try:
        response = await client.request(method, path, headers=dict(headers), params=params, content=content)
    except httpx.HTTPError as error:
        raise _network_error(client, path, error) from error
    return _answer(path, response)


def _network_error(client: httpx.AsyncClient, path: str, error: httpx.HTTPError) -> NetworkError:
    early = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
    kind = NotConnectedError if early else NetworkError
    address = client.base_url.copy_with(path=path, userinfo=b"")
    return kind(
        f"{address} gave no answer: {type(error).__name__} {error}".rstrip(),
        remedy="Check KIS_REST_URL, the network and the egress rules, or wait for the end of a maintenance.",
    )


def _answer(path: str, response: httpx.Response) -> Answer:
    status = response.status_code
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        # Without a JSON object only the status tells; a page of text that says 200 is a maintenance.
        if status < 400:
            raise incomplete(path, "JSON object")
        raise broker_error(f"{HTTP_STATUS}{status}", f"{path} answered no JSON object", status=status)
    if "error_code" in body:
        raise broker_error(str(body["error_code"]), str(body.get("error_description", "")), status=status)
    if body.get("rt_cd", "0") != "0":
        raise broker_error(str(body.get("msg_cd", "")), str(body.get("msg1", "")), status=status)
    if status >= 400:
        code = str(body.get("msg_cd") or f"{HTTP_STATUS}{status}")
        raise broker_error(code, f"{path} failed", status=status)
    more = response.headers.get("tr_cont", "").strip() in ("F", "M") or body.get("msg_cd") == "KIOK0500"
    return Answer(body, more)


def incomplete(path: str, field: str) -> BrokerRetryableError:
    """Returns the error for a successful answer that lacks what it is asked for."""
    return BrokerRetryableError(
        NO_OUTPUT,
        f"{path} answered without a usable {field}",
        remedy="It is retried; see the broker's notices.",
    )
