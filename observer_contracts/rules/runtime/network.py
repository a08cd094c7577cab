"""What the container reaches outside of the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.runtime.observations import Reach
from observer_contracts.model import Finding
from observer_contracts.rules.findings import passed, unknown
from observer_contracts.rules.runtime.seen import external, runtime_of

_REMEDY = (
    "Look for a notice of the broker; then compare the NetworkPolicy and the node's firewall with the "
    "declared egress: a blocked port looks the same from here."
)


def targets_answer(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """NET-001: broker and master files answer on their ports; who is at fault cannot be seen from inside."""
    runtime = runtime_of(evidence)
    for contact in runtime.contacts:
        about, expected = f"{contact.host}:{contact.port}", f"TCP {contact.port} answers ({contact.purpose})"
        if contact.reach is Reach.REACHED:
            yield passed(about, expected, str(contact.reach))
        else:
            yield external(about, expected, str(contact.reach), remedy=_REMEDY)
    if not runtime.contacts:
        yield unknown(
            runtime.label, "declared egress", "the program does not accept the KIS_* variables (ENV-005)"
        )
