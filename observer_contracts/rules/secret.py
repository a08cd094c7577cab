"""Contract 3: every Secret that a workload names is made by something, with every key, and is never plain."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration, Producer
from observer_contracts.evidence.environment import Environment, Reference, keys_of, producer_of
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.hidden import may_be_secret
from observer_contracts.evidence.objects import (
    KubernetesObject,
    Place,
    items_at,
    text_at,
)
from observer_contracts.evidence.workloads import Workload
from observer_contracts.model import Finding
from observer_contracts.rules.findings import candidates, failed, passed, shown, unknown, warned

_PRODUCERS = ("Secret", "SealedSecret", "ExternalSecret")
_MOST_MISSING = 20


def references_resolve(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-001: each Secret that a workload names is made by something here, or declared as external."""
    for workload in evidence.workloads:
        seen: set[tuple[str, str, bool]] = set()
        for reference in evidence.references(workload, "Secret"):
            # A Secret that is missing is missing for all of its keys.
            key = "" if reference.missing == "object" else reference.key
            about = (reference.name, key, reference.optional)
            if about not in seen:
                seen.add(about)
                yield _resolved(declaration, evidence, workload, reference)


def _resolved(
    declaration: Declaration, evidence: Evidence, workload: Workload, reference: Reference
) -> Finding:
    name, key = reference.name, reference.key
    where = workload.object.where(*reference.place)
    expected = f"a Secret {name}" + (f" with key {key}" if key else "") + " that something makes"
    producer = producer_of(evidence.manifests, "Secret", name) if evidence.manifests else None
    if reference.optional and _needed(declaration, reference):
        observed = "optional: the pod would start without it"
        return failed(workload.label, f"a Secret {name} that the pod waits for", observed, where)
    if not reference.missing:
        by = f"made by {producer.label}" if producer else "there"
        return passed(workload.label, expected, by, where)
    if reference.optional or (producer is None and name in _external(declaration)):
        return passed(workload.label, expected, "declared as made elsewhere, or optional", where)
    if producer is None:
        hint = candidates(name, _names(evidence), first=_with_needed_keys(declaration, evidence))
        return failed(workload.label, expected, f"nothing makes {shown(name)}. {hint}".strip(), where)
    hint = candidates(key, keys_of(producer) or ())
    observed = f"{producer.label} has no key {shown(key)}. {hint}".strip()
    return failed(workload.label, expected, observed, where)


def _needed(declaration: Declaration, reference: Reference) -> bool:
    """Tells whether a pod cannot do its work without what a reference brings."""
    fact = declaration.secret
    return reference.name == fact.name and (not reference.key or reference.key in fact.keys)


def _external(declaration: Declaration) -> set[str]:
    manual = [
        fact.name
        for fact in (declaration.secret, declaration.pull_secret)
        if fact.producer is Producer.MANUAL
    ]
    return {*manual, *declaration.external_secrets}


def _names(evidence: Evidence) -> list[str]:
    return [found.name for found in evidence.manifests.of(*_PRODUCERS)] if evidence.manifests else []


def _with_needed_keys(declaration: Declaration, evidence: Evidence) -> list[str]:
    """Names what is made here and has keys that are needed, the most complete first."""
    wanted = {*declaration.secret.keys, *declaration.secret.optional_keys}
    scores = [
        (len(wanted & set(keys_of(found) or ())), found.name)
        for found in (evidence.manifests.of(*_PRODUCERS) if evidence.manifests else [])
    ]
    return [name for score, name in sorted(scores, key=lambda pair: (-pair[0], pair[1])) if score]


def keys_complete(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-002: the Secret has every key that its workloads need, none is empty, and they take it."""
    fact = declaration.secret
    producer = producer_of(evidence.manifests, "Secret", fact.name) if evidence.manifests else None
    keys = keys_of(producer) if producer else None
    if producer is not None and keys is not None:
        yield from _complete(declaration, producer, keys)
    else:
        observed = (
            "its keys cannot be seen here"
            if producer or fact.name in _external(declaration)
            else "nothing makes it (SEC-001)"
        )
        yield unknown(f"Secret/{fact.name}", f"{len(fact.keys)} keys, each with a value", observed)
    for name in fact.workloads:
        workload = evidence.workload(name)
        if workload is not None and workload.main is not None:
            yield _taken(declaration, evidence.environment(workload.main), workload, set(keys or ()))


def _complete(
    declaration: Declaration, producer: KubernetesObject, keys: dict[str, tuple[Place, int | None]]
) -> Iterator[Finding]:
    wanted = declaration.secret.keys
    block = ("spec", "encryptedData") if producer.kind == "SealedSecret" else ("data",)
    missing = [key for key in wanted if key not in keys]
    for key in missing:
        near = candidates(key, set(keys) - set(wanted))
        yield failed(producer.label, f"a key {key}", f"no such key. {near}".strip(), producer.where(*block))
    for key in wanted:
        if key in keys and keys[key][1] is not None and (keys[key][1] or 0) <= 0:
            observed = "empty" if keys[key][1] == 0 else "not base64"
            yield failed(producer.label, f"a value under {key}", observed, producer.where(*keys[key][0]))
    if not missing:
        yield passed(producer.label, f"{len(wanted)} keys", "all there", producer.where(*block))
    if producer.kind != "ExternalSecret":
        place = ("spec", "template", "type") if producer.kind == "SealedSecret" else ("type",)
        found, kind = producer.text(*place), declaration.secret.type
        verdict = passed if found in ("", kind) else failed
        yield verdict(
            producer.label, f"type {kind}", shown(found) if found else "none: Opaque", producer.where(*place)
        )


def _taken(
    declaration: Declaration, environment: Environment, workload: Workload, provided: set[str]
) -> Finding:
    """Compares needs with what arrives; a key that the Secret itself lacks is reported at the Secret."""
    is_database = workload.name == declaration.database.workload
    needed = [key for key in declaration.secret.keys if key.startswith("POSTGRES_") == is_database]
    needed = [key for key in needed if not key.startswith("PG")]
    expected = f"{', '.join(needed)} in its environment"
    where = workload.main.where("envFrom") if workload.main else workload.where()
    if any(found.kind == "Secret" and found.missing for found in environment.references):
        return unknown(workload.label, expected, "a Secret that it names is missing (SEC-001)", where)
    absent = [key for key in needed if key not in environment.effective and (key in provided or not provided)]
    if absent:
        named = any(found.name == declaration.secret.name for found in environment.references)
        if named and not provided:
            return unknown(workload.label, expected, "the keys of its Secret cannot be seen here", where)
        return failed(workload.label, expected, f"no source for {', '.join(absent[:_MOST_MISSING])}", where)
    return passed(workload.label, expected, "each has a source", where)


def _named(evidence: Evidence) -> set[str]:
    return {
        found.name for workload in evidence.workloads for found in evidence.references(workload, "Secret")
    }


def none_unused(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-004: each Secret that is made is used."""
    if evidence.manifests is None:
        return
    used = _named(evidence)
    used |= {name for workload in evidence.workloads for name, _ in pull_secrets(workload)}
    for account in evidence.manifests.of("ServiceAccount"):
        for block in ("imagePullSecrets", "secrets"):
            used |= {text_at(item, "name") for _, item in account.items(block)}
    for ingress in evidence.manifests.of("Ingress"):
        used |= {text_at(item, "secretName") for _, item in ingress.items("spec", "tls")}
    for producer in evidence.manifests.of(*_PRODUCERS):
        where = producer.where("metadata", "name")
        if producer.name in used:
            yield passed(producer.label, "used by a workload", "used", where)
        else:
            observed = "no workload names it; they name " + (", ".join(sorted(used - {""})) or "none")
            yield warned(producer.label, "used by a workload", observed, where)


def pull_secrets(workload: Workload) -> list[tuple[str, Place]]:
    """Returns name and place of each Secret with which a workload pulls its images."""
    return [
        (text_at(item, "name"), (*workload.pod_place, "imagePullSecrets", index, "name"))
        for index, item in items_at(workload.pod, "imagePullSecrets")
    ]


def pull_secret_named(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-005: the image is pulled with the declared registry Secret."""
    fact = declaration.pull_secret
    known = {fact.name, *declaration.external_secrets, *_names(evidence)}
    for workload in evidence.workloads:
        for name, place in pull_secrets(workload):
            if name not in known:
                observed = f"{shown(name)}. {candidates(name, known)}".strip()
                yield failed(
                    workload.label, "a registry Secret that exists", observed, workload.object.where(*place)
                )
            else:
                yield from _pull_type(declaration, evidence, name, workload)
    yield _declared_pull_secret(declaration, evidence, known)


def _declared_pull_secret(declaration: Declaration, evidence: Evidence, known: set[str]) -> Finding:
    fact, collector = declaration.pull_secret, evidence.workload(declaration.collector.name)
    expected = f"imagePullSecrets: {fact.name}"
    if collector is None:
        return unknown(declaration.collector.name, expected, "there is no collector (WRK-001)")
    names = [name for name, _ in pull_secrets(collector)] + _account_secrets(evidence, collector)
    where = collector.where("imagePullSecrets")
    if fact.name in names:
        return passed(collector.label, expected, "named", where)
    if not all(name in known for name in names):
        return unknown(collector.label, expected, "another one is named, which does not exist", where)
    return failed(collector.label, expected, f"named are {', '.join(names) or 'none'}", where)


def _account_secrets(evidence: Evidence, workload: Workload) -> list[str]:
    name = text_at(workload.pod, "serviceAccountName") or "default"
    account = evidence.manifests.find("ServiceAccount", name) if evidence.manifests else None
    return [text_at(item, "name") for _, item in account.items("imagePullSecrets")] if account else []


def _pull_type(
    declaration: Declaration, evidence: Evidence, name: str, workload: Workload
) -> Iterator[Finding]:
    producer = producer_of(evidence.manifests, "Secret", name) if evidence.manifests else None
    if producer is None or producer.kind == "ExternalSecret":
        return
    place = ("spec", "template", "type") if producer.kind == "SealedSecret" else ("type",)
    found, wanted = producer.text(*place), declaration.pull_secret.type
    verdict = passed if found == wanted else failed
    yield verdict(
        producer.label, f"type {wanted} for {workload.label}", found or "no type", producer.where(*place)
    )


def nothing_plain(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-007 in manifests: no Secret with values, and no secret value in a ConfigMap or in `env`."""
    findings = [*_plain_secrets(evidence), *_plain_variables(declaration, evidence)]
    yield from findings or [passed("manifests", "no plain secret", "every document was read")]


def _plain_secrets(evidence: Evidence) -> Iterator[Finding]:
    for secret in evidence.manifests.of("Secret") if evidence.manifests else []:
        filled = [
            key
            for block in ("data", "stringData")
            for key, size in secret.mapping(block).items()
            if size != 0
        ]
        if filled:
            observed = f"a Secret with values under {', '.join(filled[:_MOST_MISSING])}"
            yield warned(secret.label, "sealed values only", observed, secret.where())


def _plain_variables(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    delicate = {name for name in declaration.secret_variables if may_be_secret(name)}
    for config_map in evidence.manifests.of("ConfigMap") if evidence.manifests else []:
        for key, value in config_map.mapping("data").items():
            if key in delicate and value:
                where = config_map.where("data", key)
                yield failed(config_map.label, "no secret in a ConfigMap", f"{key} has a value", where)
    for workload in evidence.workloads:
        for container in workload.containers:
            for index, entry in items_at(container.fields, "env"):
                name = text_at(entry, "name")
                if name in delicate and entry.get("value") not in (None, ""):
                    where = container.where("env", index, "value")
                    yield failed(
                        workload.label, "no secret in the pod's specification", f"{name} is plain", where
                    )
