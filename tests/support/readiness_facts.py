"""What readiness and alerts are judged by, of a writer that records in the session."""

from typing import Any

from observer_collector.http.readiness import Facts, Sweeps
from observer_collector.moments import Moment
from observer_collector.session.watch import Delivery
from observer_core.journal import JournalState
from observer_core.market.calendar import Phase

START = Moment(0, 0)


def recording_facts(last: Moment, **changes: Any) -> Facts:
    """Returns the facts of a writer to which everything came at a moment, apart from some changes."""
    values = {
        "standby": False,
        "stopping": False,
        "recovering": False,
        "journal": (JournalState.WRITABLE, JournalState.WRITABLE),
        "phase": Phase.CONTINUOUS,
        "data_due": True,
        "universe_missing": None,
        "refusal": None,
        "problem": None,
        "confirmed": 40,
        "wanted": 41,
        "short_since": None,
        "delivery": Delivery(expected=36, due=36, recent=34, last=last),
        "sweeps": Sweeps(START, last, 20, None),
        "last_data": last,
        "ready_since": START,
    }
    return Facts(**(values | changes))
