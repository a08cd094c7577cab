"""The declaration is the specification's, and follows the programs."""

import pytest

from observer_contracts.declaration.build import declare
from observer_contracts.declaration.parameters import Parameters
from observer_core.settings import DatabaseSettings, PathSettings, ServiceSettings

HOME = "/opt/platform/runtime/observer"


def test_paths_are_the_seven_of_the_specification() -> None:
    """Section 3-1: four mounts, three folders below them; only the configuration is read-only."""
    assert {(p.variable, p.path, p.mount, p.writable) for p in declare().paths} == {
        ("OBSERVER_DATA_DIR", f"{HOME}/data", "OBSERVER_DATA_DIR", True),
        ("OBSERVER_LOG_DIR", f"{HOME}/logs", "OBSERVER_LOG_DIR", True),
        ("OBSERVER_CONFIG_DIR", f"{HOME}/config", "OBSERVER_CONFIG_DIR", False),
        ("OBSERVER_SNAPSHOT_DIR", f"{HOME}/universe", "OBSERVER_SNAPSHOT_DIR", True),
        ("OBSERVER_SYSTEM_LOG_DIR", f"{HOME}/logs/system", "OBSERVER_LOG_DIR", True),
        ("OBSERVER_MAINTENANCE_LOG_DIR", f"{HOME}/logs/maintenance", "OBSERVER_LOG_DIR", True),
        ("KIS_TOKEN_CACHE_DIR", f"{HOME}/data/cache", "OBSERVER_DATA_DIR", True),
    }


def test_keys_are_those_of_the_specification() -> None:
    """Section 1-2: fifteen keys of the ConfigMap, four of the pod; the guide's thirteen of the Secret."""
    declared = declare()
    assert sorted(fact.name for fact in declared.configuration) == sorted(
        [
            "LOG_LEVEL",
            "LOG_FORMAT",
            "SERVICE_PORT",
            "DB_HOST",
            "DB_PORT",
            "DB_NAME",
            "OBSERVER_LOG_DIR",
            "OBSERVER_DATA_DIR",
            "OBSERVER_CONFIG_DIR",
            "OBSERVER_SYSTEM_LOG_DIR",
            "OBSERVER_MAINTENANCE_LOG_DIR",
            "OBSERVER_SNAPSHOT_DIR",
            "KIS_TOKEN_CACHE_DIR",
            "OBSERVER_STANDALONE",
            "PYTHONUNBUFFERED",
        ]
    )
    assert [(f.name, f.field or f.value) for f in declared.pod_variables] == [
        ("POD_NAME", "metadata.name"),
        ("POD_NAMESPACE", "metadata.namespace"),
        ("TZ", "Asia/Seoul"),
        ("PYTHONUNBUFFERED", "1"),
    ]
    assert declared.secret.keys == (
        "DB_USER",
        "DB_PASSWORD",
        "POSTGRES_USER",
        "POSTGRES_PASSWORD",
        "POSTGRES_DB",
        "PGHOST",
        "PGPORT",
        "PGDATABASE",
        "PGUSER",
        "PGPASSWORD",
        "KIS_APP_KEY",
        "KIS_APP_SECRET",
        "KIS_HTS_ID",
    )
    assert declared.secret.optional_keys == (
        "postgresql-password",
        "KIWOOM_APP_KEY",
        "KIWOOM_APP_SECRET",
        "KIS_RESERVE_APP_KEY",
        "KIS_RESERVE_APP_SECRET",
        "OBSERVER_ALERT_WEBHOOK_URL",
        "OBSERVER_DEAD_MAN_URL",
        "OBSERVER_BACKUP_ACCESS_KEY",
        "OBSERVER_BACKUP_SECRET_KEY",
    )


def test_volumes_and_disk_are_those_of_the_specification() -> None:
    """Sections 1-2 and 2-1: four claims that together ask for the 36 GiB the node must have free."""
    declared = declare()
    assert {(v.claim, v.capacity_gib, v.mount_path) for v in declared.volumes if v.claim} == {
        ("observer-data-pvc", 20, f"{HOME}/data"),
        ("observer-logs-pvc", 5, f"{HOME}/logs"),
        ("observer-universe-pvc", 1, f"{HOME}/universe"),
        ("observer-db-pvc", 10, "/var/lib/postgresql/data"),
    }
    assert declared.free_disk_gib == 36


def test_egress_is_the_brokers() -> None:
    """Broker reference, section 1: 9443, 21000, the paper ports; 443, names, database, API server."""
    assert {(e.port, e.protocol) for e in declare().egress} == {
        (9443, "TCP"),
        (21000, "TCP"),
        (29443, "TCP"),
        (31000, "TCP"),
        (443, "TCP"),
        (53, "UDP"),
        (53, "TCP"),
        (5432, "TCP"),
        (6443, "TCP"),
    }


def _change_default(monkeypatch: pytest.MonkeyPatch, model: type, field: str, value: object) -> None:
    monkeypatch.setattr(model.model_fields[field], "default", value)
    model.model_rebuild(force=True)


@pytest.fixture
def restored() -> object:
    """Rebuilds the models after a test has changed their defaults back."""
    yield
    for model in (DatabaseSettings, PathSettings, ServiceSettings):
        model.model_rebuild(force=True)


def test_a_changed_default_changes_the_expectation(
    restored: object, production, verify_documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the program changes; the deployment that passed no longer does, and each old layer is named."""
    from pathlib import Path

    from observer_contracts.model import Status

    with monkeypatch.context() as patched:
        _change_default(patched, DatabaseSettings, "port", 5433)
        _change_default(patched, ServiceSettings, "port", 8001)
        _change_default(patched, PathSettings, "log_dir", Path("/opt/platform/runtime/observer/log"))
        _change_default(
            patched, PathSettings, "system_log_dir", Path("/opt/platform/runtime/observer/log/system")
        )
        _change_default(
            patched, PathSettings, "maintenance_log_dir", Path("/opt/platform/runtime/observer/log/x")
        )
        failed = {r.rule.id for r in verify_documents(production) if r.status is Status.FAIL}
    assert {"DB-002", "SVC-005", "PRB-001", "PATH-001", "PATH-002", "NET-001"} <= failed


def test_parameters_choose_names_only() -> None:
    """Namespace, Secrets, ConfigMap and image come from the parameters; facts of the programs do not."""
    chosen = declare(
        Parameters(namespace="observer-staging", secret="other", pull_secret="registry", image="x/y")
    )
    assert (chosen.namespace, chosen.secret.name, chosen.pull_secret.name, chosen.image) == (
        "observer-staging",
        "other",
        "registry",
        "x/y",
    )
    assert chosen.paths == declare().paths
