"""Sources: they use the declared paths and defaults, and make no mount."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePosixPath

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.document_claims import Claim, Subject
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.hidden import may_be_secret
from observer_contracts.evidence.repository import TextFile
from observer_contracts.evidence.source_facts import FactKind, SourceFact, source_facts
from observer_contracts.model import Finding
from observer_contracts.rules.disclosure import repository_of, seen_at
from observer_contracts.rules.document import TEST_PATH, path_problem
from observer_contracts.rules.findings import failed, passed, shown, unknown

_FOLDER_VARIABLE = re.compile(
    r"[A-Z][A-Z0-9_]*_(DIR|ROOT|FOLDER|DIRECTORY)|(OBSERVER|KIS|KIWOOM)_[A-Z0-9_]*PATH"
)
# Folders of the machine, which no volume holds.
_TEMPORARY = ("/tmp", "/var/tmp", "/run", "/var/run", "/dev/shm")  # noqa: S108 - names that sources may use
_FOREIGN_VARIABLES = re.compile(
    r"(XDG|CI|GITHUB|RUNNER|DAGSTER|PYTEST|PLAYWRIGHT|VIRTUAL|CARGO|UV|PIP|GIT|PROMETHEUS)_.*"
)


def _facts(declaration: Declaration, evidence: Evidence) -> tuple[SourceFact, ...]:
    roots = tuple((fact.variable, fact.path) for fact in declaration.paths if fact.is_mount)
    sources = tuple(file for file in repository_of(evidence).sources if not TEST_PATH.search(file.path))
    return _facts_of(sources, roots)


@lru_cache(maxsize=1)
def _facts_of(sources: tuple[TextFile, ...], roots: tuple[tuple[str, str], ...]) -> tuple[SourceFact, ...]:
    return tuple(source_facts(sources, dict(roots)))


def sources_use_declared_paths(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PATH-005: sources make no mount, read no undeclared folder variable, and write out no other path."""
    findings = []
    for fact in _facts(declaration, evidence):
        problem = _source_problem(declaration, fact)
        if problem is not None:
            findings.append(
                failed(fact.file, problem[0], problem[1], seen_at(fact.file, fact.line, "", fact.name))
            )
    yield from dict.fromkeys(findings)
    if not repository_of(evidence).sources:
        yield unknown(
            repository_of(evidence).root, "sources that use the declared paths", "there is no Python source"
        )
    elif not findings:
        yield passed(repository_of(evidence).root, "sources that use the declared paths", "no other path")


def _source_problem(declaration: Declaration, fact: SourceFact) -> tuple[str, str] | None:
    match fact.kind:
        case FactKind.MADE_ROOT:
            return "mounts are never made by a program", f"makes the folder of {fact.name}"
        case FactKind.MADE_ELSEWHERE:
            if not (fact.value or "").startswith(_TEMPORARY):
                return "folders below the declared mounts only", f"makes {shown(fact.value or '')}"
        case FactKind.VARIABLE:
            return _variable_problem(declaration, fact)
        case FactKind.LITERAL:
            claim = Claim(Subject.PATH, "", (fact.value or "").rstrip("/"), fact.file, fact.line)
            if fact.value and fact.value.startswith("/app/") and path_problem(declaration, claim):
                return "paths from the declaration", f"writes out {shown(fact.value)}"
        case FactKind.JOINED:
            other = {PurePosixPath(path.path).name: path for path in declaration.paths if path.is_mount}
            owner = other.get(fact.value or "")
            root = declaration.path(fact.name)
            if owner is not None and owner.variable != fact.name and not root.writable:
                return f"{owner.path} of {owner.variable}", f"joins {fact.value} to {root.path}"
    return None


def _variable_problem(declaration: Declaration, fact: SourceFact) -> tuple[str, str] | None:
    declared = next((path for path in declaration.paths if path.variable == fact.name), None)
    if declared is not None and fact.value and posixpath.normpath(fact.value) != declared.path:
        return f"{fact.name} = {declared.path}", f"another default: {shown(fact.value)}"
    stranger = _FOLDER_VARIABLE.fullmatch(fact.name) and not _FOREIGN_VARIABLES.fullmatch(fact.name)
    if stranger and fact.name not in declaration.declared_variables:
        return "declared path variables only", f"reads {fact.name}"
    return None


def one_default(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """DB-004: no source has another default for a declared value, or any default for a password."""
    public = declaration.public_variables
    findings = []
    for fact in _facts(declaration, evidence):
        if fact.kind is not FactKind.VARIABLE or not fact.value:
            continue
        where = seen_at(fact.file, fact.line, "", fact.name)
        if fact.name in declaration.secret_variables and may_be_secret(fact.name):
            findings.append(
                failed(fact.file, f"no default for {fact.name}", "a default in the source", where)
            )
        elif fact.name in public and fact.name.startswith("DB_") and fact.value != public[fact.name]:
            observed = f"another default: {shown(fact.value)}"
            findings.append(failed(fact.file, f"{fact.name} = {public[fact.name]}", observed, where))
    yield from dict.fromkeys(findings)
    if not findings:
        yield passed(repository_of(evidence).root, "one default for each value", "no second one")


def image_layer_agrees(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """PATH-002 in the repository: an image definition sets a declared path to the declared value."""
    for image in repository_of(evidence).images:
        if TEST_PATH.search(image.file):
            continue
        for variable in image.variables:
            fact = next((fact for fact in declaration.paths if fact.variable == variable.name), None)
            if fact is None or not variable.value:
                continue
            right = posixpath.normpath(variable.value) == fact.path
            where = seen_at(image.file, variable.line, "image", f"ENV {variable.name}")
            verdict = passed if right else failed
            yield verdict(image.file, f"ENV {fact.variable}={fact.path}", shown(variable.value), where)
