"""The rules about Secrets."""

from __future__ import annotations

from observer_contracts.catalogue.looking import CRITICAL, HIGH, MEDIUM, RENDER, manifests, repository
from observer_contracts.helm import pod_needs
from observer_contracts.model import Contract, Rule, Source
from observer_contracts.rules import disclosure, document, sealed_secret, secret

SECRET_RULES: tuple[Rule, ...] = (
    Rule(
        "SEC-001",
        "Every Secret that a workload names is made by something",
        Contract.SECRET,
        CRITICAL,
        cf="CF-1",
        incident="I-17",
        why="The kubelet does not start the container: CreateContainerConfigError; running pods hide it "
        "until they are replaced.",
        remedy="Rename the reference or seal the Secret under the name that the workloads use; the "
        "candidates are given.",
        look="kubectl -n observer-prod get secrets,sealedsecrets",
        checks=manifests(secret.references_resolve),
    ),
    Rule(
        "SEC-002",
        "The Secret has every key, none is empty, and the workloads take it",
        Contract.SECRET,
        CRITICAL,
        cf="CF-2",
        incident="I-19",
        why="The collector cannot log in to broker or database, or PostgreSQL cannot be initialised again.",
        remedy="Seal the Secret again with the keys that are named.",
        look="kubectl -n observer-prod describe secret observer-secrets",
        checks=manifests(secret.keys_complete),
    ),
    Rule(
        "SEC-003",
        "The documented command gives the Secret every key",
        Contract.SECRET,
        HIGH,
        cf="CF-2",
        incident="I-19",
        why="Whoever follows the guide makes a Secret with which the collector runs and collects nothing.",
        remedy="Add the keys that are named to the command, or let `observer secrets template` write it.",
        look="grep -rn 'create secret generic' docs",
        checks=repository(document.guides_complete),
    ),
    Rule(
        "SEC-004",
        "Every Secret that is made is used",
        Contract.SECRET,
        MEDIUM,
        cf="CF-1",
        why="An unused Secret usually means that the workloads name another one, which nothing makes.",
        remedy="Reference it, or delete it.",
        look=RENDER,
        checks=manifests(secret.none_unused),
    ),
    Rule(
        "SEC-005",
        "The image is pulled with a registry Secret that exists",
        Contract.SECRET,
        CRITICAL,
        why="ImagePullBackOff on the next node or after the next cleaning of images.",
        remedy="Name the declared Secret in imagePullSecrets, of type kubernetes.io/dockerconfigjson.",
        look="kubectl -n observer-prod get secret ghcr-secret",
        checks={
            Source.MANIFESTS: secret.pull_secret_named,
            Source.VALUES: pod_needs.pull_secret_named,
        },
    ),
    Rule(
        "SEC-006",
        "A SealedSecret can be opened where it lies",
        Contract.SECRET,
        CRITICAL,
        incident="I-17",
        why="Sealed values are bound to name and namespace: the controller makes no Secret and says so in "
        "its own status only.",
        remedy="Seal again for this name and namespace; write the file in UTF-8.",
        look="kubectl -n observer-prod get sealedsecrets",
        checks=manifests(sealed_secret.sealed_well),
    ),
    Rule(
        "SEC-007",
        "No secret stands in the clear",
        Contract.SECRET,
        HIGH,
        cf="CF-3",
        why="Everybody with the repository has the account, the database or the cluster. Searched are, by "
        "kind: Secrets (also between fences of Markdown), kubeconfigs, private keys, key stores, .env files, "
        "registry credentials, literals of a secretGenerator, and values of declared secrets in ConfigMaps, "
        "`env`, image definitions and shell scripts. What only looks random is not reported.",
        remedy="Renew the credential first, then `git rm --cached` the file and purge the history "
        "(docs/operations/purge-secrets.md).",
        look="git ls-files",
        checks={Source.MANIFESTS: secret.nothing_plain, Source.REPOSITORY: disclosure.nothing_plain_now},
    ),
    Rule(
        "SEC-008",
        "No secret stands in the history of any ref",
        Contract.SECRET,
        HIGH,
        cf="CF-3",
        why="An ignore rule removes nothing from the history: every clone still has the secret.",
        remedy="Renew the credential first, then purge the history (docs/operations/purge-secrets.md).",
        look="git log --all --oneline -- PATH",
        checks=repository(disclosure.nothing_plain_ever),
    ),
    Rule(
        "SEC-009",
        "Ignore rules cover secrets and hide no SealedSecret",
        Contract.SECRET,
        MEDIUM,
        cf="CF-3",
        why="A pattern such as `**/secrets/` also hides sealed files, so that they are never deployed.",
        remedy="Ignore plain files by name, and keep sealed ones visible.",
        look="git check-ignore -v PATH",
        checks=repository(disclosure.ignores_fit),
    ),
)
