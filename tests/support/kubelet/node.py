"""One node: its disk, its network, and the pods on it."""

from __future__ import annotations

import contextlib
import random
import string
from collections.abc import Iterator
from pathlib import Path

from kubelet.engine import Engine
from kubelet.manifests import Fields, Objects
from kubelet.pod import Pod
from kubelet.volumes import Volumes


class Node:
    """Starts pods of a deployment on one machine.

    Args:
        folder: The node's disk.
        network: A network of the engine; Services are names in it.
    """

    def __init__(self, engine: Engine, folder: Path, network: str, objects: Objects) -> None:
        self.engine, self.objects, self.network = engine, objects, network
        self.volumes = Volumes(folder)
        self._pods: list[Pod] = []

    def pod(self, kind: str, name: str, *, template: Fields | None = None) -> Pod:
        """Makes a pod of a workload, named as its controller would; it is not started.

        Args:
            template: A pod template in place of the workload's own.
        """
        workload = self.objects.need(kind, name)
        suffix = "0" if kind == "StatefulSet" else _suffix()
        namespace = workload["metadata"].get("namespace", "default")
        made = Pod(
            f"{name}-{suffix}",
            namespace,
            template or workload["spec"]["template"],
            self.objects,
            self.engine,
            self.volumes,
            self.network,
        )
        self._pods.append(made)
        return made

    @contextlib.contextmanager
    def running(self, kind: str, name: str) -> Iterator[Pod]:
        """Runs a pod of a workload until it is ready, and removes it at the end."""
        pod = self.pod(kind, name)
        try:
            pod.start()
            pod.wait_until_ready()
            yield pod
        finally:
            pod.remove()

    def clear(self) -> None:
        """Removes all pods; claims stay."""
        for pod in self._pods:
            pod.remove()


def _suffix() -> str:
    alphabet = "bcdfghjklmnpqrstvwxz2456789"
    letters = random.SystemRandom()
    first = "".join(letters.choices(string.hexdigits.lower()[:16], k=10))
    return f"{first}-{''.join(letters.choices(alphabet, k=5))}"
