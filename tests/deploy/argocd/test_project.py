"""The AppProject and its Applications: what is rendered is allowed, and no sync lies in market hours."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from dagster._utils.schedules import cron_string_iterator
from dagster_chart import Release, code_objects, merged, system_objects
from renderings import DEPLOY, ROOT, Rendering

from observer_contracts.evidence import kustomize
from observer_core.clock import KST
from observer_core.market.calendar import MarketCalendar

FOLDER = DEPLOY / "argocd"
CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding"}
# What controllers make of a kind: Argo CD hides what its project does not name, pods included.
MADE_OF = {
    ("apps", "Deployment"): {("apps", "ReplicaSet"), ("", "Pod")},
    ("apps", "StatefulSet"): {("apps", "ControllerRevision"), ("", "Pod")},
    ("batch", "CronJob"): {("batch", "Job"), ("", "Pod")},
    ("", "Service"): {("discovery.k8s.io", "EndpointSlice")},
}


APPLICATIONS = ("observer", "postgres", "dagster", "dagster-code")
NAMESPACES = {"": "observer-prod", "-staging": "observer-staging"}


def _documents(*names: str) -> list[dict[str, Any]]:
    return [found for name in names for found in yaml.safe_load_all((FOLDER / name).read_text())]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The project's specification."""
    (found,) = _documents("project.yaml")
    assert (found["kind"], found["apiVersion"]) == ("AppProject", "argoproj.io/v1alpha1")
    return found["spec"]


@pytest.fixture(scope="module")
def applications() -> dict[str, dict[str, Any]]:
    """The applications' specifications by name."""
    paths = [path for path in FOLDER.rglob("*.yaml") if path.name != "project.yaml"]
    names = sorted(str(path.relative_to(FOLDER)) for path in paths)
    found = {document["metadata"]["name"]: document for document in _documents(*names)}
    assert len(found) == len(paths)
    assert {document["kind"] for document in found.values()} == {"Application"}
    # A finalizer would delete what runs together with the Application.
    assert [name for name, document in found.items() if document["metadata"].get("finalizers")] == []
    return {name: document["spec"] for name, document in found.items()}


@pytest.fixture(scope="module")
def rendered(renderings: list[Rendering]) -> set[tuple[str, str]]:
    """Group and kind of everything that the overlays, their components and the two charts make."""
    documents = [document for rendering in renderings for document in rendering.documents]
    values = ROOT / "helm-values"
    documents += system_objects(merged(values / "dagster.yaml"), Release("dagster"))
    documents += system_objects(
        merged(values / "dagster.yaml", values / "dagster-staging.yaml"), Release("dagster")
    )
    documents += code_objects(merged(values / "dagster-code.yaml"), Release("dagster-code"))
    return {(_group(document["apiVersion"]), document["kind"]) for document in documents}


def _group(version: str) -> str:
    return version.partition("/")[0] if "/" in version else ""


def test_every_kind_is_allowed_and_no_other_one(
    project: dict[str, Any], rendered: set[tuple[str, str]]
) -> None:
    """A kind that is missing stops every sync; one that nobody renders is a door that nobody watches."""
    allowed = {
        scope: {(entry["group"], entry["kind"]) for entry in project[f"{scope}ResourceWhitelist"]}
        for scope in ("cluster", "namespace")
    }
    assert allowed["cluster"] == {pair for pair in rendered if pair[1] in CLUSTER_WIDE}
    own = {pair for pair in rendered if pair[1] not in CLUSTER_WIDE}
    assert allowed["namespace"] == own | {pair for kind in own for pair in MADE_OF.get(kind, set())}


def test_the_applications_are_those_of_the_project(
    project: dict[str, Any], applications: dict[str, dict[str, Any]]
) -> None:
    """Collector, database, Dagster and its code, in production and staging; each from an allowed source."""
    assert set(applications) == {f"{name}{stage}" for name in APPLICATIONS for stage in NAMESPACES}
    for name, specification in applications.items():
        stage = "-staging" if name.endswith("-staging") else ""
        assert specification["project"] == "observer"
        assert specification["destination"]["namespace"] == NAMESPACES[stage]
        assert specification["destination"] in project["destinations"]
        sources = specification.get("sources") or [specification["source"]]
        assert {source["repoURL"] for source in sources} <= set(project["sourceRepos"])
        assert all(re.fullmatch(r"main|\d+\.\d+\.\d+", source["targetRevision"]) for source in sources)
    assert {found["namespace"] for found in project["destinations"]} == set(NAMESPACES.values())


def test_staging_differs_in_names_and_in_its_own_values(applications: dict[str, dict[str, Any]]) -> None:
    """What is tried out there is what production gets: same charts, same options, same protection."""
    for name in APPLICATIONS:
        production, staging = applications[name], applications[f"{name}-staging"]
        assert staging["syncPolicy"] == production["syncPolicy"]
        if "source" in production:
            path = production["source"]["path"].replace("/production/", "/staging/")
            assert staging["source"] == production["source"] | {"path": path}
            continue
        (chart, values), (own, own_values) = production["sources"], staging["sources"]
        assert own_values == values
        assert own["helm"]["valueFiles"][: len(chart["helm"]["valueFiles"])] == chart["helm"]["valueFiles"]
        different = {"helm": {k: v for k, v in own["helm"].items() if k not in ("valueFiles", "parameters")}}
        assert own | different == chart | {
            "helm": {k: v for k, v in chart["helm"].items() if k != "valueFiles"}
        }


@pytest.mark.parametrize("stage", NAMESPACES)
def test_each_object_belongs_to_one_application(applications: dict[str, dict[str, Any]], stage: str) -> None:
    """Observer and postgres apply the rendering that is verified: all of it, and nothing twice."""
    halves = [
        _rendered(ROOT / applications[f"{name}{stage}"]["source"]["path"])
        for name in ("observer", "postgres")
    ]
    overlay = DEPLOY / "overlays" / ("staging" if stage else "production")
    assert halves[0].keys() & halves[1].keys() == set()
    assert halves[0] | halves[1] == _rendered(overlay)
    # The database can be seen, held and set back alone; what both need is in the one that comes first.
    kinds = {(kind, name.partition("-bc")[0]) for kind, name in halves[1]}
    assert {
        ("StatefulSet", "postgres"),
        ("PersistentVolumeClaim", "observer-db-pvc"),
        ("NetworkPolicy", "postgres"),
    } <= kinds
    assert all("postgres" in name or name == "observer-db-pvc" for _, name in halves[1])
    assert not [name for _, name in halves[0] if "postgres" in name or name == "observer-db-pvc"]
    assert {("Namespace", NAMESPACES[stage]), ("SealedSecret", "observer-secrets")} <= halves[0].keys()


def _rendered(folder: Path) -> dict[tuple[str, str], Any]:
    text = kustomize.render(folder, kustomize.read_sources(folder))
    documents = list(yaml.safe_load_all(text))
    found = {(document["kind"], document["metadata"]["name"]): document for document in documents}
    assert len(found) == len(documents)
    return found


def test_the_applications_come_in_their_order() -> None:
    """Where waves order them: Secret and policies, database, Dagster, its code."""
    waves = {}
    for path in FOLDER.rglob("*.yaml"):
        for document in _documents(str(path.relative_to(FOLDER))):
            if document["kind"] == "Application":
                annotations = document["metadata"]["annotations"]
                waves[document["metadata"]["name"]] = int(annotations["argocd.argoproj.io/sync-wave"])
    for stage in NAMESPACES:
        assert sorted((f"{name}{stage}" for name in APPLICATIONS), key=waves.__getitem__) == [
            f"{name}{stage}" for name in APPLICATIONS
        ]


def test_paths_and_value_files_are_in_this_repository(applications: dict[str, dict[str, Any]]) -> None:
    """What Argo CD reads is there, and the chart's version is that of the installed Dagster."""
    pinned = re.search(r'"dagster==([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert pinned
    for application, specification in applications.items():
        name = application.removesuffix("-staging")
        if "source" in specification:
            assert (ROOT / specification["source"]["path"] / "kustomization.yaml").is_file()
            continue
        chart, values = specification["sources"]
        assert (chart["targetRevision"], chart["helm"]["releaseName"]) == (pinned[1], name)
        assert values["ref"] == "values"
        for file in chart["helm"]["valueFiles"]:
            assert file.startswith("$values/")
            assert (ROOT / file.removeprefix("$values/")).is_file()


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from _keys(item)


def test_nothing_is_hidden(project: dict[str, Any], applications: dict[str, dict[str, Any]]) -> None:
    """No ignore rule: Argo CD shows every difference, and what somebody edits by hand is set back."""
    for specification in (project, *applications.values()):
        assert not {"ignoreDifferences", "RespectIgnoreDifferences"} & set(_keys(specification))
    for specification in applications.values():
        policy = specification["syncPolicy"]
        assert policy["automated"] == {"prune": True, "selfHeal": True, "allowEmpty": False}
        assert not [
            option for option in policy["syncOptions"] if option.startswith(("RespectIgnore", "Replace"))
        ]


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?", text)
    assert match
    return timedelta(hours=int(match[1] or 0), minutes=int(match[2] or 0))


def _denied(window: dict[str, Any], first: datetime, last: datetime) -> list[tuple[datetime, datetime]]:
    """Returns the spans of a window, by cron itself, in the window's own zone."""
    zone, length = ZoneInfo(window.get("timeZone", "UTC")), _duration(window["duration"])
    spans, begin = [], (first - timedelta(days=1)).timestamp()
    for start in cron_string_iterator(begin, window["schedule"], str(zone)):
        if start > last:
            return spans
        spans.append((start, start + length))
    return spans


def _is_denied(spans: list[tuple[datetime, datetime]], instant: datetime) -> bool:
    """Argo CD's own test: the window's last start lies before the instant, by less than its length."""
    return any(start <= instant < end for start, end in spans)


def _minutes(first: datetime, days: int) -> Iterator[datetime]:
    return (first + timedelta(minutes=minute) for minute in range(days * 24 * 60))


def test_no_allowed_minute_lies_in_the_market_hours(project: dict[str, Any]) -> None:
    """All 10,080 minutes of a week without a holiday: Monday to Friday 07:30 to 20:40 in Korea are shut."""
    first = datetime(2026, 11, 9, tzinfo=KST)
    (window,) = project["syncWindows"]
    assert (window["kind"], window["manualSync"], window["applications"]) == ("deny", False, ["*"])
    spans = _denied(window, first, first + timedelta(days=7))
    allowed = [minute for minute in _minutes(first, 7) if not _is_denied(spans, minute)]
    assert len(allowed) == 7 * 1440 - 5 * (13 * 60 + 10)
    within = [m for m in allowed if m.weekday() < 5 and 450 <= m.hour * 60 + m.minute < 1240]
    assert within == []


def test_no_trading_day_of_the_coming_year_has_an_open_minute(project: dict[str, Any]) -> None:
    """Whatever the calendar calls a session, shifted days included, lies in a closed window."""
    first, last = date(2026, 1, 1), date(2026, 12, 31)
    (window,) = project["syncWindows"]
    spans = _denied(window, datetime(2026, 1, 1, tzinfo=KST), datetime(2026, 12, 31, 23, tzinfo=KST))
    calendar = MarketCalendar()
    days = calendar.trading_days(first, last)
    assert len(days) > 240
    for day in days:
        midnight = datetime(day.year, day.month, day.day, tzinfo=KST)
        session = calendar.session(day)
        assert time(7, 30) < session.opens < session.data_ends < time(20, 40)
        # From the broker's packing of the master files to the end of the day's close.
        for minute in range(450, 1240, 10):
            assert _is_denied(spans, midnight + timedelta(minutes=minute))
        assert not _is_denied(spans, midnight + timedelta(hours=20, minutes=40))


def test_the_zone_matters(project: dict[str, Any]) -> None:
    """The same window without its zone would be UTC, and let a sync through at the opening: this can fail."""
    window = {key: value for key, value in project["syncWindows"][0].items() if key != "timeZone"}
    opening = datetime(2026, 11, 9, 9, 0, tzinfo=KST)
    assert not _is_denied(_denied(window, opening, opening + timedelta(days=1)), opening)
    assert _is_denied(_denied(project["syncWindows"][0], opening, opening + timedelta(days=1)), opening)


def test_the_manifests_are_plain_files() -> None:
    """`kubectl apply -f deploy/argocd` takes all of them, each in Argo CD's own namespace."""
    files = sorted(file for file in FOLDER.rglob("*") if file.is_file())
    assert all(file.suffix == ".yaml" for file in files)
    for document in _documents(*(str(file.relative_to(FOLDER)) for file in files)):
        assert document["metadata"]["namespace"] == "argocd"
