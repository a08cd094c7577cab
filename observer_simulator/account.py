"""The exact account of what the simulator sent: the oracle of every conservation check.

Invariant: a record counts once, at the moment its frame was handed to the socket; a row of a
multi-price answer, of a list of executions and of minute bars counts once its answer was sent. The
account is continued over restarts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from typing import Any

# The tr_id of the multi-price request: its rows are counted like records of a channel.
MULTI_PRICE = "FHKST11300006"
# Those of the requests by which a collector fills its holes: it journals their rows, too.
EXECUTIONS, MINUTE_BARS = "FHPST01060000", "FHKST03010200"
ROWS_OF_REQUESTS = (MULTI_PRICE, EXECUTIONS, MINUTE_BARS)

_Counts = defaultdict[str, Counter[str]]


class ConnectionAccount:
    """What one websocket connection was sent.

    Args:
        number: Number of the connection, from 1, never reused.
        opened: When it opened.
    """

    def __init__(self, number: int, opened: str) -> None:
        self.number = number
        self.opened = opened
        self.closed: str | None = None
        self.channels: _Counts = defaultdict(Counter)

    def sent(self, channel: str, key: str, records: int) -> None:
        """Counts the records of a frame that was handed to the socket."""
        self.channels[channel][key] += records

    @property
    def records(self) -> int:
        return sum(counts.total() for counts in self.channels.values())

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.number,
            "opened": self.opened,
            "closed": self.closed,
            "records": self.records,
            "channels": _plain(self.channels),
        }


class Account:
    """The account over all connections and requests."""

    def __init__(self) -> None:
        self.connections: list[ConnectionAccount] = []
        self.rows: _Counts = defaultdict(Counter)
        self.requests: dict[str, Counter[str]] = defaultdict(Counter)

    def open_connection(self, moment: datetime) -> ConnectionAccount:
        """Begins the account of a new connection."""
        connection = ConnectionAccount(len(self.connections) + 1, moment.isoformat())
        self.connections.append(connection)
        return connection

    def close_connection(self, connection: ConnectionAccount, moment: datetime) -> None:
        """Ends the account of a connection."""
        connection.closed = moment.isoformat()

    def sent_rows(self, codes: list[str], tr_id: str = MULTI_PRICE) -> None:
        """Counts the rows of an answer that was sent, by the symbol of each."""
        self.rows[tr_id].update(codes)

    def answered(self, path: str, outcome: str) -> None:
        """Counts a request by its path and by the code, or else the status, of its answer."""
        self.requests[path][outcome] += 1

    @property
    def channels(self) -> dict[str, dict[str, int]]:
        """Records by channel and symbol, the rows of multi-price answers among them."""
        sums: _Counts = defaultdict(Counter)
        for connection in self.connections:
            for channel, counts in connection.channels.items():
                sums[channel].update(counts)
        for tr_id, counts in self.rows.items():
            sums[tr_id].update(counts)
        return _plain(sums)

    @property
    def records_sent(self) -> int:
        """All records and rows."""
        return sum(connection.records for connection in self.connections) + sum(
            counts.total() for counts in self.rows.values()
        )

    def as_dict(self) -> dict[str, Any]:
        """Returns the account as `/admin/account` shows it and the state file keeps it."""
        return {
            "records_sent": self.records_sent,
            "channels": self.channels,
            "connections": [connection.as_dict() for connection in self.connections],
            "requests": _plain(self.requests),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Continues from `as_dict`; connections that were open then are closed now."""
        for tr_id in ROWS_OF_REQUESTS:
            if tr_id in saved["channels"]:
                self.rows[tr_id] = Counter(saved["channels"][tr_id])
        for path, outcomes in saved["requests"].items():
            self.requests[path] = Counter(outcomes)
        for known in saved["connections"]:
            connection = ConnectionAccount(known["id"], known["opened"])
            connection.closed = known["closed"] or "at a restart of the simulator"
            for channel, counts in known["channels"].items():
                connection.channels[channel] = Counter(counts)
            self.connections.append(connection)


def _plain(counts: dict[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {name: dict(sorted(counts[name].items())) for name in sorted(counts)}
