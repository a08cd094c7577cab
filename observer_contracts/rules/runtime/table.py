"""Which rule looks at the container, and how."""

from __future__ import annotations

from collections.abc import Mapping

from observer_contracts.model import Check
from observer_contracts.rules.runtime import (
    database,
    environment,
    network,
    path,
    probe,
    secret,
    security,
    service,
    volume,
)

RUNTIME_CHECKS: Mapping[str, Check] = {
    "PATH-001": path.mounted,
    "PATH-002": path.layers_agree,
    "PATH-003": path.folders_in_their_mount,
    "PATH-004": path.nothing_beside,
    "ENV-003": environment.configuration_present,
    "ENV-005": environment.values_accepted,
    "ENV-006": environment.pod_identity,
    "ENV-007": environment.names_declared,
    "DB-001": database.host_resolves,
    "DB-002": database.server_answers,
    "DB-003": database.tables_are_there,
    "SEC-002": secret.keys_arrived,
    "SEC-010": secret.broker_accepts,
    "SEC-011": secret.token_cache_private,
    "CTX-001": security.runs_as_declared,
    "CTX-003": security.temporary_folders,
    "CTX-004": security.volumes_writable,
    "CTX-005": security.configuration_refuses,
    "PSS-001": security.system_calls_filtered,
    "VOL-007": volume.lock_is_held,
    "VOL-008": volume.room_left,
    "SVC-004": service.no_service_links,
    "PRB-001": probe.health_answers,
    "PRB-002": probe.readiness_answers,
    "NET-001": network.targets_answer,
}
