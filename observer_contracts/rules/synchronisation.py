"""Argo CD's Applications: they apply this deployment, where it belongs, and never while data come.

Invariant: only the Applications of the deployment's namespace and of their projects are judged; a repository
may hold others, and one that holds none leaves the rules nothing to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.argo import (
    Application,
    Project,
    applications_and_projects,
    namespaces_of,
)
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.live.persistence import FIRST, LAST
from observer_contracts.evidence.objects import Place, text_at
from observer_contracts.evidence.repository import TextFile
from observer_contracts.evidence.sync_windows import open_minutes
from observer_contracts.model import Finding
from observer_contracts.rules.disclosure import repository_of
from observer_contracts.rules.document import TEST_PATH
from observer_contracts.rules.findings import candidates, failed, passed, shown, warned
from observer_core.clock import KST

_DAY = 24 * 60
# Weeks of winter and of summer: a zone with summer time has other hours in each.
_MONDAYS = (datetime(2026, 1, 12, tzinfo=KST), datetime(2026, 7, 13, tzinfo=KST))
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_POD_KINDS = frozenset(
    {"", "*", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "CronJob", "Job", "Pod"}
)
_SEEN_ANYHOW = frozenset({"metadata", "status"})


@dataclass(frozen=True, slots=True)
class _Scope:
    """What is judged.

    Attributes:
        own: The Applications of the deployment.
        beside: All Applications of their projects.
        projects: The projects by name.
        files: The YAML files of the repository.
    """

    own: list[Application]
    beside: list[Application]
    projects: dict[str, Project]
    files: tuple[TextFile, ...]


def _scope(declaration: Declaration, evidence: Evidence) -> _Scope:
    files = tuple(file for file in repository_of(evidence).manifests if not TEST_PATH.search(file.path))
    applications, projects = applications_and_projects(files)
    own = [found for found in applications if declaration.namespace in _namespaces(files, found)]
    named = {found.project for found in own}
    beside = [found for found in applications if found.project in named]
    return _Scope(own, beside, projects, files)


def _namespaces(files: tuple[TextFile, ...], application: Application) -> set[str]:
    rendered = {name for _, _, folder in application.folders for name in namespaces_of(files, folder)}
    return rendered | {application.namespace}


def _nothing(evidence: Evidence, expected: str, declaration: Declaration) -> Finding:
    observed = f"no Application of Argo CD is for {declaration.namespace}"
    return passed(repository_of(evidence).root, expected, observed)


def no_sync_while_data_come(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ARG-001: no Application is synchronised in market hours."""
    scope = _scope(declaration, evidence)
    expected = f"no synchronisation from {FIRST:%H:%M} to {LAST:%H:%M} in Korea, Monday to Friday"
    if not scope.own:
        yield _nothing(evidence, expected, declaration)
    for application in scope.own:
        yield from _closed(application, scope.projects.get(application.project), expected)


def _closed(application: Application, project: Project | None, expected: str) -> Iterator[Finding]:
    label = application.object.label
    if project is None:
        observed = f"its project {shown(application.project)} is in no file, and so are its windows"
        remedy = "Name the project of deploy/argocd/project.yaml."
        where = application.object.where("spec", "project")
        yield warned(label, expected, observed, where, remedy=remedy)
        return
    where = project.object.where("spec", "syncWindows")
    try:
        windows = list(project.windows(application))
    except ValueError as error:
        yield failed(label, expected, f"a window of {project.object.label} cannot be read: {error}", where)
        return
    for monday in _MONDAYS:
        opened = [
            minute for minute in sorted(open_minutes((w for _, w in windows), monday)) if _data_come(minute)
        ]
        if opened:
            day, minute = divmod(opened[0], _DAY)
            observed = (
                f"{len(windows)} windows of {project.object.label} hold for it, and {_WEEKDAYS[day]} "
                f"{minute // 60:02}:{minute % 60:02} is open"
            )
            yield failed(label, expected, observed, where)
            return
    by_hand = [place for place, window in windows if window.by_hand]
    if by_hand:
        observed = "closed, but a person may (manualSync: true)"
        remedy = "Set manualSync: false, unless somebody is to be able to deploy in the session."
        yield warned(
            label, expected, observed, project.object.where(*by_hand[0], "manualSync"), remedy=remedy
        )
    else:
        yield passed(label, expected, f"closed by {project.object.label}", where)


def _data_come(minute: int) -> bool:
    day, time = divmod(minute, _DAY)
    return day < len(_WEEKDAYS) and FIRST.hour * 60 + FIRST.minute <= time < LAST.hour * 60 + LAST.minute


def nothing_hidden(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ARG-002: no rule about differences hides what runs."""
    scope = _scope(declaration, evidence)
    expected = "every difference of what runs is seen, and set back"
    if not scope.own:
        yield _nothing(evidence, expected, declaration)
    for application in scope.own:
        found = list(_hidden(application))
        for place, what, harmful in found:
            verdict = failed if harmful else warned
            where = application.object.where(*place)
            yield verdict(application.object.label, expected, f"hidden: {what}", where)
        if not found:
            where = application.object.where("spec")
            yield passed(application.object.label, expected, "nothing is hidden", where)


def _hidden(application: Application) -> Iterator[tuple[Place, str, bool]]:
    for place, rule in application.object.items("spec", "ignoreDifferences"):
        kind = text_at(rule, "kind")
        harmful = kind in _POD_KINDS
        for pointer in rule.get("jsonPointers") or ():
            if str(pointer).strip("/").partition("/")[0] not in _SEEN_ANYHOW:
                yield (*place, "jsonPointers"), f"{shown(str(pointer))} of {kind or 'every kind'}", harmful
        for path in rule.get("jqPathExpressions") or ():
            if str(path).lstrip(".").partition(".")[0] not in _SEEN_ANYHOW:
                yield (*place, "jqPathExpressions"), f"{shown(str(path))} of {kind or 'every kind'}", harmful
        for manager in rule.get("managedFieldsManagers") or ():
            what = f"whatever {shown(str(manager))} sets of {kind or 'every kind'}"
            yield (*place, "managedFieldsManagers"), what, False


def applied_where_it_belongs(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """ARG-003: folders, values, namespaces and releases of the Applications fit each other."""
    scope = _scope(declaration, evidence)
    if not scope.own:
        yield _nothing(evidence, "Applications that fit the overlay", declaration)
        return
    known = {file.path for file in scope.files}
    folders = {path.rpartition("/")[0] for path in known}
    here = {url for found in scope.beside for _, url, folder in found.folders if folder in folders}
    here |= {url for found in scope.beside for _, url, file in found.value_files if file in known}
    for application in scope.beside:
        findings = [
            *_sources_there(application, here, known, folders),
            *_namespace_fits(scope, application),
            *_sources_allowed(scope, application),
            *_alone(scope, application),
        ]
        yield from findings
        if not findings:
            expected = f"{application.namespace} from its own folder and values"
            where = application.object.where("spec")
            yield passed(application.object.label, expected, "they fit", where)


def _sources_there(
    application: Application, here: set[str], known: set[str], folders: set[str]
) -> Iterator[Finding]:
    say = partial(failed, application.object.label)
    for place, url, folder in application.folders:
        if url in here and folder not in folders:
            hint = candidates(folder, folders)
            observed = f"no folder {shown(folder)}. {hint}".strip()
            yield say("a folder of this repository", observed, application.object.where(*place))
    for place, url, file in application.value_files:
        if url in here and file not in known:
            observed = f"no file {shown(file)}. {candidates(file, known)}".strip()
            yield say("a values file of this repository", observed, application.object.where(*place))


def _namespace_fits(scope: _Scope, application: Application) -> Iterator[Finding]:
    label, where = application.object.label, application.object.where("spec", "destination", "namespace")
    for _, _, folder in application.folders:
        rendered = namespaces_of(scope.files, folder)
        if rendered and rendered != {application.namespace}:
            expected = f"namespace {', '.join(sorted(rendered))}, which {folder} renders into"
            yield failed(label, expected, shown(application.namespace), where)
    project = scope.projects.get(application.project)
    if project is not None and not project.allows(application):
        expected = f"a destination that {project.object.label} allows"
        yield failed(label, expected, shown(application.namespace), where)


def _sources_allowed(scope: _Scope, application: Application) -> Iterator[Finding]:
    project = scope.projects.get(application.project)
    for place, source in application.sources if project else ():
        address = text_at(source, "repoURL")
        if project and not project.takes_from(address):
            expected, where = (
                f"a source that {project.object.label} allows",
                application.object.where(*place, "repoURL"),
            )
            remedy = f"Write the same address into spec.sourceRepos of {project.object.label}."
            yield failed(application.object.label, expected, shown(address), where, remedy=remedy)


def _alone(scope: _Scope, application: Application) -> Iterator[Finding]:
    """Two Applications of one release in one namespace replace each other's objects for ever."""
    for place, release in application.releases:
        others = [
            other.object.label
            for other in scope.beside
            if other is not application
            and other.destination == application.destination
            and release in [name for _, name in other.releases]
        ]
        if others:
            expected = f"one Application for the release {release} in {application.namespace}"
            observed = f"{', '.join(others)} is another one"
            yield failed(application.object.label, expected, observed, application.object.where(*place))
