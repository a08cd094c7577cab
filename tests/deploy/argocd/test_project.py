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

from observer_core.clock import KST
from observer_core.market.calendar import MarketCalendar

FOLDER = DEPLOY / "argocd"
CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding"}


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
    names = sorted(path.name for path in FOLDER.glob("*.yaml") if path.name != "project.yaml")
    found = {document["metadata"]["name"]: document for document in _documents(*names)}
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
    assert allowed["namespace"] == {pair for pair in rendered if pair[1] not in CLUSTER_WIDE}


def test_the_applications_are_those_of_the_project(
    project: dict[str, Any], applications: dict[str, dict[str, Any]]
) -> None:
    """One for collector and database, one for Dagster, one for its code; each from an allowed source."""
    assert set(applications) == {"observer", "dagster", "dagster-code"}
    (destination,) = project["destinations"]
    for specification in applications.values():
        assert specification["project"] == "observer"
        assert specification["destination"] == destination
        sources = specification.get("sources") or [specification["source"]]
        assert {source["repoURL"] for source in sources} <= set(project["sourceRepos"])
        assert all(re.fullmatch(r"main|\d+\.\d+\.\d+", source["targetRevision"]) for source in sources)


def test_paths_and_value_files_are_in_this_repository(applications: dict[str, dict[str, Any]]) -> None:
    """What Argo CD reads is there, and the chart's version is that of the installed Dagster."""
    assert (ROOT / applications["observer"]["source"]["path"] / "kustomization.yaml").is_file()
    pinned = re.search(r'"dagster==([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert pinned
    for name in ("dagster", "dagster-code"):
        chart, values = applications[name]["sources"]
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
    files = sorted(Path(FOLDER).iterdir())
    assert all(file.suffix == ".yaml" for file in files)
    for document in _documents(*(file.name for file in files)):
        assert document["metadata"]["namespace"] == "argocd"
