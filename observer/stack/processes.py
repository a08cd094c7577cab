"""The child processes of a local stack.

Invariant: each child leads a session of its own, so that the terminal's Ctrl-C reaches the stack
alone and the order of stopping is ours; the kernel ends it when the stack ends; once `stop` has
returned, neither it nor a process of its group is left.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from observer.stack.deathbond import bond
from observer_core.errors import ProcessError

_POLL_SECONDS = 0.05
_TAIL_LINES = 4
# What a killed process group may need until the kernel has removed it.
_REAP_SECONDS = 5.0

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Program:
    """What is to run.

    Attributes:
        name: Short name; its log is called so.
        command: The words of the command.
        environment: All of its environment.
        folder: Its working directory.
        log: File of its output.
        ready: Answers whether it does its work.
        start_seconds: How long it may take until then.
        stop_seconds: How long it may take to stop after SIGTERM.
        orphan_signal: What the kernel sends it when the stack was killed: SIGTERM where something is to
            be put in order (lines to seal, runs to end), else SIGKILL.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    ready: Probe
    start_seconds: float = 60.0
    stop_seconds: float = 20.0
    orphan_signal: signal.Signals = signal.SIGTERM


class Child:
    """One program's process."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts the process; its log begins anew with the stack, and continues at a restart."""
        program = self.program
        with program.log.open("ab" if self.starts else "wb") as output:
            self._process = subprocess.Popen(
                program.command,
                env=dict(program.environment),
                cwd=program.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # It calls into libc only, which is loaded.
                preexec_fn=bond(program.orphan_signal),  # noqa: PLW1509
            )
        self.starts += 1

    async def wait_until_ready(self) -> None:
        """Waits for the program's probe.

        Raises:
            ProcessError: It ended, or was not ready in time; the message ends with its last lines.
        """
        deadline = time.monotonic() + self.program.start_seconds
        while not await self.program.ready():
            if not self.is_running:
                raise self.failure()
            if time.monotonic() > deadline:
                raise self._error(f"was not ready within {self.program.start_seconds:.0f} s")
            await asyncio.sleep(_POLL_SECONDS)

    def failure(self) -> ProcessError:
        """Returns the error for a process that has ended by itself."""
        code = self._process.returncode if self._process else None
        if code is not None and code < 0:
            return self._error(f"was ended by {signal.Signals(-code).name}")
        return self._error(f"ended with status {code}")

    async def stop(self) -> str:
        """Ends the process: SIGTERM, and SIGKILL for its whole group where that does not help.

        Returns:
            What had to be done beyond a clean stop; empty where it stopped cleanly.
        """
        if self._process is None:
            return ""
        remark = ""
        if self.is_running:
            self._process.terminate()
            if not await self._ended_within(self.program.stop_seconds):
                remark = f"did not stop within {self.program.stop_seconds:.0f} s and was killed"
        self._kill_group()
        if not await self._ended_within(_REAP_SECONDS):
            remark = f"process {self._process.pid} could not be killed"
        return remark

    def kill(self) -> None:
        """Ends the process and its group at once."""
        self._kill_group()

    async def _ended_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.is_running:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    def _kill_group(self) -> None:
        """Kills what is left of the group; its number is ours for as long as a member lives."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def _error(self, what: str) -> ProcessError:
        log = self.program.log
        return ProcessError(f"{self.name} {what}. {last_lines(log)}", remedy=f"See {log}.")


def last_lines(log: Path) -> str:
    """Returns the last lines of a log file in one line, for an error message."""
    if not log.exists():
        return "It wrote no log."
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return "Its last lines: " + " | ".join(lines[-_TAIL_LINES:]) if lines else "It wrote nothing."
