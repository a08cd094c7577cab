"""Ties a child process to the life of the process that starts it.

Invariant: the kernel signals the child when its parent ends, even by SIGKILL, and the child does not ignore
it from birth; no child of the local stack outlives it. The bond is to the *thread* that starts the child
(prctl(2), PR_SET_PDEATHSIG), so children are started from the main thread only.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_KILL_SECONDS = 5.0
# What a caller may ignore (a script with `trap '' TERM`, a job in the background) or block, and hand on.
_ENDINGS = (signal.SIGTERM, signal.SIGINT)

# Loaded before any fork: the child must not import between fork and exec.
_libc = ctypes.CDLL(None, use_errno=True)


def bond(to_signal: signal.Signals) -> Callable[[], None]:
    """Returns a `preexec_fn` that has the kernel send a signal once the parent is gone.

    Args:
        to_signal: What the child is sent; it may clean up on it.
    """
    parent = os.getpid()

    def set_bond() -> None:
        for ending in _ENDINGS:
            signal.signal(ending, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)
        if _libc.prctl(_PR_SET_PDEATHSIG, int(to_signal), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        # The parent may have ended between fork and here; then nobody will ever send the signal.
        if os.getppid() != parent:
            os._exit(1)

    return set_bond


def adopt_orphans() -> None:
    """Makes this process the parent of every descendant whose own parent ends, so that none is lost."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def end_descendants() -> None:
    """Kills what is still below this process: a program's own child that left its group."""
    left = psutil.Process().children(recursive=True)
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, timeout=_KILL_SECONDS)
