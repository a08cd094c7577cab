"""From a container of a pod spec to the arguments of `podman run`.

Invariant: exactly the rights of the pod spec. What podman would add for comfort (writable tmpfs on a
read-only root, an entry in /etc/passwd, the proxy of the machine) is switched off, and what the kubelet
leaves open stays open (no seccomp profile unless the pod asks for one).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubelet.environment import CreateContainerConfigError, expand
from kubelet.manifests import Fields, NotTranslatedError, only
from kubelet.volumes import Source

# What the scheduler, the API server, the registry and the service account's token are asked for.
_ACTS_ELSEWHERE = (
    "affinity", "automountServiceAccountToken", "imagePullSecrets", "nodeSelector", "priorityClassName",
    "schedulerName", "serviceAccount", "serviceAccountName", "tolerations", "topologySpreadConstraints",
)  # fmt: skip
_POD = (
    "containers", "enableServiceLinks", "initContainers", "restartPolicy", "securityContext",
    "terminationGracePeriodSeconds", "volumes",
)  # fmt: skip
_CONTAINER = (
    "name", "image", "imagePullPolicy", "command", "args", "workingDir", "env", "envFrom", "ports",
    "volumeMounts", "securityContext", "resources", "startupProbe", "livenessProbe", "readinessProbe",
    "terminationMessagePath", "terminationMessagePolicy",
)  # fmt: skip
_POD_SECURITY = (
    "fsGroup", "fsGroupChangePolicy", "runAsUser", "runAsGroup", "runAsNonRoot", "supplementalGroups",
    "seccompProfile",
)  # fmt: skip
_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "k": 10**3, "M": 10**6, "G": 10**9}


def check_pod(spec: Fields) -> None:
    """Refuses a pod that asks for something unknown.

    Raises:
        NotTranslatedError: It does.
    """
    only(spec, "pod", *_POD, *_ACTS_ELSEWHERE)
    if spec.get("enableServiceLinks", True):
        raise NotTranslatedError("pod: enableServiceLinks is not false")
    only(spec.get("securityContext", {}), "pod.securityContext", *_POD_SECURITY)
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        only(container, f"container {container['name']}", *_CONTAINER)


def command_line(container: Fields, environment: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Returns options and arguments: `command` replaces the image's ENTRYPOINT, `args` its CMD."""
    command = [expand(word, environment) for word in container.get("command", ())]
    arguments = [expand(word, environment) for word in container.get("args", ())]
    options = ["--workdir", container["workingDir"]] if "workingDir" in container else []
    if not command:
        return options, arguments
    return [*options, "--entrypoint", command[0]], [*command[1:], *arguments]


def security(container: Fields, pod: Fields, image_user: str) -> list[str]:
    """Returns the options for user, groups, capabilities, root file system and system calls.

    Args:
        image_user: USER of the image, which counts where neither container nor pod name one.

    Raises:
        CreateContainerConfigError: The container would run as root and must not, or nobody can tell.
    """
    own, shared = container.get("securityContext", {}), pod.get("securityContext", {})
    only(own, f"container {container['name']}.securityContext", "runAsUser", "runAsGroup", "runAsNonRoot",
         "readOnlyRootFilesystem", "allowPrivilegeEscalation", "capabilities", "seccompProfile")  # fmt: skip
    merged = {**{key: shared[key] for key in shared if key.startswith(("runAs", "seccomp"))}, **own}
    return [
        *_user(merged, image_user),
        *_groups(shared),
        *(["--read-only", "--read-only-tmpfs=false"] if own.get("readOnlyRootFilesystem") else []),
        *([] if own.get("allowPrivilegeEscalation", True) else ["--security-opt", "no-new-privileges"]),
        *[f"--cap-drop={name}" for name in own.get("capabilities", {}).get("drop", ())],
        *[f"--cap-add={name}" for name in own.get("capabilities", {}).get("add", ())],
        *_system_calls(merged.get("seccompProfile", {"type": "Unconfined"})),
    ]


def _user(merged: Fields, image_user: str) -> list[str]:
    user = str(merged.get("runAsUser", image_user.partition(":")[0] or "0"))
    if merged.get("runAsNonRoot"):
        if not user.isdigit():
            raise CreateContainerConfigError(
                f"container has runAsNonRoot and image has non-numeric user ({user}), "
                "cannot verify user is non-root"
            )
        if int(user) == 0:
            raise CreateContainerConfigError("container has runAsNonRoot and image will run as root")
    group = merged.get("runAsGroup", image_user.partition(":")[2] or 0)
    return ["--user", f"{user}:{group}"]


def _groups(shared: Fields) -> list[str]:
    further = [shared["fsGroup"]] if "fsGroup" in shared else []
    return [f"--group-add={group}" for group in (*further, *shared.get("supplementalGroups", ()))]


def _system_calls(profile: Fields) -> list[str]:
    match profile["type"]:
        case "RuntimeDefault":
            return []
        case "Unconfined":
            return ["--security-opt", "seccomp=unconfined"]
        case other:
            raise NotTranslatedError(f"seccompProfile {other}")


def mounts(container: Fields, sources: Mapping[str, Source]) -> list[str]:
    """Returns the options for the volumes.

    Raises:
        CreateContainerConfigError: A mount has no volume (I-13).
    """
    options = []
    for mount in container.get("volumeMounts", ()):
        only(mount, f"mount {mount['name']}", "name", "mountPath", "readOnly", "subPath")
        if mount["name"] not in sources:
            raise CreateContainerConfigError(f'volumeMounts: Not found: "{mount["name"]}"')
        source = sources[mount["name"]]
        folder: Path = source.folder / mount.get("subPath", "")
        mode = "ro" if mount.get("readOnly") or source.always_read_only else "rw"
        options += ["--volume", f"{folder}:{mount['mountPath']}:{mode},rprivate"]
    return options


def resources(container: Fields) -> list[str]:
    """Returns the options for memory and processors; ephemeral storage is kept by eviction."""
    wanted: Mapping[str, Any] = container.get("resources", {})
    limits, requests = wanted.get("limits", {}), wanted.get("requests", {})
    only(limits, "limits", "cpu", "memory", "ephemeral-storage")
    only(requests, "requests", "cpu", "memory", "ephemeral-storage")
    options = []
    if "memory" in limits:
        memory = str(quantity(limits["memory"]))
        options += ["--memory", memory, "--memory-swap", memory]
    if "cpu" in limits:
        options += ["--cpus", str(cores(limits["cpu"]))]
    if "cpu" in requests:
        options += ["--cpu-shares", str(max(2, int(cores(requests["cpu"]) * 1024)))]
    return options


def quantity(text: object) -> int:
    """Returns a quantity of memory in bytes."""
    value = str(text)
    for unit, factor in _UNITS.items():
        if value.endswith(unit):
            return int(float(value.removesuffix(unit)) * factor)
    return int(value)


def cores(text: object) -> float:
    """Returns a quantity of processors."""
    value = str(text)
    return float(value[:-1]) / 1000 if value.endswith("m") else float(value)
