"""The child processes of a stack: ready, stopped, killed, orphaned."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from observer.stack.processes import Child, Program
from observer_core.errors import ProcessError


def program(tmp_path: Path, script: str, *, ready_file: str = "", stop_seconds: float = 5.0) -> Program:
    async def ready() -> bool:
        return not ready_file or (tmp_path / ready_file).exists()

    return Program(
        name="child",
        command=(sys.executable, "-c", script),
        environment={"PATH": os.defpath, "GIVEN": "yes"},
        folder=tmp_path,
        log=tmp_path / "child.log",
        ready=ready,
        start_seconds=20,
        stop_seconds=stop_seconds,
    )


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.02)


async def test_a_child_gets_its_environment_and_no_other(tmp_path: Path, monkeypatch) -> None:
    """What the caller has does not leak."""
    monkeypatch.setenv("KIS_APP_SECRET", "not for you")
    child = Child(program(tmp_path, "import os; print(sorted(os.environ), flush=True)"))
    child.start()
    await until(lambda: not child.is_running)
    assert "'GIVEN'" in (tmp_path / "child.log").read_text()
    assert "KIS_APP_SECRET" not in (tmp_path / "child.log").read_text()


async def test_ready_is_what_the_probe_says(tmp_path: Path) -> None:
    """A process that runs is not yet one that works."""
    script = "import time, pathlib; time.sleep(0.3); pathlib.Path('ready').touch(); time.sleep(60)"
    child = Child(program(tmp_path, script, ready_file="ready"))
    child.start()
    await child.wait_until_ready()
    assert (tmp_path / "ready").exists()
    assert await child.stop() == ""


async def test_a_child_can_be_stopped_whatever_the_caller_ignores(tmp_path: Path) -> None:
    """A script that ignores SIGTERM and starts the stack hands that on to all that it starts."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        child = Child(program(tmp_path, "import time; time.sleep(60)"))
        child.start()
        assert await child.stop() == ""
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        signal.signal(signal.SIGTERM, before)


async def test_an_early_end_names_the_log_and_quotes_it(tmp_path: Path) -> None:
    """The operator sees the cause without opening a file."""
    child = Child(program(tmp_path, "raise SystemExit('the disk is full')", ready_file="never"))
    child.start()
    with pytest.raises(ProcessError, match=r"child ended with status 1.*the disk is full") as raised:
        await child.wait_until_ready()
    assert str(tmp_path / "child.log") in raised.value.remedy


async def test_who_ignores_sigterm_is_killed_and_that_is_said(tmp_path: Path) -> None:
    """Stopping always ends, and never silently by force."""
    script = (
        "import signal, time, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path('ready').touch(); time.sleep(60)"
    )
    child = Child(program(tmp_path, script, ready_file="ready", stop_seconds=0.3))
    child.start()
    await child.wait_until_ready()
    assert "was killed" in await child.stop()
    assert not child.is_running


async def test_a_grandchild_does_not_survive_the_stop(tmp_path: Path) -> None:
    """A run of Dagster is a child of the code server."""
    script = (
        "import subprocess, sys, time, pathlib\n"
        "one = subprocess.Popen([sys.executable, '-c', 'import signal, time; "
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)'])\n"
        "pathlib.Path('grandchild').write_text(str(one.pid)); time.sleep(60)"
    )
    child = Child(program(tmp_path, script))
    child.start()
    file = tmp_path / "grandchild"
    await until(lambda: file.exists() and file.read_text())
    pid = int(file.read_text())
    await child.stop()
    await until(lambda: not is_alive(pid))


async def test_the_terminals_interrupt_does_not_reach_a_child(tmp_path: Path) -> None:
    """Each child leads its own session; the order of stopping is the stack's."""
    child = Child(program(tmp_path, "import time; time.sleep(60)"))
    child.start()
    assert child.pid is not None
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    await child.stop()


def test_a_child_ends_with_a_stack_that_was_killed(tmp_path: Path) -> None:
    """Nothing survives a SIGKILL of the stack: the kernel sends the signal."""
    script = (
        "import asyncio, sys, time; from pathlib import Path\n"
        "from observer.stack.processes import Child, Program\n"
        "async def ready(): return True\n"
        "child = Child(Program('child', (sys.executable, '-c', 'import time; time.sleep(60)'), {},\n"
        "                      Path('/'), Path(sys.argv[1]), ready))\n"
        "child.start(); print(child.pid, flush=True); time.sleep(60)"
    )
    stack = subprocess.Popen([sys.executable, "-c", script, tmp_path / "log"], stdout=subprocess.PIPE)
    assert stack.stdout is not None
    pid = int(stack.stdout.readline())
    assert is_alive(pid)
    stack.send_signal(signal.SIGKILL)
    stack.wait()
    deadline = time.monotonic() + 20
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
