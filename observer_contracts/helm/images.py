"""HLM-007: one image of one version, wherever Dagster's processes are started.

Invariant: a version is compared wherever it is said, in the values of both charts and in our own manifests,
because a run and the code location that asked for it must be of one commit.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import Place, field_name, text_at
from observer_contracts.helm.charts import Chart
from observer_contracts.helm.values import Layered
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown

_LAUNCHER: Place = ("runLauncher", "config", "k8sRunLauncher")
_MOVING = frozenset({"", "latest", "main", "master", "stable", "dev", "local"})


def own_images(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """HLM-007: every container has the pipeline's image with one fixed tag, init containers included.

    So have the runs where the values name their image, and the code location of given manifests.
    """
    wanted = f"{declaration.image}-pipeline"
    seen: dict[str, str] = {}
    for layered in evidence.values.charts if evidence.values else ():
        wrong = False
        for place, image in _images(layered):
            repository, version = _repository_and_version(image)
            where = layered.where(*place)
            if not fnmatch.fnmatchcase(repository, wanted):
                wrong = True
                yield failed(
                    str(layered.chart), f"image {wanted}", f"{field_name(place)}: {shown(image)}", where
                )
            elif version in _MOVING and not _stays_here(layered, place):
                wrong = True
                expected = "a tag that is never moved"
                yield failed(str(layered.chart), expected, f"{field_name(place)}: {shown(image)}", where)
            seen.setdefault(version, field_name(place))
        for part in ("dagsterWebserver", "dagsterDaemon") if layered.chart is Chart.SYSTEM else ():
            if layered.at(part, "checkDbReadyInitContainer") is not False:
                wrong = True
                expected = f"{part}.checkDbReadyInitContainer: false"
                observed = "an init container with an image of PostgreSQL, for another user"
                yield failed(str(layered.chart), expected, observed, layered.where(part))
        if not wrong:
            yield passed(str(layered.chart), f"image {wanted}", "everywhere", layered.files[-1].where())
    for version, name in _pipelines_of_manifests(evidence, wanted) if seen else ():
        seen.setdefault(version, name)
    if len(seen) > 1:
        observed = ", ".join(f"{name}: {shown(version)}" for version, name in seen.items())
        yield failed("images", "one version everywhere", observed, remedy="Raise all of them together.")


def _pipelines_of_manifests(evidence: Evidence, wanted: str) -> Iterator[tuple[str, str]]:
    """Yields the versions of the pipeline's image in our own pods, each with the container that has it."""
    for workload in evidence.workloads:
        for container in workload.containers:
            repository, version = _repository_and_version(text_at(container.fields, "image"))
            if fnmatch.fnmatchcase(repository, wanted):
                yield version, f"{workload.label} {container.name}"


def _repository_and_version(image: str) -> tuple[str, str]:
    repository, _, version = image.partition("@") if "@" in image else image.rpartition(":")
    return repository, version


def _stays_here(layered: Layered, place: Place) -> bool:
    """Tells whether an image is never pulled: then its tag may move with what was built."""
    policy = layered.at(*place, "pullPolicy") or layered.at(*place[:-1], "imagePullPolicy")
    return bool(policy == "Never")


def _images(layered: Layered) -> Iterator[tuple[Place, str]]:
    parts: list[Place] = [place for place, _ in layered.code_locations()]
    if layered.chart is Chart.SYSTEM:
        parts += [("dagsterWebserver",), ("dagsterDaemon",)]
        # Of runs whose code location is not the chart's.
        parts += [_LAUNCHER] if layered.mapping(*_LAUNCHER, "image") else []
    for part in parts:
        image = layered.mapping(*part, "image")
        version = f"@{image['digest']}" if image.get("digest") else f":{image.get('tag') or ''}"
        yield (*part, "image"), f"{image.get('repository', '')}{version}"
        for key in ("extraPrependedInitContainers", "extraContainers", "initContainers", "sidecarContainers"):
            for place, container in layered.items(*part, key):
                yield (*place, "image"), str(container.get("image", ""))
