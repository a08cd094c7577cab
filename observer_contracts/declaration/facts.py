"""The kinds of facts that a deployment is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Producer(StrEnum):
    """Who makes a Secret."""

    SEALED = "sealed"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class PathFact:
    """One path of the path contract.

    Attributes:
        name: Its short name.
        variable: The variable that carries it.
        path: The default of the program.
        mount: The variable of the mount it lies in; its own for a mount.
        writable: Whether the program writes there.
    """

    name: str
    variable: str
    path: str
    mount: str
    writable: bool

    @property
    def is_mount(self) -> bool:
        return self.variable == self.mount


@dataclass(frozen=True, slots=True)
class VariableFact:
    """One variable of the environment.

    Attributes:
        name: The variable.
        default: The program's default.
        fixed: Whether a deployment must keep the default.
        accepts: Tells whether the program starts with a value.
    """

    name: str
    default: str
    fixed: bool
    accepts: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class PodVariableFact:
    """A variable that the pod sets itself: from one of its fields, or to a value."""

    name: str
    field: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseFact:
    """The database contract.

    Attributes:
        user: The role that owns both databases; Dagster's chart takes its name from no Secret.
        folder: Where the server's files lie on its volume.
        initialisation: Where the server's image looks for scripts on an empty volume.
        migration: The newest version of the schema that the programs bring along.
    """

    host: str
    port: int
    name: str
    user: str
    service: str
    headless_service: str
    workload: str
    folder: str
    initialisation: str
    major_version: str
    migration: str
    host_variable: str = "DB_HOST"
    port_variable: str = "DB_PORT"
    name_variable: str = "DB_NAME"


@dataclass(frozen=True, slots=True)
class BrokerFact:
    """Which of the broker's environments a deployment speaks to.

    Attributes:
        variable: The variable that says it.
        environment: What it must say.
        default: What holds where it says nothing.
    """

    variable: str
    environment: str
    default: str


@dataclass(frozen=True, slots=True)
class HttpFact:
    """The HTTP side of the collector.

    Attributes:
        service: The Service for programs: pods that are ready.
        operators: The Service for operators and monitoring: every pod.
    """

    service: str
    operators: str
    port: int
    port_variable: str
    health: str
    ready: str


@dataclass(frozen=True, slots=True)
class SecretFact:
    """A Secret that workloads use.

    Attributes:
        name: Its name in the cluster.
        keys: Keys that it must have, each with a value.
        optional_keys: Keys that it may have.
        producer: Who makes it.
        type: Its type.
        workloads: Who takes its environment from it.
    """

    name: str
    keys: tuple[str, ...]
    optional_keys: tuple[str, ...]
    producer: Producer
    type: str
    workloads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VolumeFact:
    """A volume of a workload.

    Attributes:
        workload: Who mounts it.
        mount_path: Where.
        claim: The claim that it comes from; empty for the configuration, which is read-only.
        capacity_gib: Size of the claim in GiB.
        access_modes: The access modes that fit: one node, or one pod.
        storage_class: The class that provides it; a claim may leave it to the cluster's default.
        single_writer: Whether only one process may write.
        growth_gib_per_day: What a trading day adds, before retention.
        writable: Whether the workload writes there.
    """

    workload: str
    mount_path: str
    claim: str
    capacity_gib: int
    access_modes: tuple[str, ...]
    storage_class: str
    single_writer: bool
    growth_gib_per_day: float
    writable: bool


@dataclass(frozen=True, slots=True)
class ContextFact:
    """The security context of a workload's containers."""

    user: int
    group: int
    file_system_group: int
    read_only_root: bool


@dataclass(frozen=True, slots=True)
class WorkloadFact:
    """A workload that the deployment must have.

    Attributes:
        program: The program that its image starts.
        arguments: The program's first arguments; none where the image alone decides.
    """

    name: str
    kind: str
    context: ContextFact
    temporary_folders: tuple[str, ...]
    program: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BackupFact:
    """Where copies leave the node for.

    Attributes:
        variable: The variable that names the target.
        claim: The claim of a second volume; runs alone mount it, so that no manifest shows its use.
        keys: The keys of the Secret that open a bucket.
    """

    variable: str
    claim: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EgressFact:
    """An address that the collector must reach.

    Attributes:
        purpose: What for.
        host: A host name, or empty where it is inside of the cluster.
        port: The port on the wire.
        protocol: TCP or UDP.
        inside: Name of the workload where the target is inside of the cluster.
    """

    purpose: str
    host: str
    port: int
    protocol: str = "TCP"
    inside: str = ""


@dataclass(frozen=True, slots=True)
class WriterFact:
    """Who may write to the single-writer volumes.

    Attributes:
        workload: The writing workload.
        lock: Folder of the lock, below the data mount; the lock makes a second replica a standby.
        shared_labels: Labels that many nodes carry; a selector by any other one pins the workload to a node.
        strategy: How the workload is updated, so that the standby takes over.
        maintenance: The suspended CronJob from which a person makes a pod that may write as well.
        stop_variable: The variable that says how long the writer takes to stop, everything sealed.
        stop_seconds: How long that is where it says nothing.
    """

    workload: str
    lock: str
    shared_labels: tuple[str, ...]
    strategy: str
    maintenance: str
    stop_variable: str
    stop_seconds: float


@dataclass(frozen=True, slots=True)
class ControllerFact:
    """Pods that the cluster itself must run.

    Attributes:
        name: What they are, for people.
        label: A label selector; empty for every pod of the namespace.
        service: The Service by which people's tools find it; empty where none does.
    """

    name: str
    namespace: str
    label: str
    service: str = ""


@dataclass(frozen=True, slots=True)
class ClusterFact:
    """What the cluster must offer.

    Attributes:
        version: Minor version of Kubernetes that the deployment was made for.
        storage_class: Class that provides the volumes; the default one.
        provisioner: Who makes volumes of that class.
        storage_folder: Where the volumes lie on the node.
        provisioner_pods: The pods of the provisioner.
        sealing_pods: The pods of the controller of SealedSecrets.
        memory_gib: Memory of the one node.
        own_memory_gib: What of it the cluster takes for itself.
    """

    version: str
    storage_class: str
    provisioner: str
    storage_folder: str
    provisioner_pods: ControllerFact
    sealing_pods: ControllerFact
    memory_gib: int
    own_memory_gib: int


@dataclass(frozen=True, slots=True)
class Exemption:
    """A finding that somebody has decided to live with until a day."""

    rule: str
    object: str
    owner: str
    reason: str
    expires: date


@dataclass(frozen=True, slots=True)
class Declaration:
    """Everything that a deployment must be."""

    namespace: str
    image: str
    config_map: str
    paths: tuple[PathFact, ...]
    configuration: tuple[VariableFact, ...]
    optional: tuple[VariableFact, ...]
    pod_variables: tuple[PodVariableFact, ...]
    declared_variables: frozenset[str]
    secret_variables: frozenset[str]
    database: DatabaseFact
    broker: BrokerFact
    http: HttpFact
    secret: SecretFact
    pull_secret: SecretFact
    volumes: tuple[VolumeFact, ...]
    backup: BackupFact
    workloads: tuple[WorkloadFact, ...]
    writer: WriterFact
    egress: tuple[EgressFact, ...]
    external_secrets: tuple[str, ...]
    external_config_maps: tuple[str, ...]
    free_disk_gib: int
    cluster: ClusterFact

    @property
    def collector(self) -> WorkloadFact:
        return next(found for found in self.workloads if found.name == self.writer.workload)

    @property
    def public_variables(self) -> dict[str, str]:
        """Variables whose values may be shown, with their defaults."""
        shown = {fact.name: fact.default for fact in self.configuration}
        return shown | {fact.name: fact.value for fact in self.pod_variables if fact.value}

    def path(self, variable: str) -> PathFact:
        """Returns the path that a variable carries."""
        return next(fact for fact in self.paths if fact.variable == variable)

    def volumes_of(self, workload: str) -> tuple[VolumeFact, ...]:
        """Returns the volumes of a workload."""
        return tuple(fact for fact in self.volumes if fact.workload == workload)
