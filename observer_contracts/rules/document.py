"""Documents: their commands are complete, and they agree with the contract."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.document_claims import Claim, Subject, claims, secret_commands
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.repository import TextFile
from observer_contracts.model import Finding
from observer_contracts.rules.disclosure import repository_of, seen_at
from observer_contracts.rules.findings import candidates, failed, passed, unknown, warned

TEST_PATH = re.compile(r"(^|/)(tests?|conftest\.py|test_[^/]*\.py|[^/]*_test\.py)(/|$)")
_CONTAINER_ROOTS = frozenset({"app", "opt", "srv", "workspace", "code", "data", "observer"})
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "0.0.0.0", "$", "<", "{", "host.")  # noqa: S104 - words of a document
_SECRET_NAME = re.compile(r"^  name:\s*[\"']?([a-z0-9.-]+)", re.MULTILINE)
_CLOSE = 0.75


def guides_complete(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-003: a documented command that makes the Secret gives it every key."""
    fact, seen = declaration.secret, 0
    for document in _documents(evidence):
        for command in secret_commands(document.path, document.text):
            if command.name != fact.name:
                continue
            seen += 1
            missing = [key for key in fact.keys if key not in command.keys]
            where = seen_at(command.file, command.line, f"Secret/{command.name}")
            expected = f"all {len(fact.keys)} keys of {fact.name}"
            if missing and command.open_ended:
                yield warned(command.file, expected, "keys from a file cannot be seen", where)
            elif missing:
                yield failed(command.file, expected, f"forgotten: {', '.join(missing)}", where)
            else:
                yield passed(command.file, expected, "all given", where)
    if not seen:
        yield unknown(
            repository_of(evidence).root, f"a guide that makes {fact.name}", "no document has such a command"
        )


def _documents(evidence: Evidence) -> Iterator[TextFile]:
    for document in repository_of(evidence).documents:
        if not TEST_PATH.search(document.path):
            yield document


def documents_agree(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """DOC-001: paths, variables, names and ports in documents are those of the contract."""
    known_secrets = _known_secrets(declaration, evidence)
    seen: set[tuple[str, str]] = set()
    for document in _documents(evidence):
        for claim in claims(document.path, document.text):
            problem = _problem(declaration, claim, known_secrets)
            if problem is None or (document.path, problem[1]) in seen:
                continue
            seen.add((document.path, problem[1]))
            yield failed(
                document.path, problem[0], problem[1], seen_at(claim.file, claim.line, "", claim.name)
            )
    if not seen:
        yield passed(
            repository_of(evidence).root, "documents that agree with the contract", "no disagreement"
        )


def _known_secrets(declaration: Declaration, evidence: Evidence) -> set[str]:
    known = {declaration.secret.name, declaration.pull_secret.name, *declaration.external_secrets}
    for manifest in repository_of(evidence).manifests:
        if "Secret" in manifest.text:
            known.update(_SECRET_NAME.findall(manifest.text))
    return known


def _problem(declaration: Declaration, claim: Claim, known_secrets: set[str]) -> tuple[str, str] | None:
    """Returns what is expected and what the document says, where the two disagree."""
    match claim.subject:
        case Subject.PATH:
            return path_problem(declaration, claim)
        case Subject.VARIABLE:
            return _variable_problem(declaration, claim)
        case Subject.SECRET:
            near = difflib.get_close_matches(
                claim.value, [declaration.secret.name, declaration.pull_secret.name], 1, _CLOSE
            )
            if claim.value not in known_secrets and near:
                return f"Secret {near[0]}", f"Secret {claim.value}"
        case Subject.NAMESPACE:
            if (
                claim.value != declaration.namespace
                and claim.value.partition("-")[0] == declaration.namespace.partition("-")[0]
            ):
                return f"namespace {declaration.namespace}", f"namespace {claim.value}"
        case Subject.PORT:
            return _port_problem(declaration, claim)
    return None


def path_problem(declaration: Declaration, claim: Claim) -> tuple[str, str] | None:
    """Returns the declared path and the other one, where a path means one of ours and is not."""
    path = PurePosixPath(claim.value)
    mounts = [PurePosixPath(volume.mount_path) for volume in declaration.volumes]
    if any(path == mount or mount in path.parents or path in mount.parents for mount in mounts):
        return None
    leaves = {PurePosixPath(fact.path).name: fact for fact in declaration.paths}
    named = next((part for part in reversed(path.parts[1:]) if part in leaves), None)
    home = PurePosixPath(declaration.paths[0].path).parent
    inside = path.parts[1] in _CONTAINER_ROOTS or claim.mounting
    if home in path.parents:
        near = candidates(path.parts[len(home.parts)], [mount.name for mount in mounts])
        return "a declared path", f"{claim.value} is none. {near}".strip()
    if named is None or not inside:
        return None
    return leaves[named].path, claim.value


def _variable_problem(declaration: Declaration, claim: Claim) -> tuple[str, str] | None:
    value = claim.value.rstrip("/")
    path = next((fact for fact in declaration.paths if fact.variable == claim.name), None)
    if path is not None:
        wrong = value.startswith("/") and value != path.path and not value.startswith(("/tmp/", "/var/tmp/"))  # noqa: S108
        return (f"{claim.name} = {path.path}", f"{claim.name} = {value}") if wrong else None
    database = declaration.database
    fixed = {
        database.host_variable: database.host,
        database.port_variable: str(database.port),
        declaration.http.port_variable: str(declaration.http.port),
    }
    expected = fixed.get(claim.name)
    if expected is None or value == expected or value.startswith(_LOCAL_HOSTS) or value == "0":
        return None
    if expected.isdigit() != value.isdigit():
        return None
    looks_like_host = value.isdigit() or re.fullmatch(r"[a-z0-9][a-z0-9.-]*", value)
    return (f"{claim.name} = {expected}", f"{claim.name} = {value}") if looks_like_host else None


def _port_problem(declaration: Declaration, claim: Claim) -> tuple[str, str] | None:
    expected = {
        declaration.http.service: declaration.http.port,
        declaration.database.service: declaration.database.port,
        "": declaration.http.port,
    }.get(claim.name)
    if expected is None or claim.value == str(expected):
        return None
    about = claim.name or "the HTTP service"
    return f"port {expected} of {about}", f"port {claim.value} of {about}"
