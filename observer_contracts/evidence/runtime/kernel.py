"""What the kernel tells about a process, as its text files say it (proc(5)).

Invariant: pure functions on text; a text that does not have the documented shape is a `ValueError`.
"""

from __future__ import annotations

import re

from observer_contracts.evidence.runtime.observations import MountPoint, Process

_OCTAL = re.compile(r"\\([0-7]{3})")
# Fields of /proc/PID/stat after the name in brackets: state is the third of all, starttime the 22nd.
_START_TIME = 22 - 3
# Both times are cut to hundredths of a second, and the kernel dates files by its last tick.
_ROUNDING = 0.03


def read_status(text: str) -> Process:
    """Reads `/proc/self/status`."""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    try:
        return Process(
            user=int(fields["Uid"].split()[1]),
            group=int(fields["Gid"].split()[1]),
            groups=tuple(int(group) for group in fields["Groups"].split()),
            capabilities=int(fields["CapEff"], 16),
            no_new_privileges=fields["NoNewPrivs"].strip() == "1",
            seccomp=int(fields["Seccomp"]) if "Seccomp" in fields else None,
        )
    except (KeyError, IndexError) as error:
        raise ValueError(f"the process status has no field {error}") from None


def read_mounts(text: str) -> tuple[MountPoint, ...]:
    """Reads `/proc/self/mountinfo`; of mounts over each other only the topmost can be seen."""
    found: dict[str, MountPoint] = {}
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        before, after = left.split(" "), right.split(" ")
        if not separator or len(before) < 6 or len(after) < 3:
            raise ValueError("a line of mountinfo does not have its documented shape")
        path = _unescaped(before[4])
        read_only = "ro" in before[5].split(",") or "ro" in after[2].split(",")
        found.pop(path, None)
        found[path] = MountPoint(
            path, _unescaped(before[3]), before[2], after[0], _unescaped(after[1]), read_only
        )
    return tuple(found.values())


def _unescaped(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def start_of(process: str, uptime: str, now: float, ticks_per_second: int) -> float:
    """Returns when a process started, in seconds since the Unix epoch; rather too early than too late.

    Args:
        process: `/proc/PID/stat`.
        uptime: `/proc/uptime`; unlike the start of the machine in `/proc/stat` it is not rounded to seconds.
        now: The present instant in seconds since the Unix epoch.
        ticks_per_second: `sysconf(_SC_CLK_TCK)`.
    """
    fields = process.rpartition(")")[2].split()
    if len(fields) <= _START_TIME or not uptime.split():
        raise ValueError("the start of the container is not told")
    since_boot = int(fields[_START_TIME]) / ticks_per_second
    return now - float(uptime.split(maxsplit=1)[0]) + since_boot - _ROUNDING
