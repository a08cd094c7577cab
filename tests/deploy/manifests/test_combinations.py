"""Every overlay with each component, alone and with others, is valid in Kubernetes, and keeps the rules."""

import io
import json
from typing import Any

import kubernetes_validate
import pytest
import yaml
from renderings import OVERLAYS, ROOT, Rendering, component_names

from observer_contracts.declaration.build import declare
from observer_contracts.declaration.parameters import read_parameters
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.model import Status

# Kinds of operators that bring their own schema; the rules about them are ours and the operators' tools'.
CUSTOM = {"SealedSecret", "ServiceMonitor", "PodMonitor", "PrometheusRule", "Probe"}
# What every rendering of the repository says of itself, until somebody seals values and names a backup.
KNOWN_WARNINGS = {"SEC-006", "ENV-002", "BAK-001"}
# A K3s of one's own has a node of any name, so that a label of its owner's takes the name's place.
KNOWN_WARNINGS_OF = {"local-k3s": {"VOL-004"}}


def test_the_combinations_are_all_there(renderings: list[Rendering]) -> None:
    """Three overlays; each component alone, with each other one, and with all of them."""
    names = component_names()
    assert {"contracts", "collector-sidecar", "wide-backfills"} <= set(names)
    pairs = len(names) * (len(names) - 1) // 2
    assert len(renderings) == len(OVERLAYS) * (1 + len(names) + pairs + 1)
    folders = {path.parent.name for path in (ROOT / "deploy/overlays").glob("*/kustomization.yaml")}
    assert folders == set(OVERLAYS)


def test_every_combination_keeps_the_contracts(renderings: list[Rendering]) -> None:
    """Nothing worse than WARN, and no other WARN than the known ones."""
    worse = {}
    for rendering in renderings:
        config = rendering.folder / "contracts.yaml"
        parameters = read_parameters(config if config.exists() else ROOT / "contracts.yaml")
        manifests = read_manifests([str(rendering.folder)], io.BytesIO())
        results = verify(Verification(declare(parameters), manifests, exemptions=parameters.exemptions))
        assert len(results) > 150
        known = KNOWN_WARNINGS | KNOWN_WARNINGS_OF.get(rendering.overlay, set())
        found = {
            (result.rule.id, result.finding.object, result.finding.observed)
            for result in results
            if result.status not in (Status.PASS, Status.EXEMPT)
            and not (result.status is Status.WARN and result.rule.id in known)
        }
        if found:
            worse[str(rendering)] = found
    assert worse == {}


def _problems(document: dict[str, Any]) -> list[str]:
    try:
        kubernetes_validate.validate(document, "1.34", strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{document['kind']}/{document['metadata']['name']}: {error.message}"]
    return []


def test_every_object_is_what_kubernetes_1_34_accepts(renderings: list[Rendering]) -> None:
    """Strictly: a field that Kubernetes does not know is an error."""
    distinct = {json.dumps(d, sort_keys=True): d for found in renderings for d in found.documents}
    builtin = [document for document in distinct.values() if document["kind"] not in CUSTOM]
    assert len(builtin) > 40
    assert [problem for document in builtin for problem in _problems(document)] == []


def test_the_validation_finds_a_misspelt_field(production: Rendering) -> None:
    """The check above is able to fail."""
    deployment = yaml.safe_load(yaml.safe_dump(production.find("Deployment", "observer")))
    deployment["spec"]["template"]["spec"]["enableServicelinks"] = False
    assert _problems(deployment) != []


@pytest.mark.parametrize("overlay", ["staging", "local-k3s"])
def test_no_overlay_reaches_into_production(overlay: str, renderings: list[Rendering]) -> None:
    """Everything, subjects of bindings and names of the cluster included, is the overlay's own."""
    production = {
        (document["kind"], document["metadata"]["name"])
        for rendering in renderings
        if rendering.overlay == "production"
        for document in rendering.documents
        if "namespace" not in document["metadata"]
    }
    for rendering in (found for found in renderings if found.overlay == overlay):
        assert "observer-prod" not in rendering.text
        for document in rendering.documents:
            metadata = document["metadata"]
            if "namespace" in metadata:
                assert metadata["namespace"] == rendering.namespace
            else:
                assert (document["kind"], metadata["name"]) not in production
            for subject in document.get("subjects", []):
                assert subject["namespace"] == rendering.namespace
