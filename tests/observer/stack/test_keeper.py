"""A program under its keeper: told to end, deaf, ended, orphaned."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

# Leaves a child in a session of its own, writes both numbers, and goes on.
PARENT = """
import os, pathlib, signal, subprocess, sys, time
{deaf}
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
pathlib.Path("unfinished").write_text(f"{{os.getpid()}} {{child.pid}}")
os.rename("unfinished", "numbers")
{then}
"""
GOES_ON = "time.sleep(300)"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def start(folder: Path, script: str, *, seconds: float) -> tuple[subprocess.Popen[bytes], list[int]]:
    words = ("-m", "observer.stack.keeper", str(seconds), sys.executable, "-c", script)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    keeper = subprocess.Popen([sys.executable, *words], cwd=folder, env=environment)
    deadline = time.monotonic() + 60
    while not (folder / "numbers").exists():
        assert time.monotonic() < deadline, "it never started"
        time.sleep(0.05)
    return keeper, [int(number) for number in (folder / "numbers").read_text().split()]


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("deaf", "seconds", "status"),
    [("", 60, 128 + signal.SIGTERM), (DEAF, 0.5, 128 + signal.SIGKILL)],
    ids=["obeys", "deaf"],
)
def test_told_to_end_it_leaves_nothing(tmp_path: Path, deaf: str, seconds: float, status: int) -> None:
    """The program is handed the signal, killed if it does not obey, and its own children go with it."""
    keeper, numbers = start(tmp_path, PARENT.format(deaf=deaf, then=GOES_ON), seconds=seconds)
    keeper.terminate()
    assert keeper.wait(60) == status
    assert all(gone(number) for number in numbers)


def test_a_program_that_ends_leaves_nothing_and_tells_its_status(tmp_path: Path) -> None:
    """What it left running is ended."""
    keeper, numbers = start(tmp_path, PARENT.format(deaf="", then="sys.exit(7)"), seconds=60)
    assert keeper.wait(60) == 7
    assert all(gone(number) for number in numbers)


async def test_a_killed_keeper_takes_the_program_with_it(tmp_path: Path) -> None:
    """The kernel ends the program; nobody is left to ask."""
    keeper, [program, child] = start(tmp_path, PARENT.format(deaf=DEAF, then=GOES_ON), seconds=60)
    keeper.kill()
    keeper.wait(60)
    deadline = time.monotonic() + 60
    while not gone(program):
        assert time.monotonic() < deadline, "it outlived its keeper"
        await asyncio.sleep(0.05)
    os.kill(child, signal.SIGKILL)
