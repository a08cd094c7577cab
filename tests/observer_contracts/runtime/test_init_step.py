"""The init step of `deploy/overlays/production`, run as the kubelet does it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from observer_contracts.evidence import kustomize

PRODUCTION = Path(__file__).resolve().parents[3] / "deploy/overlays/production"
HOME = "/opt/platform/runtime/observer"
POD = "observer-77cf5f5949-mxcpm"
# The kubelet puts these into every pod, whatever enableServiceLinks says.
OF_THE_KUBELET = {
    "KUBERNETES_SERVICE_HOST": "10.43.0.1",
    "KUBERNETES_PORT": "tcp://10.43.0.1:443",
    "KUBERNETES_PORT_443_TCP": "tcp://10.43.0.1:443",
}


@pytest.fixture(scope="module")
def rendered() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(kustomize.render(PRODUCTION, kustomize.read_sources(PRODUCTION))))


@pytest.fixture(scope="module")
def template(rendered: list[dict[str, Any]]) -> dict[str, Any]:
    deployment = next(found for found in rendered if found["kind"] == "Deployment")
    return deployment["spec"]["template"]


@pytest.fixture(scope="module")
def step(template: dict[str, Any]) -> dict[str, Any]:
    [found] = template["spec"]["initContainers"]
    return found


def _variables(
    step: dict[str, Any], rendered: list[dict[str, Any]], secret: dict[str, str]
) -> dict[str, str]:
    """The environment as the kubelet makes it: `envFrom` in order, then `env`."""
    maps = {found["metadata"]["name"]: found["data"] for found in rendered if found["kind"] == "ConfigMap"}
    fields = {"metadata.name": POD, "metadata.namespace": "observer-prod"}
    made: dict[str, str] = {}
    for source in step["envFrom"]:
        made |= maps[source["configMapRef"]["name"]] if "configMapRef" in source else secret
    for entry in step["env"]:
        value = entry.get("value")
        made[entry["name"]] = (
            value if value is not None else fields[entry["valueFrom"]["fieldRef"]["fieldPath"]]
        )
    return made | OF_THE_KUBELET


@pytest.fixture
def start(pod: Any, step: dict[str, Any], rendered: list[dict[str, Any]]) -> Callable[..., Any]:
    """Runs the init step; what is given differs from the manifest."""
    context = step["securityContext"]

    def started(*, environment: dict[str, str | None] | None = None, **changes: Any) -> Any:
        secret = {
            "KIS_APP_KEY": "PSabcdefghijklmnopqrstuvwxyz01234567",
            "KIS_APP_SECRET": "q7Zs" * 45,
            "KIS_HTS_ID": "trader01",
            **{key: pod.database[key] for key in ("DB_USER", "DB_PASSWORD")},
        }
        declared = _variables(step, rendered, secret)
        # The fixture's own variables must not fill in what the manifest forgets.
        mounts = {m["mountPath"]: "ro" if m.get("readOnly") else "rw" for m in step["volumeMounts"]}
        standard = {f"{HOME}/{name}": None for name in ("data", "logs", "universe", "config")} | {
            "/tmp": None
        }
        plan = {
            "environment": {**dict.fromkeys(pod.configuration), **declared, **(environment or {})},
            "options": {**standard, **mounts, **changes.pop("options", {})},
            "user": context["runAsUser"],
            "group": context["runAsGroup"],
            "read_only_root": context["readOnlyRootFilesystem"],
            "no_new_privileges": not context["allowPrivilegeEscalation"],
            "capabilities": "ALL" not in context["capabilities"]["drop"],
            "http": None,
            "arguments": tuple(step["args"]),
        }
        return pod.verify(**(plan | changes))

    return started


def test_it_lets_a_healthy_pod_start(start: Any) -> None:
    """The probes do not answer yet, and nobody writes: neither is a reason to refuse."""
    outcome = start()
    assert outcome.exit_status == 0, outcome.output + outcome.errors
    assert "refused" not in outcome.errors


def test_it_lets_the_standby_start(start: Any, pod: Any, hold_lock: Any) -> None:
    """The lock that another pod holds is what a standby waits for."""
    hold_lock(pod.lock_file("observer-77cf5f5949-tz962"))
    assert start().exit_status == 0


AWAY: dict[str, dict[str, Any]] = {
    "the database refuses connections": {"database": False},
    "the database's name does not exist": {"hosts": (), "no_such_name": True},
    "the name server is silent": {"hosts": ()},
    "the broker is away": {"tcp": ()},
    "the database has another password": {"environment": {"DB_PASSWORD": "changed-elsewhere"}},
    "the database has no tables": {"environment": {"DB_NAME": "empty"}},
    "/proc hides everything": {"before": "mount -t tmpfs -o ro none /proc"},
}


@pytest.mark.parametrize("case", AWAY)
def test_what_lies_outside_of_the_pod_keeps_nothing_from_recording(start: Any, case: str) -> None:
    """The journal needs neither database nor name server, and what cannot be seen is no finding."""
    outcome = start(**AWAY[case])
    assert outcome.exit_status == 0, outcome.output + outcome.errors


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no data volume": ({"options": {f"{HOME}/data": None}, "folders": (f"{HOME}/data",)}, "PATH-001"),
    "a read-only volume": ({"options": {f"{HOME}/data": "ro"}}, "CTX-004"),
    "another path": ({"environment": {"OBSERVER_DATA_DIR": "/app/data"}}, "PATH-002"),
    "no app key": ({"environment": {"KIS_APP_KEY": None}}, "SEC-002"),
    "another user": ({"user": 1001}, "CTX-001"),
    "a key of the ConfigMap": ({"environment": {"SERVICE_PORT": None}}, "ENV-003"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_refuses_on_a_critical_finding_and_says_why_at_the_end(start: Any, case: str) -> None:
    """The last lines, which the kubelet shows in the pod's state, name rule and remedy."""
    changes, rule = REFUSED[case]
    outcome = start(**changes)
    assert outcome.exit_status == 1, outcome.output + outcome.errors
    reasons = outcome.errors.partition("refused because of")[2].strip().splitlines()
    assert {line.split()[0] for line in reasons} == {rule}
    assert all("Remedy:" in line for line in reasons)


def test_less_than_critical_does_not_refuse(start: Any) -> None:
    """A wrong time zone is found, and costs no day."""
    outcome = start(environment={"TZ": "UTC"})
    assert outcome.exit_status == 0
    assert "ENV-006" in outcome.output


def test_a_defect_of_the_verification_lets_through(start: Any, pod: Any) -> None:
    """A parameters file that cannot be read is no finding about the pod."""
    outcome = start(before="mount -t tmpfs none /srv; cd /srv; printf 'format: 9\\n' > contracts.yaml")
    assert outcome.exit_status == 0
    assert "not verified, and let through" in outcome.errors


def test_step_and_collector_share_environment_mounts_and_context(
    template: dict[str, Any], step: dict[str, Any]
) -> None:
    """In our own manifest the two are equal to the letter."""
    [collector] = template["spec"]["containers"]
    for field in ("image", "imagePullPolicy", "envFrom", "env", "volumeMounts", "securityContext"):
        assert json.dumps(step[field], sort_keys=True) == json.dumps(collector[field], sort_keys=True), field
    assert template["spec"]["automountServiceAccountToken"] is False
