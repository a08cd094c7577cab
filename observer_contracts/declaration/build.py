"""Builds the declaration from the objects that the programs run on.

Invariant: a changed default in the kernel changes the declaration; this module adds only what no
program knows.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from observer_contracts.declaration.facts import (
    BackupFact,
    BrokerFact,
    ClusterFact,
    ContextFact,
    ControllerFact,
    DatabaseFact,
    Declaration,
    EgressFact,
    HttpFact,
    PathFact,
    PodVariableFact,
    Producer,
    SecretFact,
    VariableFact,
    VolumeFact,
    WorkloadFact,
    WriterFact,
)
from observer_contracts.declaration.migrations import newest_migration
from observer_contracts.declaration.parameters import Parameters
from observer_core.brokers.kis.endpoints import rest_url, websocket_url
from observer_core.errors import ConfigurationError
from observer_core.probes import HEALTH_PATH, READY_PATH
from observer_core.settings import (
    BackupSettings,
    CollectorSettings,
    DatabaseSettings,
    KisSettings,
    Layer,
    Paths,
    PathSettings,
    ServiceSettings,
    variables,
)
from observer_core.settings.all_groups import GROUPS
from observer_core.settings.brokers import KisEnvironment

COLLECTOR = "observer"
DATABASE = "postgres"
MAINTENANCE = "observer-maintenance"

# An operator turns these while the system runs; every other value is part of a contract.
_TUNABLE = frozenset({"LOG_LEVEL", "LOG_FORMAT"})
# The pod sets this one as well, so that an image without the ConfigMap logs at once too.
_ALSO_BY_THE_POD = "PYTHONUNBUFFERED"
_POD_FIELDS = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}

# Read by the official image of PostgreSQL, and by libpq.
POSTGRES_KEYS = ("POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB")
LIBPQ_KEYS = ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD")
KIWOOM_KEYS = ("KIWOOM_APP_KEY", "KIWOOM_APP_SECRET")
# The Helm chart of Dagster asks for this key and no other.
DAGSTER_KEYS = ("postgresql-password",)

# Debian's user of the official image; the Alpine variant has 70.
_POSTGRES_USER = 999
_OBSERVER_USER = 1000
_DATABASE_USER = "observer"
_POSTGRES_DATA = "/var/lib/postgresql/data"
_ONE_POD = ("ReadWriteOnce", "ReadWriteOncePod")
# Standby, runs and maintenance mount the same claims at the same time.
_ONE_NODE = ("ReadWriteOnce",)
_HTTPS, _DNS, _API_SERVER = 443, 53, 6443


def declare(parameters: Parameters | None = None) -> Declaration:
    """Returns what a deployment with these parameters must be."""
    chosen = parameters or Parameters()
    paths = Paths(PathSettings())
    volumes = _volumes(paths, chosen.storage_class)
    declared = tuple(variables(*GROUPS))
    return Declaration(
        namespace=chosen.namespace,
        image=chosen.image,
        config_map=chosen.config_map,
        paths=_paths(paths),
        configuration=_variables(Layer.CONFIG_MAP),
        optional=tuple(replace(fact, fixed=False) for fact in _variables(Layer.OPTIONAL)),
        pod_variables=_pod_variables(),
        declared_variables=frozenset(variable.name for variable in declared),
        secret_variables=frozenset(v.name for v in declared if v.secret or v.layer is Layer.SECRET)
        | {*POSTGRES_KEYS, *LIBPQ_KEYS, *DAGSTER_KEYS, *KIWOOM_KEYS},
        database=_database(),
        broker=BrokerFact(
            "KIS_ENVIRONMENT", chosen.broker_environment.value, KisSettings().environment.value
        ),
        http=_http(),
        secret=_secret(chosen),
        pull_secret=SecretFact(
            chosen.pull_secret,
            (".dockerconfigjson",),
            (),
            Producer.MANUAL,
            "kubernetes.io/dockerconfigjson",
            (COLLECTOR,),
        ),
        volumes=volumes,
        backup=_backup(),
        workloads=_workloads(),
        writer=WriterFact(
            COLLECTOR,
            str(paths.locks),
            (
                "kubernetes.io/arch",
                "kubernetes.io/os",
                "beta.kubernetes.io/arch",
                "beta.kubernetes.io/os",
                "node.kubernetes.io/instance-type",
                "topology.kubernetes.io/zone",
                "topology.kubernetes.io/region",
            ),
            "RollingUpdate",
            MAINTENANCE,
            "OBSERVER_STOP_SECONDS",
            CollectorSettings().stop_seconds,
        ),
        egress=_egress(),
        external_secrets=chosen.external_secrets,
        external_config_maps=chosen.external_config_maps,
        free_disk_gib=sum(volume.capacity_gib for volume in volumes),
        cluster=_cluster(chosen.node_memory_gib),
    )


def _paths(paths: Paths) -> tuple[PathFact, ...]:
    mounts = {str(mount.path): mount for mount in paths.mounts}
    names = {name: field for name, field in _path_fields().items() if field[1]}
    facts = []
    for variable, (name, default) in names.items():
        mount = next(
            found for path, found in mounts.items() if default == path or default.startswith(f"{path}/")
        )
        facts.append(PathFact(name, variable, default, mount.variable, mount.writable))
    return tuple(facts)


def _path_fields() -> dict[str, tuple[str, str]]:
    """Returns short name and default of each path variable of the ConfigMap, by variable."""
    found = {}
    for name, field in PathSettings.model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra["layer"] == Layer.CONFIG_MAP.value:
            found[str(field.validation_alias)] = (name.removesuffix("_dir"), str(field.default))
    return found


def _variables(layer: Layer) -> tuple[VariableFact, ...]:
    facts = []
    for group in GROUPS:
        for variable in variables(group):
            if variable.layer is not layer:
                continue

            def accepts(value: str, group: type = group, name: str = variable.name) -> bool:
                try:
                    group.load({name: value})  # type: ignore[attr-defined]  # every group has it
                except ConfigurationError:
                    return False
                return True

            facts.append(
                VariableFact(variable.name, variable.default, variable.name not in _TUNABLE, accepts)
            )
    return tuple(facts)


def _pod_variables() -> tuple[PodVariableFact, ...]:
    declared = {variable.name: variable for variable in variables(*GROUPS)}
    facts = [
        PodVariableFact(name, field=_POD_FIELDS[name])
        if name in _POD_FIELDS
        else PodVariableFact(name, value=found.default)
        for name, found in declared.items()
        if found.layer is Layer.POD
    ]
    return (*facts, PodVariableFact(_ALSO_BY_THE_POD, value=declared[_ALSO_BY_THE_POD].default))


def _database() -> DatabaseFact:
    settings = DatabaseSettings()
    return DatabaseFact(
        host=settings.host,
        port=settings.port,
        name=settings.name,
        user=_DATABASE_USER,
        service=settings.host,
        headless_service=f"{settings.host}-headless",
        workload=DATABASE,
        folder=f"{_POSTGRES_DATA}/pgdata",
        initialisation="/docker-entrypoint-initdb.d",
        major_version="15",
        migration=newest_migration(),
    )


def _http() -> HttpFact:
    return HttpFact(
        COLLECTOR, f"{COLLECTOR}-operators", ServiceSettings().port, "SERVICE_PORT", HEALTH_PATH, READY_PATH
    )


def _secret(chosen: Parameters) -> SecretFact:
    declared = [variable.name for variable in variables(*GROUPS) if variable.layer is Layer.SECRET]
    ours = [name for name in declared if name not in KIWOOM_KEYS]
    keys = (
        *(name for name in ours if name.startswith("DB_")),
        *POSTGRES_KEYS,
        *LIBPQ_KEYS,
        *(name for name in ours if not name.startswith("DB_")),
    )
    optional = [
        variable.name
        for variable in variables(*GROUPS)
        if variable.secret and variable.layer is Layer.OPTIONAL
    ]
    return SecretFact(
        chosen.secret,
        keys,
        (*DAGSTER_KEYS, *KIWOOM_KEYS, *optional),
        chosen.secret_producer,
        "Opaque",
        (COLLECTOR, DATABASE),
    )


def _volumes(paths: Paths, storage_class: str) -> tuple[VolumeFact, ...]:
    """Sizes are the specification's; growth is that of 41 registrations before compaction and retention."""
    claims = {
        "OBSERVER_DATA_DIR": ("observer-data-pvc", 20, True, 0.6),
        "OBSERVER_LOG_DIR": ("observer-logs-pvc", 5, False, 0.02),
        "OBSERVER_CONFIG_DIR": ("", 0, False, 0.0),
        "OBSERVER_SNAPSHOT_DIR": ("observer-universe-pvc", 1, False, 0.001),
    }
    facts = []
    for mount in paths.mounts:
        claim, size, single, growth = claims[mount.variable]
        modes = _ONE_NODE if claim else ()
        facts.append(
            VolumeFact(
                COLLECTOR, str(mount.path), claim, size, modes, storage_class, single, growth, mount.writable
            )
        )
    database = VolumeFact(
        DATABASE, _POSTGRES_DATA, "observer-db-pvc", 10, _ONE_POD, storage_class, True, 0.3, writable=True
    )
    return (*facts, database)


def _backup() -> BackupFact:
    fields = {variable.name: variable for variable in variables(BackupSettings)}
    return BackupFact(
        "OBSERVER_BACKUP_TARGET",
        "observer-backup-pvc",
        tuple(name for name, variable in fields.items() if variable.secret),
    )


def _workloads() -> tuple[WorkloadFact, ...]:
    own = ContextFact(_OBSERVER_USER, _OBSERVER_USER, _OBSERVER_USER, read_only_root=True)
    database = ContextFact(_POSTGRES_USER, _POSTGRES_USER, _POSTGRES_USER, read_only_root=True)
    return (
        WorkloadFact(COLLECTOR, "Deployment", own, ("/tmp",), "observer", ("collector",)),  # noqa: S108 - in a pod
        WorkloadFact(
            DATABASE,
            "StatefulSet",
            database,
            ("/tmp", "/var/run/postgresql"),  # noqa: S108 - mounts inside of a pod
            "postgres",
        ),
    )


def _cluster(memory_gib: int) -> ClusterFact:
    """K3s as the specification describes it, section 2."""
    return ClusterFact(
        version="1.34",
        storage_class="local-path",
        provisioner="rancher.io/local-path",
        storage_folder="/var/lib/rancher/k3s/storage",
        provisioner_pods=ControllerFact(
            "local-path-provisioner", "kube-system", "app=local-path-provisioner"
        ),
        sealing_pods=ControllerFact(
            # The Helm chart names its Service after the release; kubeseal looks for another name.
            "sealed-secrets controller",
            "sealed-secrets",
            "",
            service="sealed-secrets",
        ),
        memory_gib=memory_gib,
        # K3s, Argo CD and the controller of SealedSecrets (docs/operations/resources.md).
        own_memory_gib=2,
    )


def _egress() -> tuple[EgressFact, ...]:
    database = DatabaseSettings()
    facts = []
    for environment in KisEnvironment:
        settings = KisSettings.load({"KIS_ENVIRONMENT": environment.value})
        for use, address in (("REST", rest_url(settings)), ("feed", websocket_url(settings))):
            parts = urlsplit(address)
            facts.append(
                EgressFact(f"broker {use} ({environment.value})", parts.hostname or "", parts.port or _HTTPS)
            )
    master = urlsplit(str(KisSettings().master_url))
    return (
        *facts,
        EgressFact("master files and webhooks", master.hostname or "", master.port or _HTTPS),
        EgressFact("name resolution", "", _DNS, "UDP", inside="kube-dns"),
        EgressFact("name resolution", "", _DNS, "TCP", inside="kube-dns"),
        EgressFact("database", "", database.port, inside=DATABASE),
        EgressFact("API server", "", _API_SERVER),
    )
