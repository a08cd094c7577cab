"""The kubelet of these tests: what it takes from a pod spec, checked without a container."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest
from kubelet import CreateContainerConfigError, NotTranslatedError, Objects, effective_environment
from kubelet.probes import Probes
from kubelet.translation import check_pod, command_line, mounts, resources, security
from kubelet.volumes import Source, Volumes

FACTS = {"metadata": {"name": "observer-1", "namespace": "ns", "labels": {"app": "observer"}}, "status": {}}


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, **data: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"kind": "Secret", "metadata": {"name": name}, "data": encoded}


def test_env_wins_over_a_later_env_from_and_that_over_an_earlier_one() -> None:
    """The order of precedence of Kubernetes."""
    objects = Objects([config_map("one", A="1", B="1", C="1"), secret("two", B="2", C="2")])
    container = {
        "envFrom": [{"configMapRef": {"name": "one"}}, {"secretRef": {"name": "two"}}],
        "env": [{"name": "C", "value": "3"}],
    }
    assert effective_environment(container, FACTS, objects) == {"A": "1", "B": "2", "C": "3"}


def test_references_see_what_stands_before_them() -> None:
    """`$(NAME)` knows all of `envFrom` and the earlier entries of `env`; `$$` is a dollar sign."""
    objects = Objects([config_map("one", FROM="x")])
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A) $(FROM) $(LATER) $$(A)"}]
    container = {"envFrom": [{"configMapRef": {"name": "one"}}], "env": env}
    assert effective_environment(container, FACTS, objects)["B"] == "1 x $(LATER) $(A)"


def test_fields_of_the_pod_reach_the_environment() -> None:
    """The downward API, names and labels."""
    env = [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
    ]
    found = effective_environment({"env": env}, FACTS, Objects([]))
    assert found == {"POD_NAME": "observer-1", "APP": "observer"}


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"envFrom": [{"secretRef": {"name": "gone"}}]}, 'secret "gone" not found'),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "here", "key": "gone"}}}]},
            "find key gone",
        ),
    ],
)
def test_what_is_missing_keeps_the_container_from_being_created(
    container: dict[str, Any], message: str
) -> None:
    """Unless it is optional."""
    objects = Objects([secret("here", KEY="1")])
    with pytest.raises(CreateContainerConfigError, match=message):
        effective_environment(container, FACTS, objects)
    for source in container.get("envFrom", ()):
        source["secretRef"]["optional"] = True
    for variable in container.get("env", ()):
        variable["valueFrom"]["secretKeyRef"]["optional"] = True
    assert effective_environment(container, FACTS, objects) == {}


@pytest.mark.parametrize(
    "change",
    [{"hostNetwork": True}, {"shareProcessNamespace": True}, {"enableServiceLinks": True}],
)
def test_a_field_that_is_not_translated_is_refused(change: dict[str, Any]) -> None:
    """Nothing is silently ignored."""
    pod = {"enableServiceLinks": False, "containers": [{"name": "a", "image": "b"}]}
    check_pod(pod)
    with pytest.raises(NotTranslatedError):
        check_pod({**pod, **change})


def test_the_security_context_becomes_options() -> None:
    """The container's own fields win over the pod's, and nothing is added."""
    pod = {"securityContext": {"fsGroup": 1000, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}}}
    container = {
        "name": "a",
        "securityContext": {
            "runAsUser": 1000, "runAsGroup": 1000, "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
        },
    }  # fmt: skip
    assert security(container, pod, "") == [
        "--user", "1000:1000", "--group-add=1000", "--read-only", "--read-only-tmpfs=false",
        "--security-opt", "no-new-privileges", "--cap-drop=ALL",
    ]  # fmt: skip
    assert "seccomp=unconfined" in security({"name": "a"}, {}, "")


@pytest.mark.parametrize("user", ["", "0", "root"])
def test_a_container_that_must_not_be_root_is_not_created_as_root(user: str) -> None:
    """Nor where the image names a user that nobody can judge from outside."""
    with pytest.raises(CreateContainerConfigError, match=r"runAsNonRoot|as root"):
        security({"name": "a", "securityContext": {"runAsNonRoot": True}}, {}, user)


def test_command_replaces_the_entry_point_and_args_the_command() -> None:
    """The words of Kubernetes and those of images differ."""
    container = {"command": ["a", "$(X)"], "args": ["c"]}
    assert command_line(container, {"X": "b"}) == (["--entrypoint", "a"], ["b", "c"])
    assert command_line({"args": ["c"]}, {}) == ([], ["c"])


def test_a_mount_without_a_volume_is_refused(tmp_path: Path) -> None:
    """I-13, as the API server refuses it."""
    container = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    with pytest.raises(CreateContainerConfigError, match="data"):
        mounts(container, {})
    assert mounts(container, {"data": Source(tmp_path, always_read_only=True)})[1].endswith(
        ":/data:ro,rprivate"
    )


def test_limits_become_limits() -> None:
    """Memory without swap, and shares of a processor."""
    wanted = {"limits": {"memory": "2Gi", "cpu": "500m"}, "requests": {"cpu": "250m", "memory": "1Gi"}}
    assert resources({"resources": wanted}) == [
        "--memory", "2147483648", "--memory-swap", "2147483648", "--cpus", "0.5", "--cpu-shares", "256",
    ]  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="ownership can be given by root only")
def test_the_group_of_the_pod_owns_claims_and_empty_folders_and_no_folder_of_the_node(tmp_path: Path) -> None:
    """FsGroup, and where it does not act."""
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": "data-pvc"}}
    volumes, host = Volumes(tmp_path / "node"), tmp_path / "host"
    host.mkdir()
    kinds: dict[str, dict[str, Any]] = {
        "data": {"persistentVolumeClaim": {"claimName": "data-pvc"}},
        "tmp": {"emptyDir": {}},
        "host": {"hostPath": {"path": str(host)}},
    }
    groups = {}
    for name, kind in kinds.items():
        folder = volumes.provide({"name": name, **kind}, "pod", "ns", Objects([claim]), 1234).folder
        groups[name] = (folder.stat().st_gid, bool(folder.stat().st_mode & 0o2020))
    assert groups["data"] == groups["tmp"] == (1234, True)
    assert groups["host"][0] == 0


def test_readiness_waits_for_the_start_and_is_asked_at_once_then() -> None:
    """And one failure among successes does not count against liveness."""
    asked: list[str] = []
    answers = {"/health": False, "/ready": True}

    def ask(probe: dict[str, Any]) -> bool:
        asked.append(probe["httpGet"]["path"])
        return answers[asked[-1]]

    def probe(path: str) -> dict[str, Any]:
        return {"httpGet": {"path": path, "port": 1}, "periodSeconds": 0, "failureThreshold": 2}

    probes = Probes({"startupProbe": probe("/health"), "readinessProbe": probe("/ready")})
    probes.poll(ask)
    assert (asked, probes.ready, probes.must_restart) == (["/health"], False, False)
    answers["/health"] = True
    probes.poll(ask)
    assert (asked, probes.ready) == (["/health", "/health", "/ready"], True)
