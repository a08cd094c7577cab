"""SealedSecrets: they can be opened where they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import KubernetesObject, Place, SourceDocument, mapping_at, text_at
from observer_contracts.evidence.sealed import PLACEHOLDER, Scope, scope_of, sealed_length
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, warned


def sealed_well(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-006: a SealedSecret can be opened where it lies: name, namespace, scope and blobs fit."""
    used = {
        found.name for workload in evidence.workloads for found in evidence.references(workload, "Secret")
    }
    for sealed in evidence.manifests.of("SealedSecret") if evidence.manifests else []:
        problems = list(_sealed_problems(sealed))
        for place, expected, observed in problems:
            verdict = failed if sealed.name in used or place[-1] != "encryptedData" else warned
            yield verdict(sealed.label, expected, observed, sealed.where(*place))
        if scope_of(sealed) is Scope.CLUSTER_WIDE:
            expected, observed = (
                "values bound to name and namespace",
                "scope cluster-wide",
            )
            where = sealed.where("metadata", "annotations")
            remedy = "Seal again in the scope strict."
            yield warned(sealed.label, expected, observed, where, remedy=remedy)
        if str(sealed.mapping("metadata", "annotations").get(PLACEHOLDER, "")) == "true":
            yield warned(
                sealed.label,
                "values sealed for your cluster",
                "placeholders, sealed with a key that was thrown away",
                sealed.where("metadata", "annotations"),
                remedy="Seal your own values with `observer secrets seal --cert FILE` before the first "
                "installation.",
            )
        elif not problems:
            yield passed(
                sealed.label, "can be opened where it lies", f"scope {scope_of(sealed)}", sealed.where()
            )


def _sealed_problems(sealed: KubernetesObject) -> Iterator[tuple[Place, str, str]]:
    template = mapping_at(sealed.fields, "spec", "template", "metadata")
    for field in ("name", "namespace"):
        found, own = template.get(field), sealed.mapping("metadata").get(field)
        if found is not None and own is not None and found != own:
            yield (
                ("spec", "template", "metadata", field),
                f"the template's {field} = {own}",
                shown(str(found)),
            )
    yield from _moved(sealed)
    data = sealed.mapping("spec", "encryptedData")
    if not data:
        yield (("spec", "encryptedData"), "sealed values", "none")
    malformed = [key for key, blob in data.items() if sealed_length(blob) is None]
    if malformed:
        yield (
            ("spec", "encryptedData"),
            "blobs as kubeseal writes them",
            f"malformed: {', '.join(malformed)}",
        )


def _moved(sealed: KubernetesObject) -> Iterator[tuple[Place, str, str]]:
    """A strict value is bound to the name and namespace that it was sealed for: those of its source file."""
    scope = scope_of(sealed)
    if scope is Scope.CLUSTER_WIDE:
        return
    for source in _origins(sealed):
        before = text_at(source.fields, "metadata", "namespace")
        if before and before != sealed.namespace:
            observed = f"sealed for {shown(before)}, rendered into {shown(sealed.namespace)}"
            yield (("metadata", "namespace"), f"the namespace it was sealed for (scope {scope})", observed)
        name = text_at(source.fields, "metadata", "name")
        if scope is Scope.STRICT and name and name != sealed.name:
            observed = f"sealed as {shown(name)}, rendered as {shown(sealed.name)}"
            yield (("metadata", "name"), "the name it was sealed for (scope strict)", observed)


def _origins(sealed: KubernetesObject) -> Sequence[SourceDocument]:
    """Returns the files whose values it carries: an overlay may have put its own in place of the base's."""
    blobs = set(map(str, sealed.mapping("spec", "encryptedData").values()))
    carried = [
        source
        for source in sealed.sources
        if blobs & set(map(str, mapping_at(source.fields, "spec", "encryptedData").values()))
    ]
    return carried or sealed.sources
