"""A pod that runs.

Invariant: init containers run one after the other and to success before any other starts; a container that
ends is started again in the same pod, with the same volumes and the same name; what belongs to the pod ends
with it.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubelet import translation
from kubelet.engine import Engine
from kubelet.environment import effective_environment
from kubelet.manifests import Fields, Objects
from kubelet.probes import Probes, http_answers
from kubelet.volumes import Source, Volumes

_POLL_SECONDS = 0.05


class PodFailedError(Exception):
    """A container ended that should not have; the message holds what it said."""


class Pod:
    """One pod, from its volumes to its deletion. `Node` makes it."""

    def __init__(  # noqa: PLR0917 - Node alone calls it
        self, name: str, namespace: str, template: Fields, objects: Objects, engine: Engine, volumes: Volumes,
        network: str,
    ) -> None:  # fmt: skip
        translation.check_pod(template["spec"])
        self.name, self.namespace = name, namespace
        self.spec: Fields = template["spec"]
        self._objects, self._engine, self._volumes, self._network = objects, engine, volumes, network
        labels = template["metadata"].get("labels", {})
        self._aliases = objects.services_of(labels)
        self._facts: dict[str, Any] = {
            "metadata": {
                "name": name, "namespace": namespace, "uid": str(uuid.uuid4()), "labels": labels,
                "annotations": template["metadata"].get("annotations", {}),
            },
            "spec": {"nodeName": "node-1", "serviceAccountName": self.spec.get("serviceAccountName", "")},
            "status": {},
        }  # fmt: skip
        self._sources: dict[str, Source] = {}
        self._probes: dict[str, Probes] = {}

    # Life

    def start(self) -> None:
        """Makes the volumes, runs the init containers and starts the others.

        Raises:
            CreateContainerConfigError: Something that the pod refers to is missing.
            PodFailedError: An init container did not end with status 0.
        """
        fs_group = self.spec.get("securityContext", {}).get("fsGroup")
        for volume in self.spec.get("volumes", ()):
            self._sources[volume["name"]] = self._volumes.provide(
                volume, self.name, self.namespace, self._objects, fs_group
            )
        for container in self.spec.get("initContainers", ()):
            self._run(container)
            status = int(self._engine.run("wait", self._container(container["name"])))
            if status != 0:
                said = self.logs(container["name"])
                raise PodFailedError(
                    f"init container {container['name']} ended with status {status}:\n{said}"
                )
        for container in self.spec["containers"]:
            self._start_container(container)

    def _start_container(self, container: Fields) -> None:
        self._probes[container["name"]] = Probes(container)
        self._run(container)

    def delete(self) -> dict[str, int]:
        """Ends the pod as `kubectl delete pod` does, and returns the exit status of each container."""
        grace = str(self.spec.get("terminationGracePeriodSeconds", 30))
        names = [container["name"] for container in self.spec["containers"]]
        for name in names:
            self._engine.attempt("stop", "--time", grace, self._container(name), timeout=180)
        statuses = {name: self._state(name)["ExitCode"] for name in names}
        self.remove()
        return statuses

    def remove(self) -> None:
        """Removes whatever is left of the pod, claims excepted."""
        for container in (*self.spec.get("initContainers", ()), *self.spec["containers"]):
            self._engine.attempt(
                "rm", "--force", "--ignore", "--time", "0", self._container(container["name"])
            )
        shutil.rmtree(self._volumes.of_pod(self.name), ignore_errors=True)

    def kill(self, container: str) -> None:
        """Sends SIGKILL to a container, and does not start it again."""
        self._engine.run("kill", "--signal", "KILL", self._container(container))
        self._engine.run("wait", self._container(container))

    def restart(self, container: str) -> None:
        """Starts an ended container again, as restartPolicy Always does."""
        assert not self._state(container)["Running"]
        self._engine.run("rm", self._container(container))
        self._start_container(self._fields(container))

    # Looking at it

    def wait_until_ready(self, *, seconds: float = 90) -> float:
        """Polls the probes until every container is ready; returns the seconds that took.

        Raises:
            PodFailedError: A container ended, or would be killed by the kubelet.
        """
        began = time.monotonic()
        while not self.poll():
            if time.monotonic() > began + seconds:
                raise PodFailedError(f"{self.name} was not ready after {seconds} s:\n{self.all_logs()}")
            time.sleep(_POLL_SECONDS)
        return time.monotonic() - began

    def poll(self) -> bool:
        """Asks the probes that are due; returns whether the pod is ready.

        Raises:
            PodFailedError: A container ended, or would be killed by the kubelet.
        """
        for container in self.spec["containers"]:
            name = container["name"]
            probes = self._probes[name]
            probes.poll(lambda fields, container=container: self._answers(container, fields))
            if probes.must_restart:
                raise PodFailedError(f"{self.name}/{name}: the probes failed too often:\n{self.logs(name)}")
            if not self._state(name)["Running"]:
                status = self._state(name)["ExitCode"]
                raise PodFailedError(f"{self.name}/{name} ended with status {status}:\n{self.logs(name)}")
        return all(probes.ready for probes in self._probes.values())

    def _answers(self, container: Fields, probe: Fields) -> bool:
        timeout = probe.get("timeoutSeconds", 1)
        if "httpGet" in probe:
            port = self._port(container, probe["httpGet"]["port"])
            return http_answers(self.address, port, probe["httpGet"].get("path", "/"), timeout)
        asked = self._engine.attempt("exec", self._container(container["name"]), *probe["exec"]["command"])
        return asked.returncode == 0

    @staticmethod
    def _port(container: Fields, port: str | int) -> int:
        named = {found.get("name"): found["containerPort"] for found in container.get("ports", ())}
        return port if isinstance(port, int) else named[port]

    @property
    def address(self) -> str:
        """The pod's address, which the node reaches."""
        networks = self._engine.inspect(self._container(self.spec["containers"][0]["name"]))[
            "NetworkSettings"
        ]
        return str(networks["Networks"][self._network]["IPAddress"])

    def exec(self, container: str, *command: str, timeout: float = 120) -> tuple[int, str]:
        """Runs a command in a container; returns its status and what it printed."""
        done = self._engine.attempt("exec", self._container(container), *command, timeout=timeout)
        return done.returncode, done.stdout + done.stderr

    def logs(self, container: str) -> str:
        done = self._engine.attempt("logs", self._container(container))
        return done.stdout + done.stderr

    def all_logs(self) -> str:
        return "\n".join(self.logs(container["name"])[-4000:] for container in self.spec["containers"])

    def wait_until_ended(self, container: str, *, seconds: float = 60) -> int:
        """Waits for a container's end and returns its exit status."""
        return int(self._engine.run("wait", self._container(container), timeout=seconds))

    def _state(self, container: str) -> Mapping[str, Any]:
        state: Mapping[str, Any] = self._engine.inspect(self._container(container))["State"]
        return state

    # Translation

    def _fields(self, name: str) -> Fields:
        found: Fields = next(found for found in self.spec["containers"] if found["name"] == name)
        return found

    def _container(self, name: str) -> str:
        return f"{self.name}-{name}"

    def _run(self, container: Fields) -> None:
        image = self._engine.inspect(container["image"], "image")
        environment = effective_environment(container, self._facts, self._objects)
        options, arguments = translation.command_line(container, environment)
        self._engine.run(
            "run", "--detach", "--pull=never", "--name", self._container(container["name"]),
            *self._network_options(container["name"]),
            "--passwd=false", "--http-proxy=false",
            "--env-file", str(self._environment_file(container["name"], environment)),
            *translation.security(container, self.spec, image["Config"].get("User", "")),
            *translation.mounts(container, self._sources),
            *translation.resources(container),
            *options, container["image"], *arguments,
        )  # fmt: skip

    def _network_options(self, container: str) -> list[str]:
        names = [found["name"] for found in self.spec["containers"]]
        if container in names[1:]:
            return ["--network", f"container:{self._container(names[0])}"]
        # An init container is no endpoint of a Service: the pod is not ready yet.
        aliases = self._aliases if container in names else []
        return ["--hostname", self.name, "--network", self._network,
                *[f"--network-alias={alias}" for alias in aliases]]  # fmt: skip

    def _environment_file(self, container: str, environment: Mapping[str, str]) -> Path:
        """A file, since a command line is visible to every user of the machine."""
        path = self._volumes.of_pod(self.name) / f"{container}.environment"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        for name, value in environment.items():
            assert "\n" not in value, f"{name} has more than one line, which podman's file cannot hold"
        path.write_text("".join(f"{name}={value}\n" for name, value in environment.items()))
        return path
