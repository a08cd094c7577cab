"""Reaching what the collector needs.

Invariant: every question ends after a few seconds, also name resolution, which has no time-out of its
own; nothing is sent but the request for one of the collector's own HTTP paths.
"""

from __future__ import annotations

import http.client
import socket
import threading
from typing import Any

from observer_contracts.evidence.runtime.observations import Contact, Reach
from observer_contracts.evidence.seeing import HttpAnswer, Unseen, json_fields

_CONNECT_SECONDS = 3.0
_RESOLVE_SECONDS = 5.0
_MOST_ADDRESSES = 3
_LARGEST_ANSWER = 256 * 1024
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})

_Address = tuple[Any, ...]


def reach(purpose: str, host: str, port: int) -> Contact:
    """Connects to a port and hangs up."""
    addresses = _resolve(host, port)
    if isinstance(addresses, Reach):
        return Contact(purpose, host, port, addresses)
    outcome = Reach.UNANSWERED
    for family, address in addresses[:_MOST_ADDRESSES]:
        outcome = _connect(family, address)
        if outcome is Reach.REACHED:
            break
    return Contact(purpose, host, port, outcome)


def _resolve(host: str, port: int) -> list[tuple[int, _Address]] | Reach:
    outcome: list[list[tuple[int, _Address]] | Reach] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            outcome.append(Reach.NO_SUCH_NAME if error.errno in _NO_SUCH_NAME else Reach.NAME_UNANSWERED)
        except (OSError, UnicodeError):
            outcome.append(Reach.NO_SUCH_NAME)
        else:
            outcome.append([(family, address) for family, _, _, _, address in found])

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_RESOLVE_SECONDS)
    return outcome[0] if outcome else Reach.NAME_UNANSWERED


def _connect(family: int, address: _Address) -> Reach:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(_CONNECT_SECONDS)
            connection.connect(address)
    except ConnectionRefusedError:
        return Reach.REFUSED
    except OSError:
        return Reach.UNANSWERED
    return Reach.REACHED


def ask(port: int, path: str) -> HttpAnswer | Unseen:
    """Asks the collector of this pod."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_CONNECT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(_LARGEST_ANSWER)
    except ConnectionRefusedError:
        return Unseen(f"nothing listens on port {port} of this pod: the collector has not started")
    except (OSError, http.client.HTTPException) as error:
        return Unseen(f"port {port} of this pod gives no answer ({type(error).__name__})")
    finally:
        connection.close()
    return HttpAnswer(answer.status, json_fields(body))
