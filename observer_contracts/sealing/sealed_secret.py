"""The SealedSecret as a file of the repository.

Invariant: a file is handed out only after the contract rules have read it and found every key, under the
declared name, in the declared namespace.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

from observer_contracts.declaration.facts import Declaration
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.manifests import STANDARD_INPUT, read_manifests
from observer_contracts.model import Status
from observer_core.errors import InputError

# Keys complete and none empty; sealed for this name and namespace, in the shape of kubeseal.
_RULES = ("SEC-002", "SEC-006", "NSP-001")


def sealed_secret(encrypted: Mapping[str, str], declaration: Declaration, maker: str) -> str:
    """Returns the manifest of a SealedSecret.

    Args:
        encrypted: The sealed values by key.
        declaration: What the deployment must be.
        maker: Who sealed it, for people.

    Raises:
        InputError: A contract rule refuses it.
    """
    name, namespace = declaration.secret.name, declaration.namespace
    text = "\n".join([
        f"# Sealed by {maker} for {namespace}/{name}, scope strict.",
        "# Do not edit: seal again (docs/operations/secrets.md).",
        "apiVersion: bitnami.com/v1alpha1",
        "kind: SealedSecret",
        "metadata:",
        f"  name: {name}",
        f"  namespace: {namespace}",
        "spec:",
        "  encryptedData:",
        *(f"    {key}: {blob}" for key, blob in encrypted.items()),
        "  template:",
        "    metadata:",
        f"      name: {name}",
        f"      namespace: {namespace}",
        f"    type: {declaration.secret.type}",
    ]) + "\n"  # fmt: skip
    _verify(text, declaration)
    return text


def _verify(text: str, declaration: Declaration) -> None:
    manifests = read_manifests([STANDARD_INPUT], io.BytesIO(text.encode()))
    results = verify(Verification(declaration, manifests, only=_RULES))
    broken = [finding for finding in results if finding.status is not Status.PASS]
    if broken:
        said = "; ".join(f"{found.rule.id}: {found.finding.observed}" for found in broken)
        raise InputError(f"The sealed file breaks the contract: {said}.", remedy="Seal all declared keys.")
