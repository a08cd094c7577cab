"""The persistence test deletes real files' pods in an emulated cluster, and compares what is left."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kubernetes_emulator import Cluster, Server

from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification
from observer_contracts.engine import verify as verify_all
from observer_contracts.evidence.live.kubernetes_access import KubernetesAccess
from observer_contracts.evidence.live.observations import Persistence
from observer_contracts.evidence.live.persistence import PersistenceTest, is_lost
from observer_contracts.evidence.live.reader import read_live
from observer_contracts.evidence.seeing import Unseen
from observer_contracts.model import Status
from observer_core.clock import KST

MOUNTS = "/opt/platform/runtime/observer"
NIGHT = datetime(2026, 11, 23, 22, 0, tzinfo=KST)
TRADING = datetime(2026, 11, 23, 10, 0, tzinfo=KST)
HOLIDAY = datetime(2026, 12, 25, 10, 0, tzinfo=KST)


@dataclass
class Watch:
    """Time that passes when somebody waits."""

    today: datetime = NIGHT
    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.today

    def monotonic(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds


Run = Callable[..., Persistence | Unseen]


@pytest.fixture
def run(access: KubernetesAccess) -> Run:
    def ran(watch: Watch | None = None) -> Persistence | Unseen:
        live = read_live(declare(), access)
        return PersistenceTest(declare(), access, watch or Watch(), timedelta(seconds=5)).run(live)

    return ran


@pytest.fixture
def files(volumes: dict[str, Path]) -> dict[str, Path]:
    """What the report found on the volumes, and more of it."""
    content = {
        f"{MOUNTS}/data/assets/scalp/20261123/0_09_000001.jsonl": b"x" * 6000,
        f"{MOUNTS}/data/assets/scalp/20261123/0_10_000002.jsonl.open": b"x" * 100,
        f"{MOUNTS}/data/cache/token_cache.json": b"{}",
        f"{MOUNTS}/data/lake/scalp_trades/date=2026-11-20/day.parquet": b"PAR1" * 100,
        f"{MOUNTS}/data/symbol_health.json": b"{}",
        f"{MOUNTS}/logs/system/collector.log": b"line\n",
        f"{MOUNTS}/universe/20261123_kr_stocks.json": b"{}",
    }
    made = {}
    for path, data in content.items():
        mount = next(mount for mount in volumes if path.startswith(f"{mount}/"))
        made[path] = volumes[mount] / path.removeprefix(f"{mount}/")
        made[path].parent.mkdir(parents=True, exist_ok=True)
        made[path].write_bytes(data)
    return made


def _deletions(server: Server) -> list[str]:
    return [path for method, path in server.requests if method == "DELETE"]


def test_files_that_survive_pass(run: Run, cluster: Cluster, server: Server, files: dict[str, Path]) -> None:
    """Both pods are replaced, and every file is there: step 5 of the specification."""
    before = {pod["metadata"]["name"] for pod in cluster.pods("observer")}
    outcome = run()
    assert isinstance(outcome, Persistence), outcome
    assert set(outcome.deleted) == before
    assert set(outcome.successors) == {pod["metadata"]["name"] for pod in cluster.pods("observer")}
    assert not before & set(outcome.successors)
    assert (outcome.files, outcome.lost) == (7, ())
    assert outcome.bytes == sum(path.stat().st_size for path in files.values())
    assert len(_deletions(server)) == 2


def test_a_lost_file_is_named(
    run: Run, cluster: Cluster, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that was no volume is empty in the new pod."""
    lost = f"{MOUNTS}/data/cache/token_cache.json"
    delete = cluster.delete_pod

    def forgetful(name: str, namespace: str) -> dict[str, Any]:
        files[lost].unlink(missing_ok=True)
        return delete(name, namespace)

    monkeypatch.setattr(cluster, "delete_pod", forgetful)
    outcome = run()
    assert isinstance(outcome, Persistence)
    assert outcome.lost == (lost,)


def test_the_outcome_becomes_a_result(run: Run, access: KubernetesAccess, files: dict[str, Path]) -> None:
    """DAT-002 passes, fails with the names, or says that it could not look."""
    live = read_live(declare(), access)

    def judged(outcome: Persistence | Unseen) -> list[Status]:
        results = verify_all(
            Verification(declare(), live=replace(live, persistence=outcome), only=("DAT-002",))
        )
        return [result.status for result in results]

    outcome = run()
    assert isinstance(outcome, Persistence)
    assert judged(outcome) == [Status.PASS]
    assert judged(replace(outcome, lost=("/opt/x",))) == [Status.FAIL]
    assert judged(Unseen("not now")) == [Status.UNKNOWN]


def test_no_pod_is_deleted_in_market_hours(run: Run, server: Server, files: dict[str, Path]) -> None:
    """I-21: each deletion cuts the feed."""
    outcome = run(Watch(TRADING))
    assert isinstance(outcome, Unseen)
    assert "data come from 07:30 to 20:40" in outcome.reason
    assert _deletions(server) == []


def test_a_holiday_is_a_good_day_for_it(run: Run, files: dict[str, Path]) -> None:
    """The exchange's calendar decides."""
    assert isinstance(run(Watch(HOLIDAY)), Persistence)


def test_no_pod_is_deleted_while_one_is_not_ready(
    run: Run, cluster: Cluster, server: Server, files: dict[str, Path]
) -> None:
    """A deployment that is not well is not made worse."""
    cluster.pods("observer")[1]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    outcome = run()
    assert isinstance(outcome, Unseen)
    assert "not ready before the test" in outcome.reason
    assert _deletions(server) == []


def test_without_the_right_to_run_commands_nothing_is_deleted(
    run: Run, server: Server, files: dict[str, Path]
) -> None:
    """What cannot be compared is not risked."""
    server.faults["/exec"] = 403
    outcome = run()
    assert isinstance(outcome, Unseen)
    assert "cannot be listed" in outcome.reason
    assert _deletions(server) == []


def test_without_the_right_to_delete_it_says_so(
    run: Run, server: Server, cluster: Cluster, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The role of the persistence test is one of its own."""
    name = cluster.pods("observer")[0]["metadata"]["name"]
    server.faults[f"/pods/{name}$"] = 403
    outcome = run()
    assert isinstance(outcome, Unseen)
    assert "cannot be deleted: forbidden (403)" in outcome.reason


def test_successors_that_never_come_are_told(run: Run, cluster: Cluster, files: dict[str, Path]) -> None:
    """After some patience: how many are ready again."""
    cluster.replaces = False
    watch = Watch()
    outcome = run(watch)
    assert isinstance(outcome, Unseen)
    assert "0 of 2 pods were ready 5 s after the deletion" in outcome.reason
    assert watch.waits


def test_a_command_that_fails_is_no_list(run: Run, server: Server, files: dict[str, Path]) -> None:
    """A container without Python says nothing about its files."""
    server.program = "false"
    outcome = run()
    assert isinstance(outcome, Unseen)
    assert "status 1" in outcome.reason
    assert _deletions(server) == []


@pytest.mark.parametrize(
    ("path", "before", "after", "lost"),
    [
        ("/d/a.jsonl", 10, {"/d/a.jsonl": 10}, False),
        ("/d/a.jsonl", 10, {"/d/a.jsonl": 9}, True),
        ("/d/a.jsonl", 10, {}, True),
        ("/d/a.jsonl.open", 10, {"/d/a.jsonl": 12}, False),
        ("/d/a.jsonl.open", 10, {"/d/a.jsonl": 8}, True),
        ("/d/a.jsonl.open", 10, {}, True),
        ("/d/token_cache.json", 10, {"/d/token_cache.json": 2}, False),
        ("/d/day.parquet", 10, {"/d/day.parquet": 0}, True),
    ],
)
def test_what_counts_as_lost(path: str, before: int, after: dict[str, int], lost: bool) -> None:
    """An open segment is sealed when its writer stops; files that are written anew may shrink."""
    assert is_lost(path, before, after) is lost
