"""What the session asks its shell to do.

Invariant: a command is complete in itself; the shell performs it and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from observer_collector.slots.registrations import Pair
from observer_core.journal import ControlKind


class EndCause(StrEnum):
    """Why a connection ended, as far as the next attempt is concerned.

    Members:
        LOST: The other side, or the network, ended it.
        SILENT: No message of any kind came.
        STARVED: Messages came, but no data where data were due.
        IN_USE: The broker has another session of this app key.
        CREDENTIAL: The broker refused the approval key.
        STOPPED: This process ends.
    """

    LOST = "lost"
    SILENT = "silent"
    STARVED = "starved"
    IN_USE = "in_use"
    CREDENTIAL = "credential"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Outage:
    """A pair that was covered and no longer is: since when, and why."""

    since_ns: int
    cause: str


@dataclass(frozen=True, slots=True)
class Register:
    """Send the registration of a pair."""

    pair: Pair


@dataclass(frozen=True, slots=True)
class Release:
    """Send the release of a pair."""

    pair: Pair


@dataclass(frozen=True, slots=True)
class Echo:
    """Send a text back as it came."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Note:
    """Write a control record."""

    kind: ControlKind
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class End:
    """Close the connection."""

    cause: EndCause


@dataclass(frozen=True, slots=True)
class News:
    """Something that an operator wants to know; it goes into the log.

    Attributes:
        text: What happened.
        details: Codes and numbers.
        warning: Whether somebody may have to act.
    """

    text: str
    details: Mapping[str, Any]
    warning: bool = False


Command = Register | Release | Echo | Note | End
