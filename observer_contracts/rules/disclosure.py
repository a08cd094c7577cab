"""What a repository gives away, now and in its history."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.disclosures import Disclosure
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.history import LARGEST_FILE
from observer_contracts.evidence.repository import Repository
from observer_contracts.model import Finding, Location, Source
from observer_contracts.rules.findings import failed, passed, unknown, warned

_MOST_KEYS = 20
_MOST_UNREAD = 20
# Where a secret would lie; the ignore rules must cover each.
PROBES = (
    ".env",
    ".env.production",
    "deploy/secrets/observer-secrets.yaml",
    "secrets/plain.yaml",
    "kubeconfig",
    "kubeconfig.yaml",
)


def repository_of(evidence: Evidence) -> Repository:
    """Returns the repository, which the engine makes sure is there."""
    if evidence.repository is None:
        raise AssertionError("the engine asks repository rules with a repository only")
    return evidence.repository


def seen_at(file: str, line: int | None, about: str = "", field: str = "") -> Location:
    """Returns a place in the repository."""
    return Location(Source.REPOSITORY, file, line, about, field)


def _disclosed(found: Disclosure) -> Finding:
    names = f" under {', '.join(found.keys[:_MOST_KEYS])}" if found.keys else ""
    where = seen_at(found.file, found.line, found.commit)
    expected = "no secret in the repository"
    if found.commit:
        observed = f"{found.kind}{names}, since commit {found.commit} of {found.day}"
    else:
        observed = f"{found.kind}{names}"
    if found.placeholder:
        return warned(found.file, expected, f"{observed}; the values are stand-ins", where)
    return failed(found.file, expected, observed, where)


def nothing_plain_now(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-007: no tracked file gives a secret away."""
    repository = repository_of(evidence)
    yield from map(_disclosed, repository.disclosed)
    for path in repository.unread[:_MOST_UNREAD]:
        observed = f"not read: larger than {LARGEST_FILE // 1024} KiB, or not readable"
        yield unknown(path, "no secret in the repository", observed, seen_at(path, None))
    if len(repository.unread) > _MOST_UNREAD:
        observed = f"{len(repository.unread) - _MOST_UNREAD} more files were not read"
        yield unknown(repository.root, "no secret in the repository", observed)
    if not repository.files and not repository.unread:
        yield unknown(repository.root, "no secret in the repository", "no file was read")
    elif not repository.unread and not any(not found.placeholder for found in repository.disclosed):
        yield passed(repository.root, "no secret in the repository", f"{repository.files} files")


def nothing_plain_ever(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-008: no commit that a ref reaches gives a secret away."""
    repository = repository_of(evidence)
    expected = "no secret in the history of any ref"
    if repository.past is None:
        yield unknown(repository.root, expected, "a plain folder has no history")
        return
    yield from map(_disclosed, repository.past)
    if repository.partial:
        yield unknown(repository.root, expected, f"not read whole: {repository.partial}")
    elif not any(not found.placeholder for found in repository.past):
        yield passed(repository.root, expected, "every blob was read")


def ignores_fit(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-009: ignore rules cover where secrets would lie, hide no SealedSecret, and manifests are UTF-8."""
    repository = repository_of(evidence)
    for path in repository.marked:
        if path.endswith((".yaml", ".yml", ".json")):
            yield warned(path, "UTF-8", "UTF-16 with a mark, as PowerShell writes it", seen_at(path, 1))
    if repository.ignores is None:
        yield unknown(repository.root, "ignore rules", "a plain folder has none in force")
        return
    for answer in repository.ignores:
        if answer.path in PROBES and not answer.rule:
            yield warned(
                ".gitignore", f"a rule that covers {answer.path}", "none", seen_at(".gitignore", None)
            )
        elif answer.path not in PROBES and answer.rule:
            observed = f"hidden by {answer.rule}"
            yield failed(answer.path, "a SealedSecret that git sees", observed, seen_at(answer.path, 1))
    if all(bool(answer.rule) == (answer.path in PROBES) for answer in repository.ignores):
        yield passed(".gitignore", "covers secrets, hides no SealedSecret", "as it should")
