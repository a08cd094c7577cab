"""A backup target is one line of the overlay, and what it needs comes with it."""

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster_chart import Release, code_objects, merged
from renderings import DEPLOY, OVERLAYS, ROOT

from observer_contracts.declaration.build import declare
from observer_contracts.declaration.parameters import read_parameters
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence import kustomize
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.helm.values import read_values
from observer_contracts.model import Result, Status

COMPONENT = DEPLOY / "components/backup-volume"
SYSTEM = ROOT / "helm-values/dagster.yaml"
BUCKET, VOLUME = "OBSERVER_BACKUP_TARGET=s3://BUCKET/PREFIX", "OBSERVER_BACKUP_TARGET=/backup"
KEYS = ("OBSERVER_BACKUP_ACCESS_KEY", "OBSERVER_BACKUP_SECRET_KEY")
Copy = Callable[..., Path]


@pytest.fixture
def chosen(tmp_path: Path) -> Copy:
    """Returns an overlay's copy in which an operator has chosen."""

    def choose(overlay: str, line: str = "", *, component: bool = False, keys: tuple[str, ...] = ()) -> Path:
        shutil.copytree(DEPLOY, tmp_path / "deploy")
        place = tmp_path / "deploy/overlays" / overlay
        if line:
            environment = place / "backup.env"
            assert f"#{line}\n" in environment.read_text()
            environment.write_text(environment.read_text().replace(f"#{line}\n", f"{line}\n"))
        if component:
            with (place / "kustomization.yaml").open("a") as file:
                file.write("\ncomponents: [../../components/backup-volume]\n")
        if keys:
            sealed = tmp_path / "deploy/base/secrets/observer-secrets.yaml"
            secret = yaml.safe_load(sealed.read_text())
            data = secret["spec"]["encryptedData"]
            data |= dict.fromkeys(keys, data["DB_PASSWORD"])
            sealed.write_text(yaml.safe_dump(secret))
        return place

    return choose


def _rendered(place: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(kustomize.render(place, kustomize.read_sources(place))))


def _judged(place: Path, *values: Path) -> list[Result]:
    config = place / "contracts.yaml"
    parameters = read_parameters(config if config.exists() else ROOT / "contracts.yaml")
    verification = Verification(declare(parameters), read_manifests([str(place)], io.BytesIO()))
    if values:
        verification = replace(verification, values=read_values([str(file) for file in values]))
    return verify(
        replace(verification, only=("BAK-001", "VOL-002", "VOL-006", "ENV-001", "ENV-005", "ENV-007"))
    )


def _of_backup(results: list[Result]) -> set[Status]:
    assert {result.rule.id for result in results if result.status is Status.FAIL} <= {"BAK-001"}
    return {result.status for result in results if result.rule.id == "BAK-001"}


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("line", [BUCKET, VOLUME])
def test_one_line_reaches_collector_code_location_and_runs(overlay: str, line: str, chosen: Copy) -> None:
    """Schedules ask the code location whether there is a target, runs use it, the collector tells its age."""
    documents = _rendered(chosen(overlay, line))
    name, _, value = line.partition("=")
    maps = {d["metadata"]["name"]: d["data"] for d in documents if d["kind"] == "ConfigMap"}
    having = {found for found, data in maps.items() if data.get(name) == value}
    assert len(having) == 2
    assert "observer-environment" in having
    (collector,) = [d for d in documents if (d["kind"], d["metadata"]["name"]) == ("Deployment", "observer")]
    (container,) = collector["spec"]["template"]["spec"]["containers"]
    assert {one["configMapRef"]["name"] for one in container["envFrom"] if "configMapRef" in one} <= having
    launcher = merged(SYSTEM)["runLauncher"]["config"]["k8sRunLauncher"]
    assert {one["name"] for one in launcher["envConfigMaps"]} <= having
    code = merged(ROOT / "helm-values/dagster-code.yaml", defaults={})
    (location,) = [one for one in code_objects(code, Release("dagster-code")) if one["kind"] == "Deployment"]
    (container,) = location["spec"]["template"]["spec"]["containers"]
    assert {one["configMapRef"]["name"] for one in container["envFrom"] if "configMapRef" in one} & having


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_whoever_uses_the_target_says_that_it_is_the_deployment_of_its_namespace(
    overlay: str, chosen: Copy
) -> None:
    """Runs that dump, a person's pod that restores: one that says nothing would be refused its own target."""
    documents = _rendered(chosen(overlay))
    (maintenance,) = [d for d in documents if d["kind"] == "CronJob"]
    (by_hand,) = maintenance["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    launcher = merged(SYSTEM, ROOT / "helm-values/dagster-staging.yaml")["runLauncher"]["config"]
    runs = launcher["k8sRunLauncher"]
    for environment in (by_hand["env"], runs["runK8sConfig"]["containerConfig"]["env"]):
        (namespace,) = [one["valueFrom"] for one in environment if one["name"] == "POD_NAMESPACE"]
        assert namespace == {"fieldRef": {"fieldPath": "metadata.namespace"}}
    # They start in the namespace of their release, which is the overlay's.
    assert not runs.get("jobNamespace")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_without_a_target_the_contracts_warn(overlay: str, chosen: Copy) -> None:
    """Nothing leaves the node, which is no error of the manifests, and never silent."""
    assert _of_backup(_judged(chosen(overlay))) == {Status.WARN}


@pytest.mark.parametrize(("count", "status"), [(0, Status.FAIL), (1, Status.FAIL), (2, Status.PASS)])
def test_a_bucket_needs_both_keys(count: int, status: Status, chosen: Copy) -> None:
    """One alone opens nothing, and none nothing either where the Secret is among the manifests."""
    assert _of_backup(_judged(chosen("production", BUCKET, keys=KEYS[:count]))) == {status}


def test_the_keys_of_a_secret_made_by_hand_cannot_be_seen(chosen: Copy) -> None:
    """It may have both: that is said, and no fault."""
    place = chosen("production", BUCKET)
    base = place.parents[1] / "base/kustomization.yaml"
    lines = base.read_text().splitlines()
    [sealed] = [line for line in lines if "secrets/observer-secrets.yaml" in line]
    base.write_text("\n".join(line for line in lines if line != sealed))
    assert _of_backup(_judged(place)) == {Status.WARN}


def test_a_volume_needs_its_claim_and_its_mount(chosen: Copy) -> None:
    """The claim is kept and is no workload's; the values that mount it are asked for as well."""
    place = chosen("production", VOLUME, component=True)
    assert _of_backup(_judged(place)) == {Status.PASS}
    assert _of_backup(_judged(place, SYSTEM, COMPONENT / "dagster-values.yaml")) == {Status.PASS}
    assert _of_backup(_judged(place, SYSTEM)) == {Status.PASS, Status.FAIL}
    (claim,) = [d for d in _rendered(place) if d["metadata"]["name"] == declare().backup.claim]
    assert "Prune=false" in claim["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]
    # local-path would put it on the disk of the data.
    assert claim["spec"]["storageClassName"] == "observer-backup"


def test_a_folder_without_its_claim_is_refused(chosen: Copy) -> None:
    """It would be a folder of the run's own, or none."""
    assert _of_backup(_judged(chosen("production", VOLUME))) == {Status.FAIL}


def test_production_has_the_four_claims_of_the_contract(chosen: Copy) -> None:
    """The fifth is the component's."""
    place = chosen("production")
    assert len([d for d in _rendered(place) if d["kind"] == "PersistentVolumeClaim"]) == 4
