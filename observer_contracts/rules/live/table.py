"""Which rule looks at the cluster, and how."""

from __future__ import annotations

from collections.abc import Mapping

from observer_contracts.model import Check
from observer_contracts.rules import (
    broker,
    database,
    database_server,
    network,
    path,
    placement,
    probe,
    rights,
    same_contract,
    sealed_secret,
    secret,
    security,
    service,
    volume,
    writer,
)
from observer_contracts.rules import cluster as clusters
from observer_contracts.rules import environment as environments
from observer_contracts.rules.live import cluster, data, drift, workload
from observer_contracts.rules.live import environment as live_environment
from observer_contracts.rules.live import probe as live_probe
from observer_contracts.rules.live import secret as live_secret
from observer_contracts.rules.live import service as live_service
from observer_contracts.rules.live import volume as live_volume
from observer_contracts.rules.live.seen import ENVIRONMENT, WORKLOADS, both, on_the_cluster

_SERVICES = (*WORKLOADS, "Service")
_CLAIMS = (*WORKLOADS, "PersistentVolumeClaim")
_SEALED = (*ENVIRONMENT, "SealedSecret", "ServiceAccount")

LIVE_CHECKS: Mapping[str, Check] = {
    "API-001": cluster.api_answers,
    "NOD-001": cluster.nodes_are_well,
    "NSP-001": cluster.namespace_is_active,
    "STO-001": cluster.volumes_are_provided,
    "RND-003": drift.runs_as_rendered,
    "WRK-001": workload.workloads_run,
    "WRK-003": on_the_cluster(placement.time_to_stop, *ENVIRONMENT),
    "POD-001": workload.pods_are_ready,
    "POD-002": workload.no_warnings,
    "PATH-001": on_the_cluster(path.mounted, *WORKLOADS),
    "PATH-002": on_the_cluster(path.layers_agree, *ENVIRONMENT),
    "PATH-003": on_the_cluster(path.folders_in_their_mount, *WORKLOADS),
    "ENV-001": on_the_cluster(environments.config_maps_resolve, *WORKLOADS, "ConfigMap"),
    "ENV-002": on_the_cluster(environments.one_source, *ENVIRONMENT),
    "ENV-003": on_the_cluster(environments.configuration_present, *ENVIRONMENT),
    "ENV-004": live_environment.pods_are_newer,
    "ENV-005": on_the_cluster(environments.values_accepted, *ENVIRONMENT),
    "ENV-006": on_the_cluster(environments.pod_identity, *WORKLOADS),
    "ENV-007": on_the_cluster(environments.names_declared, *ENVIRONMENT),
    "ENV-009": on_the_cluster(broker.declared_environment, *ENVIRONMENT),
    "DB-001": both(
        on_the_cluster(database.host_is_the_service, *ENVIRONMENT, "Service"), live_service.database_behind
    ),
    "DB-002": on_the_cluster(database.port_chain, *ENVIRONMENT, "Service"),
    "DB-003": on_the_cluster(database.name_is_the_servers, *ENVIRONMENT),
    "DB-005": on_the_cluster(database_server.server_makes_what_programs_use, *ENVIRONMENT, "ServiceAccount"),
    "SEC-001": on_the_cluster(secret.references_resolve, *ENVIRONMENT),
    "SEC-002": on_the_cluster(secret.keys_complete, *ENVIRONMENT),
    "SEC-004": on_the_cluster(secret.none_unused, *_SEALED, sealed=True),
    "SEC-005": both(
        on_the_cluster(secret.pull_secret_named, *WORKLOADS, "Secret", "ServiceAccount"),
        live_secret.registry_fits,
    ),
    "SEC-006": both(on_the_cluster(sealed_secret.sealed_well, *_SEALED, sealed=True), live_secret.unsealed),
    "SEC-012": cluster.secrets_are_unsealed,
    "CTX-001": on_the_cluster(security.collector_context, *WORKLOADS),
    "CTX-002": on_the_cluster(security.database_context, *WORKLOADS),
    "CTX-003": on_the_cluster(security.temporary_folders, *WORKLOADS),
    "CTX-004": both(
        on_the_cluster(security.volumes_writable, *WORKLOADS), live_volume.node_folders_take_files
    ),
    "CTX-005": on_the_cluster(security.read_only_mounts, *WORKLOADS),
    "PSS-001": on_the_cluster(security.restricted_standard, *WORKLOADS),
    "VOL-001": on_the_cluster(volume.no_host_paths, *WORKLOADS),
    "VOL-002": both(on_the_cluster(volume.mounts_have_volumes, *_CLAIMS), live_volume.claims_are_bound),
    "VOL-003": on_the_cluster(writer.one_writer, *WORKLOADS),
    "VOL-004": on_the_cluster(writer.update_keeps_one_writer, *WORKLOADS),
    "VOL-005": on_the_cluster(volume.no_nested_mounts, *WORKLOADS),
    "VOL-006": on_the_cluster(volume.claims_kept, *_CLAIMS),
    "VOL-007": live_volume.one_pod_writes,
    "VOL-008": live_volume.room_on_the_node,
    "SVC-001": both(on_the_cluster(service.selectors_match, *_SERVICES), live_service.endpoints_behind),
    "SVC-002": on_the_cluster(service.stateful_sets_have_services, *_SERVICES),
    "SVC-003": on_the_cluster(service.inside_only, "Service"),
    "SVC-004": on_the_cluster(service.no_service_links, *_SERVICES),
    "SVC-005": on_the_cluster(service.http_chain, *ENVIRONMENT, "Service"),
    "SVC-006": on_the_cluster(service.operators_see_every_pod, *_SERVICES),
    "PRB-001": both(on_the_cluster(probe.probes_present, *WORKLOADS), live_probe.health_answers),
    "PRB-002": both(on_the_cluster(probe.readiness_is_its_own, *WORKLOADS), live_probe.readiness_answers),
    "PRB-003": on_the_cluster(probe.slow_start_covered, *WORKLOADS),
    "RUN-001": workload.runs_as_the_collector,
    "PRB-004": on_the_cluster(same_contract.verified_before_start, *ENVIRONMENT),
    "NET-001": on_the_cluster(network.policies_fit, *WORKLOADS, "NetworkPolicy"),
    "RES-001": on_the_cluster(clusters.resources_bounded, *WORKLOADS),
    "IMG-001": both(on_the_cluster(clusters.images_fixed, *WORKLOADS), workload.image_runs),
    "RBAC-001": on_the_cluster(rights.rights_are_narrow, *WORKLOADS, "Role", "RoleBinding", "ServiceAccount"),
    "RBAC-002": on_the_cluster(rights.launcher_may_start_runs, "Role", "RoleBinding", "ServiceAccount"),
    "PDB-001": on_the_cluster(clusters.drains_are_possible, *WORKLOADS, "PodDisruptionBudget"),
    "DAT-001": data.data_are_recent,
    "DAT-002": data.data_survive,
}
