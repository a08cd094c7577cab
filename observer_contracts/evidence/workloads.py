"""Workloads: objects that make pods, their containers, mounts and volumes.

Invariant: init and ephemeral containers are containers like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

from observer_contracts.evidence.manifests import Manifests
from observer_contracts.evidence.objects import KubernetesObject, Place, Step, items_at, mapping_at, text_at
from observer_contracts.evidence.yaml_documents import Fields
from observer_contracts.model import Location

_TEMPLATE: dict[str, Place] = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Pod": (),
}
_BLOCKS = ("initContainers", "containers", "ephemeralContainers")
KINDS = tuple(_TEMPLATE)


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume mount of a container."""

    path: str
    volume: str
    sub_path: str
    read_only: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a workload."""

    workload: Workload
    place: Place
    fields: Fields

    @property
    def name(self) -> str:
        return text_at(self.fields, "name")

    @property
    def init(self) -> bool:
        return "initContainers" in self.place

    def where(self, *more: Step) -> Location:
        """Returns where a field of the container stands."""
        return self.workload.object.where(*self.place, *more)

    @property
    def mounts(self) -> list[Mount]:
        return [
            Mount(
                text_at(mount, "mountPath").rstrip("/") or "/",
                text_at(mount, "name"),
                text_at(mount, "subPath") or text_at(mount, "subPathExpr"),
                mount.get("readOnly") is True,
                (*self.place, "volumeMounts", index),
            )
            for index, mount in items_at(self.fields, "volumeMounts")
        ]

    def security(self, name: str) -> object:
        """Returns a field of the security context; the pod's where the container has none."""
        own = mapping_at(self.fields, "securityContext")
        return own[name] if name in own else mapping_at(self.workload.pod, "securityContext").get(name)


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of a pod.

    Attributes:
        type: The key that names its source, such as `hostPath`.
        claim: The claim, for a volume that has one.
    """

    name: str
    type: str
    claim: str
    source: Fields
    place: Place


@dataclass(frozen=True, slots=True)
class Workload:
    """An object that makes pods."""

    object: KubernetesObject

    @property
    def template(self) -> Place:
        return _TEMPLATE[self.object.kind]

    @property
    def pod_place(self) -> Place:
        return (*self.template, "spec")

    @property
    def pod(self) -> Fields:
        return self.object.mapping(*self.pod_place)

    @property
    def labels(self) -> Fields:
        return self.object.mapping(*self.template, "metadata", "labels")

    @property
    def label(self) -> str:
        return self.object.label

    @property
    def name(self) -> str:
        return self.object.name

    def where(self, *more: Step) -> Location:
        """Returns where a field of the pod stands."""
        return self.object.where(*self.pod_place, *more)

    @property
    def containers(self) -> list[Container]:
        return [
            Container(self, (*self.pod_place, block, index), item)
            for block in _BLOCKS
            for index, item in items_at(self.pod, block)
        ]

    @property
    def main(self) -> Container | None:
        """The container with the workload's name, else the first one that is not an init container."""
        own = [container for container in self.containers if not container.init]
        return next((container for container in own if container.name == self.name), own[0] if own else None)

    def seen_from(self, container: Container) -> Workload:
        """Returns the same workload with another container as its main one."""
        return _SeenFrom(self.object, container)

    @property
    def volumes(self) -> dict[str, Volume]:
        found = {}
        for index, item in items_at(self.pod, "volumes"):
            name = text_at(item, "name")
            kind = next((key for key in item if key != "name"), "emptyDir")
            source = mapping_at(item, kind)
            claim = text_at(source, "claimName") if kind == "persistentVolumeClaim" else ""
            found[name] = Volume(name, kind, claim, source, (*self.pod_place, "volumes", index))
        for place, template in self.object.items("spec", "volumeClaimTemplates"):
            name = text_at(template, "metadata", "name")
            found[name] = Volume(name, "volumeClaimTemplate", f"{name}-{self.name}-0", template, place)
        return found

    @property
    def replicas(self) -> int:
        """How many pods run at the same time; 1 where it is not said."""
        found = self.object.value("spec", "replicas")
        return found if isinstance(found, int) and not isinstance(found, bool) else 1


@dataclass(frozen=True, slots=True)
class _SeenFrom(Workload):
    chosen: Container

    @property
    def main(self) -> Container | None:
        return self.chosen


def workloads_of(manifests: Manifests) -> list[Workload]:
    """Returns the workloads among the objects."""
    return [Workload(found) for found in manifests.of(*KINDS)]
