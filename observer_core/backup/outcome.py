"""What the last runs have achieved, for who watches without asking the target.

Invariant: an instant is noted after the fact that it stands for, by the machine's clock. The file is a copy
of what ledger and target know: where it is missing or damaged, nothing is claimed, and the next run writes it
anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from observer_core.files import write_atomically
from observer_core.settings.paths import Paths

_FILE = "outcome.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """When what was achieved last, in unix nanoseconds.

    Attributes:
        shipped_ns: When a shipment last had left nothing behind; 0 where none ever has.
        sealed_ns: When the newest segment that has left was sealed; 0 where none ever has.
        dumps: Database -> when its last good dump was begun.
    """

    shipped_ns: int = 0
    sealed_ns: int = 0
    dumps: Mapping[str, int] = field(default_factory=dict)


def read_outcome(paths: Paths) -> Outcome:
    """Returns what the last runs on this node have noted; nothing where that cannot be read."""
    try:
        content = json.loads((paths.backup / _FILE).read_bytes())
        dumps = {str(name): int(made_ns) for name, made_ns in content["dumps"].items()}
        return Outcome(int(content["shipped_ns"]), int(content["sealed_ns"]), dumps)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Outcome()


def note_shipment(paths: Paths, *, shipped_ns: int, sealed_ns: int) -> None:
    """Notes that everything has left; the caller holds the lock of the backup.

    Args:
        paths: The layout.
        shipped_ns: The machine's time.
        sealed_ns: When the newest segment at the target was sealed.
    """
    _write(paths, replace(read_outcome(paths), shipped_ns=shipped_ns, sealed_ns=sealed_ns))


def note_dump(paths: Paths, database: str, made_ns: int) -> None:
    """Notes a dump that was read back from the target; the caller holds the lock of the backup."""
    before = read_outcome(paths)
    _write(paths, replace(before, dumps={**before.dumps, database: made_ns}))


def _write(paths: Paths, outcome: Outcome) -> None:
    write_atomically(paths.backup / _FILE, json.dumps(asdict(outcome)).encode() + b"\n")
