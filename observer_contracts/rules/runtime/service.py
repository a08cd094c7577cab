"""The kubelet's variables for Services, in the container."""

from __future__ import annotations

import re
from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed
from observer_contracts.rules.runtime.seen import in_environment, runtime_of

_LINK = re.compile(r"([A-Z0-9_]+_)PORT(_[0-9]+_[A-Z]+)?")
# The kubelet always tells a pod of the API server.
_ALWAYS = "KUBERNETES_"


def no_service_links(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SVC-004: no variable that the kubelet made for a Service has a prefix of our settings."""
    runtime = runtime_of(evidence)
    known = declaration.declared_variables | declaration.secret_variables
    expected = "no `*_PORT=tcp://…` of a Service among the settings"
    colliding: dict[str, str] = {}
    for variable in runtime.variables.values():
        match = _LINK.fullmatch(variable.name) if variable.service_link else None
        if match is None or match[1] == _ALWAYS:
            continue
        if any(name.startswith(match[1]) for name in known):
            colliding.setdefault(match[1], variable.name)
    for prefix, name in sorted(colliding.items()):
        observed = (
            f"{name} is an address that the kubelet wrote for a Service, and so are others with {prefix}"
        )
        yield failed(runtime.label, expected, observed, in_environment(runtime, name))
    if not colliding:
        yield passed(runtime.label, expected, "none")
