"""Bringing files to the target.

Invariant: nothing is entered in the ledger that was not read back at the target and found to be what lies on
the node; a segment that is not what its manifest says does not leave and is named. A run that is killed
anywhere is made up for by the next: what had arrived is recognised by its content and not sent again. Nothing
on the node is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from observer_core import logs
from observer_core.backup import plan
from observer_core.backup.inventory import Inventory, take_inventory
from observer_core.backup.ledger import Ledger, open_ledger
from observer_core.backup.objects import Candidate, Fault, Kind, Shipped, key_of
from observer_core.backup.outcome import note_shipment
from observer_core.backup.ownership import Purpose, admit, owner_of
from observer_core.backup.target import Target, blocks_of_source, digest, stored_digest
from observer_core.clock import Clock
from observer_core.errors import BackupTargetError, ConfigurationError, StorageError
from observer_core.journal.content import open_content
from observer_core.journal.segment import FINAL_SUFFIX, MANIFEST_SUFFIX
from observer_core.lake.storage import exclusive
from observer_core.settings.paths import Paths

# What a killed run reads back once more; each entry costs the disk a write.
_ENTRIES_AT_ONCE = 64

_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class Shipment:
    """What a run has brought away.

    Attributes:
        target: Name of the target.
        sent: What left now.
        found: Files that had arrived before and were only not entered.
        bytes: Bytes sent.
        faults: Files that did not leave because they are damaged.
        files: Files on the node that must leave, left or not.
    """

    target: str
    sent: int
    found: int
    bytes: int
    faults: tuple[Fault, ...]
    files: int


def ship(paths: Paths, target: Target, clock: Clock) -> Shipment:
    """Brings everything to the target that has not left yet.

    Args:
        paths: The layout.
        target: The target.
        clock: The machine's time: files are stamped with it.

    Raises:
        BackupTargetError: The target failed; what had arrived until then is entered.
        ConfigurationError: The target belongs to another deployment.
    """
    with exclusive(paths.backup_lock):
        ledger = open_ledger(paths, target, Purpose.SHIP)
        inventory = take_inventory(paths)
        run = _Run(target, ledger, clock)
        try:
            for candidate in plan.waiting(inventory.candidates, ledger.left):
                run.bring(candidate)
        finally:
            run.enter()
        # Of two deployments that began at the same moment, one finds out here that it is not the owner.
        admit(paths, target, Purpose.SHIP)
        ledger.publish(target)
        note_shipment(paths, shipped_ns=clock.now_ns(), sealed_ns=_newest_seal(ledger))
    faults = tuple(sorted((*inventory.faults, *run.faults)))
    _log.info(
        "backup.shipped",
        target=target.name,
        sent=run.sent,
        found=run.found,
        bytes=run.bytes,
        faults=len(faults),
    )
    for fault in faults:
        _log.error("backup.fault", path=fault.path, problem=fault.problem)
    return Shipment(target.name, run.sent, run.found, run.bytes, faults, len(inventory.candidates))


def _newest_seal(ledger: Ledger) -> int:
    """Returns when the newest segment that has left was sealed: its manifest was written then."""
    sealed = (one.modified_ns for one in ledger.left.values() if one.path.endswith(MANIFEST_SUFFIX))
    return max(sealed, default=0)


class _Run:
    """One run's work, a file at a time."""

    def __init__(self, target: Target, ledger: Ledger, clock: Clock) -> None:
        self._target = target
        self._ledger = ledger
        self._clock = clock
        self._arrived: list[Shipped] = []
        self.faults: list[Fault] = []
        self.sent = 0
        self.found = 0
        self.bytes = 0

    def bring(self, candidate: Candidate) -> None:
        try:
            with _opened(candidate) as source:
                self._bring_open(candidate, source)
        except FileNotFoundError:
            # Replaced or removed by retention since the inventory; the next run sees what is there then.
            _log.info("backup.gone", path=candidate.path)
        except StorageError as error:
            # One file that our disk cannot give back does not keep the others here.
            self.faults.append(Fault(candidate.path, error.message))

    def enter(self) -> None:
        """Writes what has arrived into the ledger."""
        arrived, self._arrived = self._arrived, []
        self._ledger.add(arrived)

    def _bring_open(self, candidate: Candidate, source: IO[bytes]) -> None:
        # One open file for both passes: a file that is replaced meanwhile stays the one that was hashed. Only
        # a compressed segment is opened twice, and that is never replaced.
        sha256, size = digest(blocks_of_source(source, candidate.path))
        if candidate.sha256 not in ("", sha256):
            self.faults.append(
                Fault(
                    candidate.path, "its content is not what its manifest says: it was damaged on this node"
                )
            )
            return
        key = key_of(candidate.path, sha256)
        if stored_digest(self._target, key) == (sha256, size):
            self.found += 1
        else:
            self._deliver(candidate, key, source, (sha256, size))
            self.sent += 1
            self.bytes += size
        self._arrived.append(
            Shipped(candidate.path, candidate.kind, sha256, size, candidate.modified_ns, self._clock.now_ns())
        )
        if len(self._arrived) >= _ENTRIES_AT_ONCE:
            self.enter()

    def _deliver(self, candidate: Candidate, key: str, source: IO[bytes], expected: tuple[str, int]) -> None:
        if source.seekable():
            source.seek(0)
            deliver(self._target, key, source, expected)
            return
        with _opened(candidate) as again:
            deliver(self._target, key, again, expected)


def deliver(target: Target, key: str, source: IO[bytes], expected: tuple[str, int]) -> None:
    """Writes an object and reads it back.

    Args:
        target: The target.
        key: The object's name.
        source: Its content.
        expected: SHA-256 in hex and bytes of the content.

    Raises:
        BackupTargetError: What is there now is something else.
    """
    target.put(key, source)
    arrived = stored_digest(target, key)
    if arrived != expected:
        seen = "nothing" if arrived is None else f"{arrived[1]} bytes with SHA-256 {arrived[0]}"
        raise BackupTargetError(
            f"{key} was written to {target.name}, and read back was {seen} instead of {expected[1]} bytes "
            f"with SHA-256 {expected[0]}.",
            remedy="The target damages what it is given: replace its disk, or choose another target.",
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """How the backup stands.

    Attributes:
        target: Name of the target.
        owner: The deployment that it belongs to; empty where it is nobody's, or does not tell.
        problem: Why the target cannot be used; empty where it answers.
        left: Files of the node that have left as they are.
        left_bytes: Their size.
        last_left_ns: When the last file arrived; 0 where none ever did.
        waiting: Files that have not left.
        overdue: Those that have waited longer than allowed.
        faults: Files that will not leave, because they are damaged.
        same_volume: Whether the target lies on the data's own volume, and dies with it.
    """

    target: str
    owner: str
    problem: str
    left: int
    left_bytes: int
    last_left_ns: int
    waiting: tuple[Candidate, ...]
    overdue: tuple[Candidate, ...]
    faults: tuple[Fault, ...]
    same_volume: bool


def standing(paths: Paths, target: Target, now_ns: int) -> Standing:
    """Looks at node and target; writes nothing there, and here the ledger of a target that is new here.

    Args:
        paths: The layout.
        target: The target.
        now_ns: The machine's time.
    """
    problem, ledger, owner = "", None, ""
    try:
        owner = owner_of(target) or ""
        ledger = open_ledger(paths, target, Purpose.READ)
    except (BackupTargetError, ConfigurationError) as error:
        problem = str(error)
    left = {} if ledger is None else ledger.left
    inventory: Inventory = take_inventory(paths)
    waiting = plan.waiting(inventory.candidates, left)
    gone = [one for one in inventory.candidates if plan.has_left(one, left)]
    return Standing(
        target=target.name,
        owner=owner,
        problem=problem,
        left=len(gone),
        left_bytes=sum(one.bytes for one in gone),
        last_left_ns=max((entry.left_ns for entry in left.values()), default=0),
        waiting=tuple(waiting),
        overdue=tuple(plan.overdue(waiting, now_ns=now_ns)),
        faults=inventory.faults,
        same_volume=_on_one_volume(paths.data, Path(target.name)),
    )


def _on_one_volume(data: Path, target: Path) -> bool:
    try:
        return target.is_absolute() and data.stat().st_dev == target.stat().st_dev
    except OSError:
        return False


@contextmanager
def _opened(candidate: Candidate) -> Iterator[IO[bytes]]:
    try:
        is_segment = candidate.path.endswith(FINAL_SUFFIX) and candidate.kind is Kind.JOURNAL
        file = open_content(candidate.file) if is_segment else candidate.file.open("rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageError(f"{candidate.file} cannot be read: {error.strerror}.") from error
    with file:
        yield file
