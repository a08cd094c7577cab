"""What the objects promise beyond the contracts: rolling, pinning, narrow accounts, nothing pruned."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from renderings import DEPLOY, ROOT, Rendering, render

from observer_contracts.evidence import kustomize

PRUNE, KEEP = "argocd.argoproj.io/sync-options", "helm.sh/resource-policy"


def _containers(template: dict[str, Any]) -> list[dict[str, Any]]:
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def test_the_namespace_enforces_the_restricted_standard(renderings: list[Rendering]) -> None:
    """The admission of 1.34 refuses what breaks the standard, also a run Job."""
    for rendering in renderings:
        labels = rendering.of("Namespace")[0]["metadata"]["labels"]
        for mode in ("enforce", "audit", "warn"):
            assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
            assert labels[f"pod-security.kubernetes.io/{mode}-version"] == "v1.34"


def test_every_pod_is_closed(renderings: list[Rendering]) -> None:
    """No token, no service links, a seccomp profile, no root, nothing writable but limited folders."""
    seen = set()
    for rendering in renderings:
        for name, template in rendering.pods():
            seen.add(name)
            pod = template["spec"]
            assert pod["automountServiceAccountToken"] is False
            assert pod["enableServiceLinks"] is False
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            assert pod["serviceAccountName"] not in ("", "default")
            for container in _containers(template):
                context = container["securityContext"]
                assert context["runAsNonRoot"] is True
                assert context["readOnlyRootFilesystem"] is True
                assert context["allowPrivilegeEscalation"] is False
                assert context["capabilities"] == {"drop": ["ALL"]}
                assert container["resources"]["limits"]["memory"]
                assert container["resources"]["limits"]["ephemeral-storage"]
            for volume in pod["volumes"]:
                assert "hostPath" not in volume
                assert volume.get("emptyDir", {"sizeLimit": "-"})["sizeLimit"]
    assert {"observer", "postgres"} <= seen


def test_the_writer_and_its_standby_share_a_node(renderings: list[Rendering]) -> None:
    """CF-7: two replicas on one named node, one replaced at a time, each container probed for itself."""
    for rendering in renderings:
        deployment = rendering.find("Deployment", "observer")
        template = deployment["spec"]["template"]
        assert deployment["spec"]["replicas"] == 2
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
        selector = template["spec"]["nodeSelector"]
        assert len(selector) == 1
        assert set(selector) <= {"kubernetes.io/hostname", "observer/node"}
        assert (
            rendering.find("StatefulSet", "postgres")["spec"]["template"]["spec"]["nodeSelector"] == selector
        )
        for container in template["spec"]["containers"]:
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)


def test_operators_see_the_pod_that_is_not_ready(renderings: list[Rendering]) -> None:
    """Programs get ready pods; operators get all; a monitor that selects by label finds a pod once."""
    for rendering in renderings:
        programs = rendering.find("Service", "observer")
        operators = rendering.find("Service", "observer-operators")
        assert programs["spec"]["selector"] == operators["spec"]["selector"] == {"app": "observer"}
        assert not programs["spec"].get("publishNotReadyAddresses", False)
        assert operators["spec"]["publishNotReadyAddresses"] is True
        assert operators["spec"]["clusterIP"] == "None"
        assert programs["metadata"]["labels"]["app"] != operators["metadata"]["labels"]["app"]


def _config_map(rendering: Rendering, name: str) -> dict[str, Any]:
    """Returns the ConfigMap of that name, with or without its hash."""
    (found,) = [
        found for found in rendering.of("ConfigMap")
        if re.fullmatch(rf"{name}(-[a-z0-9]{{10}})?", found["metadata"]["name"])
    ]  # fmt: skip
    return found


def test_dagster_gets_the_collectors_configuration(renderings: list[Rendering]) -> None:
    """The names that Helm can follow hold the same as the hashed ones, whatever an overlay changes."""
    for rendering in renderings:
        for hashed, stable in (
            ("observer-config", "observer-environment"),
            ("observer-mounted-files", "observer-files"),
        ):
            first, second = _config_map(rendering, hashed), _config_map(rendering, stable)
            assert first["data"] == second["data"]
            assert (first["metadata"]["name"] != hashed, second["metadata"]["name"]) == (True, stable)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("base/kustomization.yaml", "LOG_LEVEL=INFO", "LOG_LEVEL=WARNING"),
        ("base/collector/configuration.txt", "Files of this folder", "The files of this folder"),
    ],
)
def test_a_change_of_the_configuration_rolls_the_pods(
    file: str, old: str, new: str, production: Rendering, tmp_path: Path
) -> None:
    """The pod template changes with a value or a file, so that the Deployment starts new pods."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    path = tmp_path / "deploy" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    overlay = tmp_path / "deploy/overlays/production"
    documents = list(yaml.safe_load_all(kustomize.render(overlay, kustomize.read_sources(overlay))))
    changed = next(found for found in documents if found["kind"] == "Deployment")
    assert changed["spec"]["template"] != production.find("Deployment", "observer")["spec"]["template"]


def test_nothing_that_holds_data_is_pruned(renderings: list[Rendering]) -> None:
    """local-path deletes the data with the claim, and the claim goes with its namespace."""
    for rendering in renderings:
        kept = rendering.of("Namespace", "PersistentVolumeClaim", "StatefulSet")
        assert len(kept) >= 6
        for found in kept:
            annotations = found["metadata"]["annotations"]
            assert set(annotations[PRUNE].split(",")) >= {"Prune=false", "Delete=false"}
            assert annotations[KEEP] == "keep"


def test_no_budget_blocks_the_drain_of_the_one_node(renderings: list[Rendering]) -> None:
    """Writer and standby are on one node: any budget over them would hold its drain for ever."""
    assert [str(rendering) for rendering in renderings if rendering.of("PodDisruptionBudget")] == []


def test_each_program_has_an_account_of_its_own(renderings: list[Rendering]) -> None:
    """Collector, database, Dagster, runs; with the component live evidence and the persistence test."""
    for rendering in renderings:
        accounts = {found["metadata"]["name"] for found in rendering.of("ServiceAccount")}
        assert {"observer", "postgres", "dagster", "dagster-runs"} <= accounts
        if "contracts" in rendering.components:
            assert {"observer-contracts", "observer-contracts-persistence"} <= accounts
        used = [template["spec"]["serviceAccountName"] for _, template in rendering.pods()]
        assert len(used) == len(set(used))
        assert set(used) <= accounts


def _rights(rendering: Rendering, account: str) -> set[tuple[str, str, str]]:
    """Returns group, resource and verb of everything that the roles bound to an account allow."""
    rights = set()
    for binding in rendering.of("RoleBinding", "ClusterRoleBinding"):
        if account in [subject["name"] for subject in binding["subjects"]]:
            role = rendering.find(binding["roleRef"]["kind"], binding["roleRef"]["name"])
            for rule in role["rules"]:
                rights |= {
                    (group, resource, verb)
                    for group in rule["apiGroups"]
                    for resource in rule["resources"]
                    for verb in rule["verbs"]
                }
    return rights


def test_the_rights_are_narrow(renderings: list[Rendering]) -> None:
    """Dagster may start and end run Jobs and look at them; nobody else changes anything or sees a Secret.

    That Dagster's role has every verb the launcher calls, and no other, is measured in tests/deploy/launcher.
    """
    for rendering in renderings:
        rights = _rights(rendering, "dagster")
        assert {(group, resource) for group, resource, _ in rights} == {
            ("batch", "jobs"),
            ("batch", "jobs/status"),
            ("", "pods"),
            ("", "pods/log"),
            ("", "events"),
        }
        assert {resource for _, resource, verb in rights if verb == "create"} == {"jobs"}
        assert {verb for _, _, verb in rights} <= {"create", "delete", "get", "list"}
        for account in ("observer", "postgres", "dagster-runs"):
            assert _rights(rendering, account) == set()
        for account in ("observer-contracts", "observer-contracts-persistence"):
            verbs = {verb for _, resource, verb in _rights(rendering, account) if resource != "pods/exec"}
            changing = verbs - {"get", "list"}
            assert changing == ({"delete"} if account.endswith("persistence") and verbs else set())
        backfills = _rights(rendering, "dagster-backfills")
        assert bool(backfills) == ("wide-backfills" in rendering.components)
        assert backfills < rights


def test_the_sidecars_values_fit(tmp_path: Path) -> None:
    """Dagster's workspace asks the component's Service, and runs get the image that serves the code."""
    values = yaml.safe_load((DEPLOY / "components/collector-sidecar/dagster-values.yaml").read_text())
    (server,) = values["dagsterWebserver"]["workspace"]["servers"]
    rendering = render(tmp_path, "production", ("collector-sidecar",))
    service = rendering.find("Service", server["host"])
    assert [port["port"] for port in service["spec"]["ports"]] == [server["port"]]
    pod = rendering.find("Deployment", "observer")["spec"]["template"]["spec"]
    code = next(container for container in pod["containers"] if container["name"] == "code-location")
    image = values["runLauncher"]["config"]["k8sRunLauncher"]["image"]
    assert code["image"] == f"{image['repository']}:{image['tag']}"
    base = yaml.safe_load((ROOT / "helm-values/dagster.yaml").read_text())
    assert base["dagsterWebserver"]["workspace"]["servers"][0]["name"] == server["name"]


def test_the_sidecar_has_the_environment_of_the_charts_code_location(tmp_path: Path) -> None:
    """The same sensors run in both; without the webhook's address `alerts` skips for ever."""
    rendering = render(tmp_path, "production", ("collector-sidecar",))
    pod = rendering.find("Deployment", "observer")["spec"]["template"]["spec"]
    sidecar = next(container for container in pod["containers"] if container["name"] == "code-location")
    values = yaml.safe_load((ROOT / "helm-values/dagster-code.yaml").read_text())
    by_name = {entry["name"]: entry for entry in sidecar["env"]}
    for entry in values["deployments"][0]["env"]:
        assert by_name.get(entry["name"]) == entry
