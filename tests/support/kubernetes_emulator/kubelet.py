"""A node that runs the pods of Jobs as processes of this machine.

Invariant: a container's process has exactly the environment that the pod gives it, and its own folder to
work in; what keeps it from starting is told as the scheduler and the kubelet tell it, in the pod's status
and in events. Folders are this machine's: a volume is only looked up.
"""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from kubelet import CreateContainerConfigError

from kubernetes_emulator.cluster import NODE, STARTED, Cluster, Object
from kubernetes_emulator.environment import container_environment
from kubernetes_emulator.jobs import follow_pod, is_pod_of_job

_UNITS = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_TICK_SECONDS = 0.02


@dataclass(frozen=True)
class NodeImage:
    """An image on the node: what its ENV and ENTRYPOINT say."""

    environment: dict[str, str]
    entrypoint: tuple[str, ...] = ()


@dataclass
class Kubelet:
    """The node; a context manager that ends its processes.

    Attributes:
        cluster: The objects it reads and writes.
        folder: Logs and working folders of the containers.
        images: What can be pulled, by full name.
        labels: The node's labels.
        memory: What the node can give, in bytes.
        mount_token: Puts the token of an account into a container's folder; pods that want none do without.
        environments: What each container was started with, by the pod's name.
        failure: What ended the node's work before its time.
    """

    cluster: Cluster
    folder: Path
    images: dict[str, NodeImage]
    labels: dict[str, str] = field(default_factory=lambda: {"kubernetes.io/hostname": NODE})
    memory: int = 24 * 2**30
    mount_token: Callable[[Path, str], None] | None = None
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    failure: Exception | None = None
    _processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _asked_to_end: dict[str, float] = field(default_factory=dict)
    _told: set[tuple[str, str]] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join(10)
        for process in self._processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)

    def running(self) -> set[str]:
        """Returns the pods whose process runs."""
        return {name for name, process in self._processes.items() if process.poll() is None}

    def kill(self, pod: str) -> None:
        """Kills a pod's process as the kernel does when memory ends."""
        os.killpg(self._processes[pod].pid, signal.SIGKILL)

    def _work(self) -> None:
        try:
            while not self._stop.wait(_TICK_SECONDS):
                self._sync_all()
        except Exception as error:
            self.failure = error
            raise

    def _sync_all(self) -> None:
        for pod in [pod for pod in self.cluster.objects["Pod"] if is_pod_of_job(pod)]:
            self._sync(pod)

    def _sync(self, pod: Object) -> None:
        name, process = pod["metadata"]["name"], self._processes.get(pod["metadata"]["name"])
        if pod["metadata"].get("deletionTimestamp"):
            self._end(pod, process)
        elif process is not None:
            self._watch(pod, process)
        elif pod["status"]["phase"] == "Pending" and self._schedule(pod) and self._mount(pod):
            self._start(pod, name)

    def _schedule(self, pod: Object) -> bool:
        """Gives the pod a node, or says why there is none."""
        spec = pod["spec"]
        if spec.get("nodeName"):
            return True
        wanted = spec.get("nodeSelector") or {}
        requests = [container.get("resources", {}).get("requests", {}) for container in spec["containers"]]
        claims = [volume["persistentVolumeClaim"]["claimName"] for volume in spec.get("volumes") or ()
                  if "persistentVolumeClaim" in volume]  # fmt: skip
        namespace = pod["metadata"]["namespace"]
        missing = [
            claim for claim in claims if self.cluster.find("PersistentVolumeClaim", claim, namespace) is None
        ]
        reason = ""
        if missing:
            reason = f'persistentvolumeclaim "{missing[0]}" not found.'
        elif not wanted.items() <= self.labels.items():
            reason = "1 node(s) didn't match Pod's node affinity/selector."
        elif sum(_bytes(request.get("memory", "0")) for request in requests) > self.memory:
            reason = "1 Insufficient memory."
        if reason:
            message = f"0/1 nodes are available: {reason} preemption: 0/1 nodes are available."
            condition = {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": message,
            }
            pod["status"]["conditions"] = [condition]
            self._tell(pod, "FailedScheduling", message)
            return False
        spec["nodeName"] = NODE
        pod["status"] |= {"conditions": [{"type": "PodScheduled", "status": "True"}], "startTime": STARTED}
        return True

    def _mount(self, pod: Object) -> bool:
        namespace = pod["metadata"]["namespace"]
        for volume in pod["spec"].get("volumes") or ():
            given = volume.get("configMap")
            if (
                given
                and not given.get("optional")
                and not self.cluster.find("ConfigMap", given["name"], namespace)
            ):
                self._wait(pod, "ContainerCreating", "")
                missing = f'configmap "{given["name"]}" not found'
                message = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {missing}'
                self._tell(pod, "FailedMount", message)
                return False
        return True

    def _start(self, pod: Object, name: str) -> None:
        [container] = pod["spec"]["containers"]
        image = self.images.get(container["image"])
        if image is None:
            message = f'failed to pull and unpack image "{container["image"]}": not found'
            self._tell(pod, "Failed", f'Failed to pull image "{container["image"]}": {message}')
            self._wait(pod, "ErrImagePull", message)
            return
        try:
            environment = container_environment(self.cluster, pod, container, image.environment)
        except CreateContainerConfigError as error:
            self._tell(pod, "Failed", f"Error: {error}")
            self._wait(pod, "CreateContainerConfigError", str(error))
            return
        self.environments[name] = environment
        folder = self.folder / name
        folder.mkdir(parents=True)
        if self.mount_token and pod["spec"].get("automountServiceAccountToken", True):
            self.mount_token(folder, pod["spec"]["serviceAccountName"])
        self.cluster.logs[name] = folder / "log"
        command = [*(container.get("command") or image.entrypoint), *(container.get("args") or ())]
        with (folder / "log").open("wb") as output:
            self._processes[name] = subprocess.Popen(
                command, env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        pod["status"] |= {
            "phase": "Running",
            "containerStatuses": [_status(container, running={"startedAt": STARTED})],
        }

    def _watch(self, pod: Object, process: "subprocess.Popen[bytes]") -> None:
        code = process.poll()
        if code is None or pod["status"]["phase"] != "Running":
            return
        [container] = pod["spec"]["containers"]
        status = 128 - code if code < 0 else code
        reason = {0: "Completed", 137: "OOMKilled"}.get(status, "Error")
        ended = {"exitCode": status, "reason": reason, "startedAt": STARTED, "finishedAt": STARTED}
        phase = "Failed" if status else "Succeeded"
        pod["status"] |= {"phase": phase, "containerStatuses": [_status(container, terminated=ended)]}
        follow_pod(self.cluster, pod)

    def _end(self, pod: Object, process: "subprocess.Popen[bytes] | None") -> None:
        """Ends a pod that was deleted: asked once, killed after its grace, and gone when its process is."""
        name = pod["metadata"]["name"]
        if process is not None and process.poll() is None:
            asked = self._asked_to_end.get(name)
            if asked is None:
                self._asked_to_end[name] = time.monotonic()
                process.send_signal(signal.SIGTERM)
            elif time.monotonic() - asked > pod["spec"]["terminationGracePeriodSeconds"]:
                self.kill(name)
            return
        self.cluster.objects["Pod"].remove(pod)
        follow_pod(self.cluster, pod, gone=True)

    def _wait(self, pod: Object, reason: str, message: str) -> None:
        [container] = pod["spec"]["containers"]
        waiting = {"reason": reason} | ({"message": message} if message else {})
        pod["status"]["containerStatuses"] = [_status(container, waiting=waiting)]

    def _tell(self, pod: Object, reason: str, message: str) -> None:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        if (name, message) not in self._told:
            self._told.add((name, message))
            self.cluster.warn("Pod", name, namespace, reason, message)


def _status(container: Object, **state: Object) -> Object:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": "running" in state,
        "restartCount": 0,
        "state": state,
    }


def _bytes(quantity: str) -> int:
    match = re.fullmatch(r"(\d+)(\w*)", str(quantity))
    assert match, quantity
    return int(match[1]) * _UNITS[match[2]]
