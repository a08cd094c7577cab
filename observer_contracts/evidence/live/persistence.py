"""The persistence test: delete the collector's pods, and see whether every file is still there.

Invariant: it runs only where it was asked for by its own flag, with rights of its own (delete pods, run a
command in them), outside of the hours in which data come, and only while every pod is ready. It deletes pods
and nothing else. What the files hold is not read: names and sizes are compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as Time  # noqa: N812 - `time` is a module's name
from typing import Protocol

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.live.access import Answer, ClusterAccess, Silence
from observer_contracts.evidence.live.cluster_objects import object_of
from observer_contracts.evidence.live.observations import Live, Persistence
from observer_contracts.evidence.live.pods import is_ready, matching
from observer_contracts.evidence.objects import KubernetesObject, value_at
from observer_contracts.evidence.seeing import Unseen
from observer_core.market.calendar import MarketCalendar

# Deployments are allowed outside of these hours only (docs/architecture.md, time of day).
FIRST, LAST = Time(7, 30), Time(20, 40)
_PATIENCE = timedelta(minutes=5)
_POLL_SECONDS = 0.5

# Names and sizes of all files but those that are being replaced; run inside of the container.
_INVENTORY = """\
import json, os, sys
found = {}
for folder in sys.argv[1:]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if not name.startswith('.') and not os.path.islink(path):
                try:
                    found[path] = os.path.getsize(path)
                except FileNotFoundError:
                    pass
print(json.dumps(found))
"""
# An open segment is sealed when its writer stops, and then has no suffix any more.
_OPEN = ".open"
# Files that grow, as opposed to those that are written anew.
_GROWING = (".jsonl", ".parquet", ".gz")


class Watch(Protocol):
    """What the test may ask about time."""

    def now(self) -> datetime:
        """Returns the present instant in Korean time."""

    def monotonic(self) -> float:
        """Returns the seconds of a clock that never goes back."""

    def wait(self, seconds: float) -> None:
        """Lets time pass."""


@dataclass(slots=True)
class PersistenceTest:
    """One run of the test.

    Attributes:
        declaration: Which pods and folders.
        access: The cluster.
        watch: The time.
        patience: How long the successors may take to become ready.
    """

    declaration: Declaration
    access: ClusterAccess
    watch: Watch
    patience: timedelta = _PATIENCE

    def run(self, live: Live) -> Persistence | Unseen:
        """Deletes the pods and compares; refuses where that could lose data.

        Args:
            live: The cluster as it was read before.
        """
        collector = self.declaration.collector
        unseen = live.unseen(collector.kind, "Pod")
        workload = live.find(collector.kind, collector.name)
        if unseen or workload is None:
            return Unseen(unseen or "there is no collector (WRK-001)")
        pods = matching(live.of("Pod"), workload)
        obstacle = self._obstacle(pods)
        before = Unseen(obstacle) if obstacle else self._inventory(pods[0])
        if isinstance(before, Unseen):
            return before
        began = self.watch.monotonic()
        successors = self._replace(pods, workload)
        if isinstance(successors, Unseen):
            return successors
        seconds = self.watch.monotonic() - began
        after = self._inventory(successors[0])
        if isinstance(after, Unseen):
            return after
        return Persistence(
            tuple(pod.name for pod in pods),
            tuple(pod.name for pod in successors),
            seconds,
            len(before),
            sum(before.values()),
            tuple(sorted(path for path, size in before.items() if is_lost(path, size, after))),
        )

    def _obstacle(self, pods: list[KubernetesObject]) -> str:
        now = self.watch.now()
        if MarketCalendar().closure(now.date()) is None and FIRST <= now.time() <= LAST:
            hours = f"{FIRST:%H:%M} to {LAST:%H:%M}"
            return f"it is {now:%Y-%m-%d %H:%M} in Korea: data come from {hours}, and no pod is deleted then"
        if not pods:
            return "there is no pod to delete (WRK-001)"
        unready = [pod.name for pod in pods if not is_ready(pod)]
        return f"not ready before the test: {', '.join(unready)} (POD-001)" if unready else ""

    def _inventory(self, pod: KubernetesObject) -> dict[str, int] | Unseen:
        collector = self.declaration.collector.name
        folders = [fact.mount_path for fact in self.declaration.volumes_of(collector) if fact.writable]
        command = ["python3", "-c", _INVENTORY, *folders]
        printed = self.access.run(pod.namespace, pod.name, collector, command)
        if isinstance(printed, Silence):
            return Unseen(f"the files in {pod.label} cannot be listed: {printed.reason}")
        try:
            return {str(path): int(size) for path, size in json.loads(printed).items()}
        except (ValueError, AttributeError, TypeError):
            return Unseen(f"the list of files of {pod.label} cannot be read")

    def _replace(
        self, pods: list[KubernetesObject], workload: KubernetesObject
    ) -> list[KubernetesObject] | Unseen:
        """Deletes the pods, and returns their successors once as many are ready."""
        for pod in pods:
            answer = self.access.delete(f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}")
            if isinstance(answer, Silence) or not (answer.good or answer.missing):
                return Unseen(f"{pod.label} cannot be deleted: {answer.reason}")
        gone = {_identity(pod) for pod in pods}
        deadline = self.watch.monotonic() + self.patience.total_seconds()
        ready: list[KubernetesObject] = []
        while self.watch.monotonic() < deadline:
            ready = [pod for pod in self._present(workload) if _identity(pod) not in gone and is_ready(pod)]
            if len(ready) >= len(pods):
                return ready
            self.watch.wait(_POLL_SECONDS)
        seconds = self.patience.total_seconds()
        return Unseen(f"{len(ready)} of {len(pods)} pods were ready {seconds:.0f} s after the deletion")

    def _present(self, workload: KubernetesObject) -> list[KubernetesObject]:
        path = f"/api/v1/namespaces/{workload.namespace}/pods"
        answer = self.access.read(path)
        items = value_at(answer.content, "items") if isinstance(answer, Answer) and answer.good else None
        found = [object_of(item, path, kind="Pod", version="v1") for item in items or []]
        return matching([pod for pod in found if pod is not None], workload)


def _identity(pod: KubernetesObject) -> str:
    """Returns what tells a pod from its successor; pods of a StatefulSet keep their name."""
    return pod.text("metadata", "uid") or pod.name


def is_lost(path: str, size: int, after: Mapping[str, int]) -> bool:
    """Tells whether a file is gone, or lost content that only ever grows."""
    now = after.get(path, after.get(path.removesuffix(_OPEN)))
    return now is None or (now < size and path.removesuffix(_OPEN).endswith(_GROWING))
