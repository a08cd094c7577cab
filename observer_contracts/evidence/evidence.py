"""All evidence of one verification.

Invariant: a source that was not asked for is None; one that was asked for and could not be read says
so itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from observer_contracts.evidence.environment import Environment, Reference, environment_of
from observer_contracts.evidence.manifests import Manifests
from observer_contracts.evidence.references import references_of
from observer_contracts.evidence.workloads import Container, Workload, workloads_of

if TYPE_CHECKING:
    from observer_contracts.evidence.live.observations import Live
    from observer_contracts.evidence.repository import Repository
    from observer_contracts.evidence.runtime.observations import Runtime
    from observer_contracts.helm.values import HelmValues


@dataclass(frozen=True)
class Evidence:
    """What the readers found.

    Attributes:
        manifests: The objects of one deployment.
        repository: Tracked files and history.
        runtime: The container that this process runs in.
        live: The cluster.
        values: Values of the Helm charts.
        image_owner: The workload whose image the given image definitions describe.
        stand_in: A container that is judged in the place of another workload's main container.
        stands_for: That workload.
    """

    manifests: Manifests | None = None
    repository: Repository | None = None
    runtime: Runtime | None = None
    live: Live | None = None
    values: HelmValues | None = None
    image_owner: str = ""
    stand_in: Container | None = None
    stands_for: str = ""

    @cached_property
    def workloads(self) -> list[Workload]:
        return workloads_of(self.manifests) if self.manifests else []

    @cached_property
    def _environments(self) -> dict[tuple[str, object], Environment]:
        return {}

    def workload(self, name: str, kind: str = "") -> Workload | None:
        """Returns the workload of that name, of that kind where one is given."""
        if self.stand_in is not None and name == self.stands_for:
            return self.stand_in.workload.seen_from(self.stand_in)
        return next((w for w in self.workloads if w.name == name and kind in ("", w.object.kind)), None)

    def environment(self, container: Container) -> Environment:
        """Returns the effective environment of a container."""
        key = (container.workload.label, container.place)
        if key not in self._environments and self.manifests is not None:
            images = self.manifests.images if container.workload.name == self.image_owner else ()
            self._environments[key] = environment_of(
                container, self.manifests, images[-1] if images else None
            )
        return self._environments[key]

    def references(self, workload: Workload, kind: str) -> list[Reference]:
        """Returns the references of a workload to objects of a kind, by environment and by volume."""
        if self.manifests is None:
            return []
        environments = [self.environment(container) for container in workload.containers]
        found = references_of(workload, environments, self.manifests)
        return [reference for reference in found if reference.kind == kind]
