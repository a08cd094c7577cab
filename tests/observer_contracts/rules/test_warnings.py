"""What works, and not as it should be, is a warning."""

import copy
from collections.abc import Callable
from typing import Any

from observer_contracts.model import Result, Status

Documents = list[dict[str, Any]]
Verify = Callable[..., list[Result]]


def _of(results: list[Result], rule: str, about: str) -> set[Status]:
    return {r.status for r in results if (r.rule.id, r.finding.object) == (rule, about)}


def test_a_secret_that_any_namespace_opens_is_a_warning(
    production: Documents, verify_documents: Verify
) -> None:
    """The scope cluster-wide works, and binds a value to nothing."""
    documents = copy.deepcopy(production)
    sealed = next(d for d in documents if d["kind"] == "SealedSecret")
    sealed["metadata"]["annotations"] = {"sealedsecrets.bitnami.com/cluster-wide": "true"}
    about = "SealedSecret/observer-secrets"
    assert Status.WARN in _of(verify_documents(documents, only=["SEC-006"]), "SEC-006", about)


def test_a_claim_beyond_the_declared_disk_is_a_warning(
    production: Documents, verify_documents: Verify
) -> None:
    """A larger claim fits the program and not the node's declared free disk."""
    documents = copy.deepcopy(production)
    name = "observer-data-pvc"
    claim = next(d for d in documents if d["metadata"]["name"] == name)
    claim["spec"]["resources"]["requests"]["storage"] = "40Gi"
    found = _of(verify_documents(documents, only=["VOL-002"]), "VOL-002", f"PersistentVolumeClaim/{name}")
    assert found == {Status.PASS, Status.WARN}
