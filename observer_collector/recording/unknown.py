"""What the broker sends that no table lists.

Invariant: it is journaled like everything else; here it is counted, and the first of its kind in a process is
told in the log and in the journal, so that a protocol change is noticed on its first day and floods nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeVar

from observer_core.brokers.kis.catalogue import CHANNELS
from observer_core.brokers.kis.codes import LISTED_CODES
from observer_core.brokers.kis.rest_errors import is_listed
from observer_core.errors import BrokerError
from observer_core.logs import logger, redact

_log = logger(__name__)

# Channel and number of values of every record that is known to exist.
KNOWN = frozenset((name, width.values) for name, channel in CHANNELS.items() for width in channel.widths)
# Who invents a code for each message must not fill the memory.
_MOST = 100
_REST = "others"
# Characters of an odd value that are told.
_SHOWN = 32

Told = Mapping[str, Any]
_Name = TypeVar("_Name")


class Unknown:
    """Unknown channels, unknown widths and unknown codes.

    Attributes:
        channels: Frames by channel that the catalogue does not have.
        widths: Frames by channel and number of values, where the channel is known and the number is not.
        codes: Replies and refused requests by code that no table lists.
        rows: Rows of REST answers by request and field, where the field has not its documented form.
    """

    def __init__(self) -> None:
        self.channels: Counter[str] = Counter()
        self.widths: Counter[tuple[str, int]] = Counter()
        self.codes: Counter[str] = Counter()
        self.rows: Counter[tuple[str, str]] = Counter()

    def frame(self, channel: str, width: int) -> Told | None:
        """Counts a frame whose channel and width are not in `KNOWN`; returns what to tell the first time."""
        details = {"channel": channel, "values": width}
        if channel in CHANNELS:
            if not _first(self.widths, (channel, width), (_REST, 0)):
                return None
            _log.warning(
                "Records have an unknown number of values; they are journaled as they come.", **details
            )
            return {"what": "width", **details}
        if not _first(self.channels, channel, _REST):
            return None
        _log.warning("An unknown channel is journaled as it comes.", **details)
        return {"what": "channel", **details}

    def code(self, code: str, message: str) -> Told | None:
        """Counts the code of a reply if no table lists it; returns what to tell the first time."""
        if code in LISTED_CODES or not _first(self.codes, code, _REST):
            return None
        _log.warning(
            "The broker answers with an unknown code; it counts as passing.", code=code, message=message
        )
        return {"what": "code", "code": code, "message": message}

    def refusal(self, request: str, error: BrokerError) -> Told | None:
        """Counts the code of a refused request if no table lists it; returns what to tell the first time."""
        listed = is_listed(error.code) or error.code in LISTED_CODES
        if listed or not _first(self.codes, error.code, _REST):
            return None
        details = {"code": error.code, "message": redact(error.text), "request": request}
        _log.warning("The broker refuses a request with an unknown code.", status=error.status, **details)
        return {"what": "code", **details}

    def row(self, request: str, field: str, value: object) -> Told | None:
        """Counts a row that cannot be read for one of its fields; returns what to tell the first time."""
        if not _first(self.rows, (request, field), (_REST, "")):
            return None
        shown = ascii(value[:_SHOWN]) if isinstance(value, str) else type(value).__name__
        details = {"request": request, "field": field, "value": redact(shown)}
        _log.warning("A row of an answer cannot be read; it is passed over.", **details)
        return {"what": "row", **details}


def _first(counter: Counter[_Name], name: _Name, rest: _Name) -> bool:
    """Counts one; returns whether it is the first of its name. Beyond the first names all are one."""
    if name not in counter and len(counter) >= _MOST:
        counter[rest] += 1
        return False
    counter[name] += 1
    return counter[name] == 1
