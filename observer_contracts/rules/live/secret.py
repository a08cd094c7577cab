"""Contract 3 in the cluster: Secrets are there, hold something, and come from where they should."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration, Producer
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.live.observations import Live
from observer_contracts.evidence.objects import KubernetesObject, text_at
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, unknown, warned
from observer_contracts.rules.live.seen import at, live_of


def registry_fits(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-005: the registry Secret is there, and has a login for the host of the image."""
    live, fact = live_of(evidence), declaration.pull_secret
    about = f"Secret/{fact.name}"
    host = declaration.image.partition("/")[0]
    expected = f"a Secret of type {fact.type} with a login for {host}"
    unseen = live.away or live.refused.get(about, "")
    found = live.find("Secret", fact.name)
    if unseen:
        yield unknown(about, expected, unseen)
    elif found is None:
        path = f"/api/v1/namespaces/{declaration.namespace}/secrets/{fact.name}"
        yield failed(about, expected, "no such Secret", at(path, about))
    elif found.text("type") != fact.type:
        yield failed(about, expected, f"type {shown(found.text('type'))}", found.where("type"))
    else:
        hosts = live.registries.get(fact.name, ())
        verdict = passed if host in hosts else failed
        yield verdict(about, expected, f"logins for {', '.join(hosts) or 'no host'}", found.where("data"))


def unsealed(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-006: the controller has opened each SealedSecret, and made the Secret that is used."""
    live, fact = live_of(evidence), declaration.secret
    unseen = live.unseen("SealedSecret", "Secret")
    if unseen:
        yield unknown("SealedSecret", "opened by the controller", unseen)
        return
    for sealed in live.of("SealedSecret"):
        yield _synced(sealed)
    if fact.producer is Producer.SEALED:
        yield from _owned(live, fact.name)


def _synced(sealed: KubernetesObject) -> Finding:
    expected, where = "opened by the controller", sealed.where("status", "conditions")
    for _, condition in sealed.items("status", "conditions"):
        if condition.get("type") == "Synced":
            if condition.get("status") == "True":
                return passed(sealed.label, expected, "it is", where)
            return failed(sealed.label, expected, shown(text_at(condition, "message")), where)
    return failed(sealed.label, expected, "the controller has not looked at it (SEC-012)", where)


def _owned(live: Live, name: str) -> Iterator[Finding]:
    secret = live.find("Secret", name)
    if secret is None:
        return  # SEC-001 says so
    owners = [text_at(item, "kind") for _, item in secret.items("metadata", "ownerReferences")]
    expected, where = "made from a SealedSecret", secret.where("metadata", "ownerReferences")
    if "SealedSecret" in owners:
        yield passed(secret.label, expected, "it is", where)
    else:
        remedy = "Seal it, or say `secret_producer: manual` in contracts.yaml."
        yield warned(secret.label, expected, "made by hand", where, remedy=remedy)
