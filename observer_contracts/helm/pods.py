"""The pods that charts and run launcher make: where the values say what each of them mounts and reads.

Invariant: every pod of both charts is here, so that a rule about pods forgets none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from observer_contracts.declaration.facts import Declaration, VolumeFact
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.manifests import Manifests
from observer_contracts.evidence.objects import Place, field_name
from observer_contracts.helm.charts import Chart
from observer_contracts.helm.values import HelmValues, Layered
from observer_contracts.model import Finding
from observer_contracts.rules.findings import candidates, failed, passed, shown

LAUNCHER: Place = ("runLauncher", "config", "k8sRunLauncher")
RUN_POD: Place = (*LAUNCHER, "runK8sConfig", "podSpecConfig")
RUN_CONTAINER: Place = (*LAUNCHER, "runK8sConfig", "containerConfig")


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that the values describe.

    Attributes:
        layered: The values.
        place: Where most of it stands.
        more_volumes: Another list of volumes, which is joined to the first.
        more_mounts: Another list of mounts, which is joined to the first.
    """

    layered: Layered
    place: Place
    more_volumes: Place = ()
    more_mounts: Place = ()

    @property
    def name(self) -> str:
        return field_name(self.place)

    @property
    def volumes(self) -> dict[str, tuple[Place, dict[str, Any]]]:
        """The volumes by name, each with its place."""
        return {
            str(item.get("name")): (place, item) for place, item in self._both("volumes", self.more_volumes)
        }

    @property
    def mounts(self) -> dict[str, tuple[Place, dict[str, Any]]]:
        """The mounts by path, each with its place."""
        found = self._both("volumeMounts", self.more_mounts)
        return {str(item.get("mountPath", "")).rstrip("/"): (place, item) for place, item in found}

    @property
    def config_maps(self) -> list[tuple[Place, str]]:
        """The ConfigMaps that become its environment."""
        named = self.layered.items(*self.place, "envConfigMaps")
        return [((*place, "name"), str(item.get("name", ""))) for place, item in named]

    def _both(self, key: str, more: Place) -> list[tuple[Place, dict[str, Any]]]:
        return [*self.layered.items(*self.place, key), *(self.layered.items(*more) if more else [])]


def run_pod(layered: Layered) -> Pod:
    """Returns the pod of a run."""
    return Pod(layered, LAUNCHER, (*RUN_POD, "volumes"), (*RUN_CONTAINER, "volumeMounts"))


def code_pods(layered: Layered) -> list[Pod]:
    """Returns the pods of the code locations that the chart makes."""
    return [Pod(layered, place) for place, _ in layered.code_locations()]


def pods_of(evidence: Evidence) -> Iterator[Pod]:
    """Yields every pod of the given values."""
    values: HelmValues | None = evidence.values
    for layered in values.charts if values else ():
        if layered.chart is Chart.SYSTEM:
            yield run_pod(layered)
            yield from (Pod(layered, (part,)) for part in ("dagsterWebserver", "dagsterDaemon"))
        yield from code_pods(layered)


def read_whole(evidence: Evidence) -> Manifests | None:
    """Returns the manifests beside the values; None where none were given, or not all of them were read."""
    manifests = evidence.manifests
    return manifests if manifests and manifests.objects and not manifests.problems else None


def config_maps_resolve(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ENV-001: each ConfigMap that the values name is in the manifests beside them, or made elsewhere."""
    manifests = read_whole(evidence)
    if manifests is None:
        return
    names = [found.name for found in manifests.of("ConfigMap")]
    for pod in pods_of(evidence):
        for place, name in [*pod.config_maps, *_mounted_config_maps(pod)]:
            where, expected = pod.layered.where(*place), f"{field_name(place)}: ConfigMap {name}"
            if name in names or name in declaration.external_config_maps:
                yield passed(str(pod.layered.chart), expected, "there", where)
                continue
            observed = f"no ConfigMap {shown(name)}. {candidates(name, names)}".strip()
            remedy = "Name one whose name stays: the values cannot follow the hash of another."
            yield failed(str(pod.layered.chart), expected, observed, where, remedy=remedy)


def _mounted_config_maps(pod: Pod) -> Iterator[tuple[Place, str]]:
    for place, volume in pod.volumes.values():
        source = volume.get("configMap")
        if isinstance(source, dict) and source.get("optional") is not True:
            yield (*place, "configMap", "name"), str(source.get("name", ""))


def configuration_given(declaration: Declaration, evidence: Evidence, pod: Pod) -> Finding:
    """Judges whether a pod's environment has the configuration; that its ConfigMaps exist is ENV-001's."""
    place = (*pod.place, "envConfigMaps")
    where, expected = pod.layered.where(*place), f"{field_name(place)}: the ConfigMap with the configuration"
    chart, names = str(pod.layered.chart), [name for _, name in pod.config_maps]
    if not names:
        return failed(chart, expected, "nothing", where)
    manifests = read_whole(evidence)
    found = [manifests.find("ConfigMap", name) for name in names] if manifests else []
    keys = {key for config_map in found if config_map for key in config_map.mapping("data")}
    missing = [fact.name for fact in declaration.configuration if fact.name not in keys]
    if manifests is None or None in found or not missing:
        return passed(chart, expected, ", ".join(names), where)
    return failed(chart, expected, f"{', '.join(names)} lacks {', '.join(missing)}", where)


def declared_mounts(declaration: Declaration, pod: Pod, *, writing: bool) -> Iterator[Finding]:
    """Judges whether each declared path of the collector is the mount of its own volume, whole and usable."""
    for fact in declaration.volumes_of(declaration.collector.name):
        place, mount = pod.mounts.get(fact.mount_path, ((*pod.place, "volumeMounts"), {}))
        where = pod.layered.where(*place)
        what = fact.claim or "the configuration"
        expected = f"{field_name((*pod.place, 'volumeMounts'))}: {what} at {fact.mount_path}"
        wrong = _wrong_mount(pod, fact, mount, writing=writing)
        verdict = failed if wrong else passed
        yield verdict(str(pod.layered.chart), expected, wrong or "as expected", where)


def _wrong_mount(pod: Pod, fact: VolumeFact, mount: dict[str, Any], *, writing: bool) -> str:
    if not mount:
        return "nothing is mounted there"
    _, volume = pod.volumes.get(str(mount.get("name")), ((), {}))
    part = mount.get("subPath") or mount.get("subPathExpr")
    wrong = _wrong_volume(fact, volume, str(mount.get("name")))
    if wrong or part:
        return wrong or f"only the folder {shown(str(part))} of the volume"
    claim = volume.get("persistentVolumeClaim") or {}
    read_only = mount.get("readOnly") is True
    if fact.writable and writing and (read_only or claim.get("readOnly") is True):
        return "mounted read-only"
    return "" if fact.writable or read_only else "mounted writable"


def _wrong_volume(fact: VolumeFact, volume: dict[str, Any], name: str) -> str:
    if not volume:
        return f"{shown(name)} is no volume of the pod"
    found = (volume.get("persistentVolumeClaim") or {}).get("claimName", "")
    if found != fact.claim:
        return f"the claim {shown(str(found))}" if found else f"volume {name}, which is no claim"
    if not fact.claim and "configMap" not in volume:
        return f"volume {name}, which is no ConfigMap"
    return ""
