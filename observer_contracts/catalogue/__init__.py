"""The catalogue: every rule, as data.

Invariant: an id means the same rule for ever; this list is the only place where a rule is tied to its
contract, severity, finding and incident. `docs/contracts.md` and the runbook are rendered from it.
"""

from __future__ import annotations

from dataclasses import replace

from observer_contracts.catalogue.environment_and_database import ENVIRONMENT_AND_DATABASE_RULES
from observer_contracts.catalogue.helm_values import HELM_RULES
from observer_contracts.catalogue.placement_and_documents import PLACEMENT_AND_DOCUMENT_RULES
from observer_contracts.catalogue.rendering_and_paths import RENDERING_AND_PATH_RULES
from observer_contracts.catalogue.running import RUNNING_RULES
from observer_contracts.catalogue.secrets import SECRET_RULES
from observer_contracts.catalogue.security_and_volumes import SECURITY_AND_VOLUME_RULES
from observer_contracts.catalogue.services_and_probes import SERVICE_AND_PROBE_RULES
from observer_contracts.catalogue.synchronisation import SYNCHRONISATION_RULES
from observer_contracts.model import Rule, Source
from observer_contracts.rules.live.table import LIVE_CHECKS
from observer_contracts.rules.runtime.table import RUNTIME_CHECKS

_DECLARED: tuple[Rule, ...] = (
    *RENDERING_AND_PATH_RULES,
    *ENVIRONMENT_AND_DATABASE_RULES,
    *SECRET_RULES,
    *SECURITY_AND_VOLUME_RULES,
    *SERVICE_AND_PROBE_RULES,
    *PLACEMENT_AND_DOCUMENT_RULES,
    *SYNCHRONISATION_RULES,
)


def _with_running_system(rule: Rule) -> Rule:
    """Adds how a rule looks at the container and at the cluster."""
    tables = {Source.RUNTIME: RUNTIME_CHECKS, Source.LIVE: LIVE_CHECKS}
    more = {source: table[rule.id] for source, table in tables.items() if rule.id in table}
    return replace(rule, checks={**rule.checks, **more})


RULES = tuple(_with_running_system(rule) for rule in (*_DECLARED, *RUNNING_RULES, *HELM_RULES))

BY_ID = {rule.id: rule for rule in RULES}
EXEMPTIONS = BY_ID["EXM-001"]
RENDERING = BY_ID["RND-001"]
# Where these cannot be answered, nothing was seen.
GATES = frozenset({"RND-001", "API-001"})
