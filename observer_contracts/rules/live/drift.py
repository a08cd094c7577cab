"""What runs is what the manifests say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import KubernetesObject, Place, as_text, field_name, value_at
from observer_contracts.evidence.yaml_documents import Fields, Items
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, unknown
from observer_contracts.rules.live.seen import live_of
from observer_contracts.rules.volume import quantity

_MOST_DIFFERENCES = 10
# Read one by one, of which only names are seen; or made by kustomize for itself.
_NOT_COMPARED = frozenset({"Secret", "Kustomization", "Component", "Namespace"})
# Where the values are compared, a ConfigMap and sealed values may hold what nobody should read in a report.
_HIDDEN = (("data",), ("spec", "encryptedData"))


def runs_as_rendered(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """RND-003: each object of the manifests is in the cluster, and has every field of theirs."""
    live, manifests = live_of(evidence), evidence.manifests
    if manifests is None or manifests.problems:
        return
    for wanted in manifests.objects:
        if wanted.kind in _NOT_COMPARED:
            continue
        unseen = live.unseen(wanted.kind)
        found = live.find(wanted.kind, wanted.name)
        if unseen:
            yield unknown(wanted.label, "the same in the cluster", unseen)
        elif found is None:
            yield failed(wanted.label, "the same in the cluster", "not there", wanted.where())
        else:
            yield _compared(wanted, found)


def _compared(wanted: KubernetesObject, found: KubernetesObject) -> Finding:
    places = [place for place in _differences(wanted.fields, found.fields, ()) if not _made_by_the_api(place)]
    if not places:
        return passed(wanted.label, "the same in the cluster", "it is", wanted.where())
    told = "; ".join(_told(wanted, found, place) for place in places[:_MOST_DIFFERENCES])
    more = f"; {len(places) - _MOST_DIFFERENCES} more" if len(places) > _MOST_DIFFERENCES else ""
    return failed(wanted.label, "the same in the cluster", told + more, wanted.where(*places[0]))


def _differences(wanted: Any, found: Any, place: Place) -> Iterator[Place]:
    """Yields the places where the cluster lacks or changes what is wanted; what it adds is its own."""
    if isinstance(wanted, Fields):
        if not isinstance(found, Fields) and wanted:
            yield place
            return
        for key, value in wanted.items():
            yield from _differences(value, value_at(found, key), (*place, key))
    elif isinstance(wanted, Items):
        if not isinstance(found, Items) or len(found) != len(wanted):
            if wanted or found:
                yield place
            return
        for index, value in enumerate(wanted):
            yield from _differences(value, found[index], (*place, index))
    elif wanted is not None and not _same(wanted, found):
        yield place


def _same(wanted: object, found: object) -> bool:
    if wanted == found or as_text(wanted) == as_text(found):
        return True
    sizes = quantity(wanted), quantity(found)
    if sizes[0] is not None and sizes[0] == sizes[1]:
        return True
    # The API leaves out what has the default of its type.
    return found is None and wanted in (False, 0, "")


def _made_by_the_api(place: Place) -> bool:
    return place[:1] == ("status",) or place[:2] == ("metadata", "creationTimestamp")


def _told(wanted: KubernetesObject, found: KubernetesObject, place: Place) -> str:
    name = field_name(place)
    if any(place[: len(hidden)] == hidden for hidden in _HIDDEN) or "env" in place or "annotations" in place:
        return f"{name} differs"
    return f"{name}: {_shown(found.value(*place))} instead of {_shown(wanted.value(*place))}"


def _shown(value: object) -> str:
    if isinstance(value, Fields | Items):
        return f"{len(value)} entries"
    return "nothing" if value is None else shown(as_text(value))
