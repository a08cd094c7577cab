"""Waits for the disk become gaps."""

from observer_collector.recording.pauses import DiskPauses
from observer_core.journal import JournalState


def test_a_wait_for_the_disk_is_one_gap():
    """From its begin to its end, with the worst thing the disk said; nothing before and after."""
    pauses = DiskPauses()
    states = [
        (False, JournalState.WRITABLE, None),
        (True, JournalState.SLOW, None),
        (True, JournalState.DISK_FULL, None),
        (True, JournalState.WRITABLE, None),
        (False, JournalState.WRITABLE, "disk: disk_full"),
        (False, JournalState.WRITABLE, None),
    ]
    for now_ns, (waiting, state, cause) in enumerate(states):
        gap = pauses.look(waiting=waiting, state=state, now_ns=now_ns, phase="continuous")
        assert (gap or {}).get("cause") == cause
        if gap:
            assert (gap["last_good_ns"], gap["first_seen_ns"], gap["phase"]) == (1, 4, "continuous")
    assert pauses.count == 1
