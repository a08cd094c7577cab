"""Every reference from a workload to a ConfigMap or a Secret: by environment and by volume."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.evidence.environment import Environment, Reference, keys_of, producer_of
from observer_contracts.evidence.manifests import Manifests
from observer_contracts.evidence.objects import Place, items_at, mapping_at, text_at
from observer_contracts.evidence.workloads import Volume, Workload
from observer_contracts.evidence.yaml_documents import Fields

# Kind, key of the volume's source, and the field that names the object there.
_SOURCES = (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName"))


def references_of(
    workload: Workload, environments: list[Environment], manifests: Manifests
) -> list[Reference]:
    """Returns the references of a workload.

    Args:
        workload: The workload.
        environments: The environments of its containers.
        manifests: Where the objects are looked for.
    """
    found = [reference for environment in environments for reference in environment.references]
    for volume in workload.volumes.values():
        found += _of_volume(volume, manifests)
    return found


def _of_volume(volume: Volume, manifests: Manifests) -> Iterator[Reference]:
    for kind, block, name_field in _SOURCES:
        if volume.type == block:
            yield from _of_source(kind, volume.source, name_field, (*volume.place, block), manifests)
        for index, source in items_at(volume.source, "sources") if volume.type == "projected" else []:
            if block in source:
                place = (*volume.place, "projected", "sources", index, block)
                yield from _of_source(kind, mapping_at(source, block), "name", place, manifests)


def _of_source(
    kind: str, source: Fields, name_field: str, place: Place, manifests: Manifests
) -> Iterator[Reference]:
    name, optional = text_at(source, name_field), source.get("optional") is True
    producer = producer_of(manifests, kind, name)
    missing = "" if producer else "object"
    yield Reference(kind, name, "", optional, (*place, name_field), missing)
    known = None
    if producer is not None:
        known = (
            keys_of(producer)
            if kind == "Secret"
            else {**producer.mapping("data"), **producer.mapping("binaryData")}
        )
    for index, item in items_at(source, "items"):
        key = text_at(item, "key")
        absent = missing or ("key" if known is not None and key not in known else "")
        yield Reference(kind, name, key, optional, (*place, "items", index, "key"), absent)
