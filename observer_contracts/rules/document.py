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
_NAME = re.compile(r"^\s*(?:- )?name:\s*[\"']?([a-z0-9.-]+)", re.MULTILINE)
# Of a kustomization: the namespace of a deployment that stands beside.
_OWN_NAMESPACE = re.compile(r"^namespace:\s*[\"']?([a-z0-9-]+)", re.MULTILINE)
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
    known = _known_names(declaration, evidence)
    seen: set[tuple[str, str]] = set()
    for document in _documents(evidence):
        for claim in claims(document.path, document.text):
            problem = _problem(declaration, claim, known)
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


def _known_names(declaration: Declaration, evidence: Evidence) -> set[str]:
    """Names of what the contract declares, and of whatever the repository's manifests define."""
    known = {declaration.secret.name, declaration.pull_secret.name, *declaration.external_secrets}
    for manifest in repository_of(evidence).manifests:
        known.update(_NAME.findall(manifest.text))
        known.update(_OWN_NAMESPACE.findall(manifest.text))
    return known


def _problem(declaration: Declaration, claim: Claim, known: set[str]) -> tuple[str, str] | None:
    """Returns what is expected and what the document says, where the two disagree."""
    match claim.subject:
        case Subject.PATH:
            problem = path_problem(declaration, claim)
        case Subject.VARIABLE:
            problem = _variable_problem(declaration, claim)
        case Subject.SECRET:
            secrets = {declaration.secret.name, declaration.pull_secret.name}
            problem = _name_problem("Secret", claim, secrets, known)
        case Subject.NAMESPACE:
            problem = _namespace_problem(declaration, claim, known)
        case Subject.PORT:
            problem = _port_problem(declaration, claim)
        case Subject.OBJECT:
            problem = _name_problem("object", claim, _declared_names(declaration), known)
        case Subject.DATABASE:
            problem = _database_problem(declaration, claim)
    return problem


def _name_problem(kind: str, claim: Claim, declared: set[str], known: set[str]) -> tuple[str, str] | None:
    """Compares a name with the declared ones that it resembles; others may be anything."""
    near = difflib.get_close_matches(claim.value, sorted(declared), 1, _CLOSE)
    if not near or claim.value in known | declared:
        return None
    return f"{kind} {near[0]}", f"{kind} {claim.value}"


def _namespace_problem(declaration: Declaration, claim: Claim, known: set[str]) -> tuple[str, str] | None:
    family = declaration.namespace.partition("-")[0]
    if claim.value == declaration.namespace or claim.value.partition("-")[0] != family:
        return None
    # Another deployment of the repository, such as staging.
    if claim.value in known:
        return None
    return f"namespace {declaration.namespace}", f"namespace {claim.value}"


def _declared_names(declaration: Declaration) -> set[str]:
    return {
        declaration.config_map,
        declaration.http.service,
        declaration.database.service,
        declaration.database.headless_service,
        *(fact.name for fact in declaration.workloads),
        *(volume.claim for volume in declaration.volumes if volume.claim),
        declaration.backup.claim,
    }


def _database_problem(declaration: Declaration, claim: Claim) -> tuple[str, str] | None:
    """Compares the address of a host whose name is the database's, or nearly so."""
    database = declaration.database
    host = claim.name.partition(".")[0]
    near = difflib.get_close_matches(host, [database.host, database.headless_service], 1, _CLOSE)
    port = claim.value or str(database.port)
    right = host in (database.host, database.headless_service) and port == str(database.port)
    if right or not near:
        return None
    return f"the database at {database.host}:{database.port}", f"the database at {claim.name}:{port}"


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
