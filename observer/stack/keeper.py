"""Keeps one program (`python -m observer.stack.keeper SECONDS COMMAND…`) and ends all that is below it.

Invariant: once the keeper is told to end, or the program ends, nothing of the program is left after the
given seconds. Dagster's code server now and then hangs at SIGTERM, and its runs are processes of their
own: of a stack that was killed nobody else would be left to end them.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from observer.stack.deathbond import adopt_orphans, bond, end_descendants

_POLL_SECONDS = 0.1


def keep(program: Sequence[str], seconds: float) -> int:
    """Runs a program until it ends or SIGTERM arrives, which it is handed.

    Returns:
        Its exit status, 128 and the signal's number where a signal ended it.
    """
    told: list[float] = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(time.monotonic()))
    adopt_orphans()
    # It calls into libc only, which is loaded.
    process = subprocess.Popen(program, preexec_fn=bond(signal.SIGKILL))  # noqa: PLW1509
    handed_over = False
    while process.poll() is None and not (told and time.monotonic() > told[0] + seconds):
        if told and not handed_over:
            process.terminate()
            handed_over = True
        time.sleep(_POLL_SECONDS)
    if process.poll() is None:
        process.kill()
    status = process.wait()
    end_descendants()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(keep(sys.argv[2:], float(sys.argv[1])))
