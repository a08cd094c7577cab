"""The roles that we ship are exactly what the verification needs."""

import copy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_emulator import Rights, Server

from observer_contracts.declaration.build import declare
from observer_contracts.evidence import kustomize
from observer_contracts.evidence.live.kubernetes_access import KubernetesAccess
from observer_contracts.evidence.live.observations import Persistence
from observer_contracts.evidence.live.persistence import PersistenceTest
from observer_contracts.evidence.live.reader import read_live
from observer_contracts.evidence.seeing import Unseen
from observer_contracts.model import Status
from observer_core.clock import KST

ROOT = Path(__file__).resolve().parents[3]
READER = "observer-contracts"


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The component's roles, rendered into the production namespace."""
    folder = tmp_path_factory.mktemp("overlay")
    component = folder / "contracts"
    component.mkdir()
    for path in (ROOT / "deploy/components/contracts").iterdir():
        (component / path.name).write_bytes(path.read_bytes())
    overlay = folder / "overlay"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        "namespace: observer-prod\ncomponents:\n  - ../contracts\n"
    )
    return list(yaml.safe_load_all(kustomize.render(overlay, kustomize.read_sources(overlay))))


def test_the_readers_role_is_enough(look: Any, server: Server, roles: list[dict[str, Any]]) -> None:
    """With it every question is answered but the node's own figures, which need a wide right."""
    server.rights = Rights.of(roles, READER)
    seen = look()
    assert seen.statuses("API-001") == {Status.PASS}, seen.said("API-001")
    assert seen.objects(Status.FAIL) == {}
    assert seen.objects(Status.UNKNOWN) == {"VOL-008": {"Node/obs-prod-arm"}}


def _single_rights(roles: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    return [
        (role["kind"], number, resource)
        for role in roles
        if role["kind"] in ("Role", "ClusterRole") and role["metadata"]["name"] == READER
        for number, rule in enumerate(role["rules"])
        for resource in rule["resources"]
    ]


def test_no_right_is_superfluous(look: Any, server: Server, roles: list[dict[str, Any]]) -> None:
    """Each right that is taken away leaves a question without answer."""
    for kind, number, resource in _single_rights(roles):
        fewer = copy.deepcopy(roles)
        for role in fewer:
            if (role["metadata"]["name"], role["kind"]) == (READER, kind):
                role["rules"][number]["resources"].remove(resource)
        server.rights = Rights.of(fewer, READER)
        unknown = look().objects(Status.UNKNOWN)
        assert set(unknown) - {"VOL-008"}, resource


class Night:
    """An hour at which pods may be deleted."""

    def now(self) -> datetime:
        return datetime(2026, 11, 23, 22, 0, tzinfo=KST)

    def monotonic(self) -> float:
        return 0.0

    def wait(self, seconds: float) -> None:
        raise AssertionError("the successors are there at once")


@pytest.mark.parametrize("also", [True, False])
def test_the_persistence_test_needs_its_own_role(
    access: KubernetesAccess, server: Server, roles: list[dict[str, Any]], also: bool
) -> None:
    """The reader alone may neither run a command nor delete a pod."""
    server.rights = Rights.of(roles, READER, *(["observer-contracts-persistence"] if also else []))
    live = read_live(declare(), access)
    outcome = PersistenceTest(declare(), access, Night(), timedelta(seconds=5)).run(live)
    assert isinstance(outcome, Persistence if also else Unseen), outcome
    assert any(method == "DELETE" for method, _ in server.requests) is also


def test_the_reader_changes_nothing(roles: list[dict[str, Any]]) -> None:
    """Neither a wide verb nor a Secret that is not named."""
    for role in roles:
        if role["metadata"]["name"] == READER and "rules" in role:
            for rule in role["rules"]:
                assert set(rule["verbs"]) <= {"get", "list"}
                assert "secrets" not in rule["resources"] or rule["resourceNames"]
