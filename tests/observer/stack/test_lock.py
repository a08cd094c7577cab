"""One stack per folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from observer.stack.lock import StackLock
from observer_core.errors import ProcessError


def test_a_second_stack_is_told_who_runs(tmp_path: Path) -> None:
    """The message quotes what the holder has said about itself."""
    with StackLock(tmp_path / "lock") as lock:
        lock.describe("process 17, http://127.0.0.1:3000")
        with pytest.raises(ProcessError, match=r"process 17, http://127\.0\.0\.1:3000"):
            StackLock(tmp_path / "lock").__enter__()


def test_the_lock_is_free_after_its_holder(tmp_path: Path) -> None:
    """Also when the holder was killed and could not tidy up."""
    script = (
        "import os, sys; from pathlib import Path; from observer.stack.lock import StackLock\n"
        "StackLock(Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path / "lock"], check=False)
    assert killed.returncode == -9
    with StackLock(tmp_path / "lock"):
        pass
