"""One verification of the execution contracts, in a process of its own.

Invariant: whatever the verification does, the collector goes on: it has a low priority, little memory, a
limit of time and of output, and it is gone when `verify` returns or is cancelled. What it says crosses as
the documented JSON (`observer contracts verify --format json`), so that nothing of it is imported here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_SCHEMA = 1
_ANSWERED = (0, 1, 3)
_LOWEST_PRIORITY = 19
# Since Kubernetes 1.28 a container that runs out of memory ends whole: let the verification fail before.
_MOST_MEMORY = 1024 * 1024 * 1024
_MOST_OUTPUT = 4 * 1024 * 1024
_MOST_ERRORS = 64 * 1024
_CHUNK = 64 * 1024
_LONGEST_MESSAGE = 300
_REAP_SECONDS = 2.0


class Answer(StrEnum):
    """States of a result, worst first."""

    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    WARN = "WARN"
    EXTERNAL = "EXTERNAL"
    EXEMPT = "EXEMPT"
    PASS = "PASS"


@dataclass(frozen=True, slots=True)
class Finding:
    """A result that does not pass."""

    rule: str
    contract: str
    severity: str
    object: str
    expected: str
    observed: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What one verification said.

    Attributes:
        counts: Number of results by contract and state.
        rules: The worst state of each rule.
        broken: Results that violate a contract, the worst first.
        external: Failures of broker, database or network, which violate none.
    """

    counts: Mapping[tuple[str, Answer], int]
    rules: Mapping[str, Answer]
    broken: tuple[Finding, ...]
    external: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no verification."""

    reason: str


class _TooMuchOutputError(Exception):
    """The process says more than a verification does."""


async def verify(command: Sequence[str], *, seconds: float) -> Verification | Problem:
    """Runs a verification.

    Args:
        command: What prints the results as JSON.
        seconds: How long it may take, in real time.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return Problem(f"the verification cannot be started: {error.strerror or error}")
    try:
        _restrain(process.pid)
        async with asyncio.timeout(seconds):
            output, errors = await _outputs(process)
            status = await process.wait()
    except TimeoutError:
        return Problem(f"the verification took more than {seconds:g} seconds")
    except _TooMuchOutputError:
        return Problem("the verification said too much")
    finally:
        await _end(process)
    if status not in _ANSWERED:
        return Problem(f"the verification ended with status {status}{_own_message(errors)}")
    return read(output)


def _restrain(process: int) -> None:
    # It may have ended already. Where the kernel forbids it, no limits are better than no verification.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpriority(os.PRIO_PROCESS, process, _LOWEST_PRIORITY)
        resource.prlimit(process, resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))


async def _outputs(process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
    assert process.stdout is not None
    assert process.stderr is not None
    output = asyncio.create_task(_bounded(process.stdout, _MOST_OUTPUT))
    errors = asyncio.create_task(_end_of(process.stderr))
    try:
        return await output, await errors
    finally:
        output.cancel()
        errors.cancel()
        await asyncio.wait([output, errors])


async def _bounded(stream: asyncio.StreamReader, most: int) -> bytes:
    content = bytearray()
    while chunk := await stream.read(_CHUNK):
        content += chunk
        if len(content) > most:
            raise _TooMuchOutputError
    return bytes(content)


async def _end_of(stream: asyncio.StreamReader) -> bytes:
    """Reads to the end, and keeps the last part."""
    content = b""
    while chunk := await stream.read(_CHUNK):
        content = (content + chunk)[-_MOST_ERRORS:]
    return content


async def _end(process: asyncio.subprocess.Process) -> None:
    streams = (process.stdout, process.stderr)
    if process.returncode is not None and all(stream is None or stream.at_eof() for stream in streams):
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # A process that hangs in the kernel, in front of a broken disk, cannot be waited for.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.communicate(), _REAP_SECONDS)


def _own_message(errors: bytes) -> str:
    """Returns the command's own last message; the text of any other error may hold what must not be shown."""
    lines = errors.decode("utf-8", "replace").splitlines()
    own = next((line for line in reversed(lines) if line.startswith("observer")), "")
    return f": {own[:_LONGEST_MESSAGE]}" if own else ""


def read(output: bytes) -> Verification | Problem:
    """Reads the results that `observer contracts verify --format json` prints."""
    try:
        document = json.loads(output)
        if document["schema"] != _SCHEMA:
            return Problem(f"the verification speaks schema {document['schema']}, not {_SCHEMA}")
        results = [(Answer(result["status"]), _finding(result)) for result in document["results"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return Problem("the verification's answer cannot be read")
    order = list(Answer)
    rules: dict[str, Answer] = {}
    for answer, found in results:
        rules[found.rule] = min(answer, rules.get(found.rule, answer), key=order.index)
    return Verification(
        Counter((found.contract, answer) for answer, found in results),
        rules,
        tuple(found for answer, found in results if answer is Answer.FAIL),
        tuple(found for answer, found in results if answer is Answer.EXTERNAL),
    )


def _finding(result: Mapping[str, Any]) -> Finding:
    return Finding(**{name: str(result[name]) for name in Finding.__dataclass_fields__})
