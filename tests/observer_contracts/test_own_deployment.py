"""The five items that the specification asks for, as tests of this repository's own deployment.

Expected values are those of the specification's tables (sections 1-2 and 3-1), written out here.
"""

from collections.abc import Callable
from typing import Any

import pytest

from observer_contracts.model import Result, Status

HOME = "/opt/platform/runtime/observer"
PATHS = {
    "OBSERVER_DATA_DIR": f"{HOME}/data",
    "OBSERVER_LOG_DIR": f"{HOME}/logs",
    "OBSERVER_CONFIG_DIR": f"{HOME}/config",
    "OBSERVER_SNAPSHOT_DIR": f"{HOME}/universe",
    "OBSERVER_SYSTEM_LOG_DIR": f"{HOME}/logs/system",
    "OBSERVER_MAINTENANCE_LOG_DIR": f"{HOME}/logs/maintenance",
    "KIS_TOKEN_CACHE_DIR": f"{HOME}/data/cache",
}


@pytest.fixture
def pod(production: list[dict[str, Any]]) -> dict[str, Any]:
    return next(d for d in production if d["kind"] == "Deployment")["spec"]["template"]["spec"]


@pytest.fixture
def configuration(production: list[dict[str, Any]]) -> dict[str, str]:
    return next(d for d in production if d["kind"] == "ConfigMap" and "DB_HOST" in d["data"])["data"]


@pytest.fixture
def results(production: list[dict[str, Any]], verify_documents: Callable[..., list[Result]]) -> list[Result]:
    return verify_documents(production)


def _holds(results: list[Result], *prefixes: str) -> None:
    own = [result for result in results if result.rule.id.startswith(prefixes)]
    assert own
    assert {result.status for result in own} <= {Status.PASS, Status.WARN}


def test_paths(configuration: dict[str, str], results: list[Result]) -> None:
    """The seven paths are the specification's in the ConfigMap, and the rules find the layers equal."""
    assert {name: configuration[name] for name in PATHS} == PATHS
    _holds(results, "PATH-")


def test_environment(configuration: dict[str, str], pod: dict[str, Any], results: list[Result]) -> None:
    """Fifteen keys come from the ConfigMap, four from the pod, the rest from the Secret."""
    assert len(configuration) == 15
    assert [entry["name"] for entry in pod["containers"][0]["env"]] == [
        "POD_NAME",
        "POD_NAMESPACE",
        "TZ",
        "PYTHONUNBUFFERED",
    ]
    _holds(results, "ENV-", "SEC-", "DB-003")


def test_ports(
    configuration: dict[str, str], production: list[dict[str, Any]], results: list[Result]
) -> None:
    """The service listens on 8000 and the database on 5432, through their Services."""
    services = {
        d["metadata"]["name"]: d["spec"]["ports"][0]["port"] for d in production if d["kind"] == "Service"
    }
    assert (configuration["SERVICE_PORT"], configuration["DB_PORT"], configuration["DB_HOST"]) == (
        "8000",
        "5432",
        "postgres",
    )
    specified = {"observer": 8000, "postgres": 5432, "postgres-headless": 5432}
    assert {name: services[name] for name in specified} == specified
    _holds(results, "SVC-", "DB-", "PRB-", "NET-")


def test_volumes(production: list[dict[str, Any]], pod: dict[str, Any], results: list[Result]) -> None:
    """Four claims with the specification's sizes; the configuration is a ConfigMap, no hostPath."""
    sizes = {
        d["metadata"]["name"]: d["spec"]["resources"]["requests"]["storage"]
        for d in production
        if d["kind"] == "PersistentVolumeClaim"
    }
    assert sizes == {
        "observer-db-pvc": "10Gi",
        "observer-data-pvc": "20Gi",
        "observer-logs-pvc": "5Gi",
        "observer-universe-pvc": "1Gi",
    }
    assert "configMap" in next(volume for volume in pod["volumes"] if volume["name"] == "observer-config")
    _holds(results, "VOL-")


def test_permissions(pod: dict[str, Any], results: list[Result]) -> None:
    """uid, gid and fsGroup are 1000, the root is read-only, nothing is privileged."""
    assert pod["securityContext"]["fsGroup"] == 1000
    assert pod["containers"][0]["securityContext"] == {
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    _holds(results, "CTX-", "PSS-", "RBAC-")


def test_the_guide_in_the_repository_is_complete() -> None:
    """The guide's command gives the Secret all thirteen keys, and Dagster's."""
    from pathlib import Path

    from observer_contracts.declaration.build import declare
    from observer_contracts.evidence.document_claims import secret_commands

    text = (Path(__file__).resolve().parents[2] / "docs/operations/secrets.md").read_text()
    commands = [
        command for command in secret_commands("secrets.md", text) if command.name == "observer-secrets"
    ]
    assert [set(command.keys) for command in commands] == [{*declare().secret.keys, "postgresql-password"}]
