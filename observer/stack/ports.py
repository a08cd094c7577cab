"""TCP ports of the local stack.

Invariant: a port that somebody asked for is taken as it is or refused by name; a default that is
taken gives way to the next free one.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import ExitStack

from observer_core.errors import ConfigurationError

LOOPBACK = "127.0.0.1"
_TRIES = 100
_LAST_PORT = 65_535


def is_free(port: int) -> bool:
    """Returns whether a server could listen on the port of all interfaces now."""
    with socket.socket() as probe:
        # As servers do: the leftovers of closed connections do not occupy a port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def ephemeral(count: int = 1) -> list[int]:
    """Returns different free ports of the system's choice."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]


def choose(default: int, *, requested: int | None, variable: str, taken: Iterable[int] = ()) -> int:
    """Returns the port to listen on.

    Args:
        default: The first choice where nothing was asked for.
        requested: What the operator asked for.
        variable: The setting that asks, for the message.
        taken: Ports that are promised to other processes of the stack.

    Raises:
        ConfigurationError: The requested port is none or taken, or every port after the default is.
    """
    promised = set(taken)
    if requested is not None and not 1 <= requested <= _LAST_PORT:
        raise ConfigurationError(
            f"{variable} is {requested}, which is no port.", remedy=f"Set {variable} to 1 to {_LAST_PORT}."
        )
    if requested is not None:
        if requested in promised or not is_free(requested):
            raise ConfigurationError(
                f"Port {requested} ({variable}) is taken by another process.",
                remedy=f"End that process, or set {variable} to a free port, or to nothing for the next one.",
            )
        return requested
    for port in range(default, default + _TRIES):
        if port not in promised and is_free(port):
            return port
    raise ConfigurationError(
        f"No free port from {default} to {default + _TRIES - 1} for {variable}.",
        remedy=f"Set {variable} to a free port.",
    )
