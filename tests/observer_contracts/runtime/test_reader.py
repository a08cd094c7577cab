"""The reader keeps no secret, judges nothing, and says what it could not look at."""

from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from observer_contracts.declaration.build import declare
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.runtime.local import LocalSurroundings
from observer_contracts.evidence.runtime.observations import (
    Attempt,
    Contact,
    Reach,
    Runtime,
    Session,
    SessionState,
    Strays,
)
from observer_contracts.evidence.runtime.reader import read_runtime
from observer_contracts.evidence.seeing import HttpAnswer, Unseen
from observer_contracts.model import Finding, Status
from observer_contracts.rules.runtime.table import RUNTIME_CHECKS
from observer_core.clock import open_clock
from observer_core.settings import DatabaseSettings

MOUNTS = "1 0 0:1 / / ro - overlay overlay ro\n2 1 8:1 / /scratch rw - ext4 /dev/sda1 rw\n"


class Quiet(LocalSurroundings):
    """A container without network whose kernel says what a test wants; tries no folder of this machine."""

    def __init__(self, environment: Mapping[str, str], *, mounts: str = MOUNTS) -> None:
        super().__init__(environment, open_clock("real"))
        self.mounts = mounts
        self.reached: list[tuple[str, int]] = []
        self.events: list[str] = []

    def read_kernel(self, path: str) -> str:
        return self.mounts if path.endswith("mountinfo") else super().read_kernel(path)

    def started(self) -> float:
        return 0.0

    def is_folder(self, path: str) -> bool:
        return path in ("/", "/scratch")

    def try_writing(self, folder: str, within: str) -> Attempt:
        self.events.append(f"try {folder}")
        return Attempt(folder, folder)

    def written_since(self, start: float, root: str, left_out: Collection[str]) -> Strays | Unseen:
        self.events.append(f"walk {root}")
        return Strays((), 0, 1)

    def reach(self, purpose: str, host: str, port: int) -> Contact:
        self.reached.append((host, port))
        return Contact(purpose, host, port, Reach.REACHED)

    def ask(self, port: int, path: str) -> HttpAnswer | Unseen:
        return Unseen("not asked")

    def open_session(self, settings: DatabaseSettings) -> Session | Unseen:
        return Session(SessionState.OPEN, answered=True, major_version=15, migrations=("0003",))


def _read(environment: Mapping[str, str], *, mounts: str = MOUNTS) -> tuple[Runtime, Quiet]:
    surroundings = Quiet(environment, mounts=mounts)
    return read_runtime(declare(), surroundings), surroundings


def _findings(runtime: Runtime) -> dict[str, list[Finding]]:
    evidence = Evidence(runtime=runtime)
    return {rule: list(check(declare(), evidence)) for rule, check in RUNTIME_CHECKS.items()}


def test_only_declared_public_values_are_kept() -> None:
    """Of a secret, and of a variable that nobody declared, only the length remains."""
    environment = {
        "LOG_LEVEL": "INFO",
        "DB_PASSWORD": "hunter2-hunter2",
        "DB_USER": "observer",
        "KIS_HTS_ID": "trader01",
        "PGPASSWORD": "hunter2-hunter2",
        "SLACK_TOKEN": "xoxb-1234",
    }
    runtime, _ = _read(environment)
    assert runtime.text("LOG_LEVEL") == "INFO"
    for name, value in environment.items():
        assert runtime.variables[name].length == len(value)
        assert runtime.variables[name].text == ("INFO" if name == "LOG_LEVEL" else None)
    for value in ("hunter2-hunter2", "trader01", "xoxb-1234"):
        assert value not in repr(runtime)
        assert value not in repr(_findings(runtime))


def test_the_brokers_addresses_are_those_of_the_environment() -> None:
    """Paper keys are used at the paper ports, and nothing else is contacted."""
    _, surroundings = _read({"KIS_ENVIRONMENT": "paper", "DB_HOST": "postgres"})
    assert set(surroundings.reached) == {
        ("openapivts.koreainvestment.com", 29443),
        ("ops.koreainvestment.com", 31000),
        ("new.real.download.dws.co.kr", 443),
        ("postgres", 5432),
    }


def test_strays_are_looked_for_before_any_folder_is_tried() -> None:
    """Otherwise the verification would find its own traces."""
    _, surroundings = _read({})
    first_try = next(i for i, event in enumerate(surroundings.events) if event.startswith("try"))
    assert surroundings.events[:first_try] == ["walk /scratch"]


def test_values_that_the_program_refuses_hide_nothing_else() -> None:
    """A broken port makes the database unknown, and leaves every other rule its answer."""
    runtime, _ = _read({"DB_PORT": "abc", "KIS_ENVIRONMENT": "test"})
    found = _findings(runtime)
    assert [finding.status for finding in found["DB-002"]] == [Status.FAIL, Status.UNKNOWN]
    assert {finding.status for finding in found["NET-001"]} == {Status.UNKNOWN}
    assert {finding.status for finding in found["SEC-010"]} == {Status.UNKNOWN}
    assert Status.FAIL in {finding.status for finding in found["ENV-005"]}
    assert all(found.values())


def test_every_rule_answers_when_nothing_can_be_seen() -> None:
    """Without /proc no rule about mounts passes, and none is silent."""
    runtime, _ = _read({}, mounts="nonsense")
    found = _findings(runtime)
    assert all(found.values())
    for rule in ("PATH-001", "PATH-003", "PATH-004"):
        assert {finding.status for finding in found[rule]} == {Status.UNKNOWN}, rule


@pytest.mark.parametrize("reach", [Reach.REFUSED, Reach.UNANSWERED])
def test_an_unreachable_database_is_external(reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is no violation, and what hangs on it is unknown."""
    monkeypatch.setattr(Quiet, "reach", lambda self, purpose, host, port: Contact(purpose, host, port, reach))
    runtime, _ = _read({"DB_PORT": "5432"})
    found = _findings(runtime)
    assert Status.EXTERNAL in {finding.status for finding in found["DB-002"]}
    assert [finding.status for finding in found["DB-003"]] == [Status.UNKNOWN]


def test_another_major_version_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The volume's files belong to one major version."""
    newer = Session(SessionState.OPEN, answered=True, major_version=16, migrations=("0003",))
    monkeypatch.setattr(Quiet, "open_session", lambda self, settings: newer)
    runtime, _ = _read({})
    assert Status.FAIL in {finding.status for finding in _findings(runtime)["DB-002"]}


def test_the_surroundings_of_this_process_can_be_read(tmp_path: Path) -> None:
    """The real thing on this machine answers every question, whoever runs it."""
    runtime = read_runtime(declare(), LocalSurroundings({"HOME": str(tmp_path)}, open_clock("real")))
    assert not isinstance(runtime.process, Unseen)
    assert not isinstance(runtime.mounts, Unseen)
    assert runtime.mount_at("/") is not None
    assert all(_findings(runtime).values())
