"""Has it left the node?

Invariant: a file has left only if the ledger says so of exactly this file, and the target shows it now with
its size. A target that does not answer, or belongs to another deployment, is an obstacle, never a permission.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from observer_core.backup import plan
from observer_core.backup.inventory import Inventory, take_inventory
from observer_core.backup.ledger import Ledger, open_ledger
from observer_core.backup.objects import Candidate
from observer_core.backup.ownership import Purpose
from observer_core.backup.target import Target
from observer_core.backup.verifying import missing
from observer_core.errors import BackupTargetError, ConfigurationError
from observer_core.settings.paths import Paths


@dataclass(frozen=True, slots=True)
class Departures:
    """What a look at node and target has told.

    Attributes:
        target: The target, None where none is configured.
        ledger: What has left, None where the target does not answer, or is another deployment's.
        inventory: What lies on the node.
        problem: Why the target cannot be asked.
    """

    target: Target | None
    ledger: Ledger | None
    inventory: Inventory
    problem: str = ""

    @classmethod
    def look(cls, paths: Paths, target: Target | None) -> Departures:
        """Takes the inventory, and opens the target's ledger."""
        inventory = take_inventory(paths)
        if target is None:
            return cls(None, None, inventory)
        try:
            return cls(target, open_ledger(paths, target, Purpose.READ), inventory)
        except BackupTargetError as error:
            return cls(target, None, inventory, f"the backup target does not answer: {error.message}")
        except ConfigurationError as error:
            return cls(target, None, inventory, error.message)

    def obstacles(self, concerned: Callable[[Candidate], bool]) -> tuple[str, ...]:
        """Returns why some files are not known to have left; empty where no target is configured.

        Args:
            concerned: Which files it is about.
        """
        if self.target is None:
            return ()
        if self.ledger is None:
            return (self.problem,)
        wanted = [one for one in self.inventory.candidates if concerned(one)]
        waiting = plan.waiting(wanted, self.ledger.left)
        if waiting:
            return (f"{len(waiting)} files have not left the node, first {waiting[0].path}",)
        try:
            gone = missing(self.ledger, self.target, {one.path for one in wanted})
        except BackupTargetError as error:
            return (f"the backup target does not answer: {error.message}",)
        return (f"{len(gone)} files are no longer at the target, first {min(gone)}",) if gone else ()
