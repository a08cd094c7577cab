"""`observer contracts verify --runtime` in real containers: its rule finds what is broken, and only that."""

import json
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from observer_core.brokers.token_cache import Entry, Failure

MOUNTS = "/opt/platform/runtime/observer"
POD = "Pod/observer-77cf5f5949-mxcpm"

HoldLock = Callable[[Path], subprocess.Popen[str]]


def test_a_healthy_pod_passes_everywhere(pod: Any, hold_lock: HoldLock) -> None:
    """Every rule about the container passes in a container that is as declared."""
    pod.remember_token()
    hold_lock(pod.lock_file())
    outcome = pod.verify()
    seen = {found["rule"] for found in outcome.results if found["status"] != "PASS"}
    assert seen - pod.warnings == set(pod.unavoidable), outcome.output
    assert len({found["rule"] for found in outcome.results} - {"EXM-001"}) >= 25
    assert outcome.exit_status == 0


# What is changed in the healthy pod, and which rule must fail at which object; no other rule may fail.
BROKEN: dict[str, tuple[dict[str, Any], dict[str, set[str]]]] = {
    "a writable root": ({"read_only_root": False}, {"CTX-001": {POD}}),
    "another user": ({"user": 1001}, {"CTX-001": {POD}}),
    "another group": (
        {"group": 1001},
        {"CTX-001": {POD}, "CTX-004": {POD}},
    ),
    "capabilities of root": (
        {"user": 0, "capabilities": True},
        {"CTX-001": {POD}},
    ),
    "no filter of system calls": ({"filtered": False}, {"PSS-001": {POD}}),
    "privileges to gain": (
        {"no_new_privileges": False, "filtered": False},
        {"CTX-001": {POD}, "PSS-001": {POD}},
    ),
    "a volume that is not mounted": (
        {"options": {f"{MOUNTS}/data": None}, "folders": (f"{MOUNTS}/data",)},
        {"PATH-001": {f"{MOUNTS}/data"}},
    ),
    "a volume in memory, small and full of inodes": (
        {"options": {f"{MOUNTS}/data": None}, "extra_volumes": (("tmpfs", f"{MOUNTS}/data", "rw"),)},
        {"PATH-001": {f"{MOUNTS}/data"}, "VOL-008": {f"{MOUNTS}/data"}},
    ),
    "a second volume over a folder": (
        {"extra_volumes": (("tmpfs", f"{MOUNTS}/logs/system", "rw"),)},
        {"PATH-003": {f"{MOUNTS}/logs/system"}},
    ),
    "a configuration that can be changed": (
        {"options": {f"{MOUNTS}/config": "rw"}},
        {"CTX-005": {f"{MOUNTS}/config"}},
    ),
    "data that cannot be written": (
        {"options": {f"{MOUNTS}/data": "ro"}},
        {"CTX-004": {f"{MOUNTS}/data", f"{MOUNTS}/data/cache"}},
    ),
    "no folder for temporary files": ({"options": {"/tmp": None}}, {"CTX-003": {"/tmp"}}),
    "a volume that nobody declared": (
        {"extra_volumes": (("tmpfs", "/scratch", "rw"),)},
        {"CTX-001": {POD}},
    ),
    "a file beside the volumes": (
        {"extra_volumes": (("tmpfs", "/scratch", "rw"),), "before": "echo x > /scratch/observer.log"},
        {"CTX-001": {POD}, "PATH-004": {POD}},
    ),
    "a folder that the program made": (
        {"read_only_root": False, "before": "mkdir -p /app/logs/scalp"},
        {"CTX-001": {POD}, "PATH-004": {POD}},
    ),
    "another data folder": ({"environment": {"OBSERVER_DATA_DIR": "/app/data"}}, {"PATH-002": {POD}}),
    "another token cache": ({"environment": {"KIS_TOKEN_CACHE_DIR": "/tmp"}}, {"PATH-002": {POD}}),
    "a variable that is missing": ({"environment": {"OBSERVER_STANDALONE": None}}, {"ENV-003": {POD}}),
    "a variable that is empty": ({"environment": {"LOG_FORMAT": ""}}, {"ENV-003": {POD}}),
    "a value that the program refuses": ({"environment": {"LOG_LEVEL": "loud"}}, {"ENV-005": {POD}}),
    "an optional value that the program refuses": (
        {"environment": {"OBSERVER_REGISTRATIONS": "42"}},
        {"ENV-005": {POD}},
    ),
    "another time zone": ({"environment": {"TZ": "UTC"}}, {"ENV-006": {POD}}),
    "a namespace that is not told": ({"environment": {"POD_NAMESPACE": None}}, {"ENV-006": {POD}}),
    "an invented variable": ({"environment": {"OBSERVER_DATA_PATH": "/x"}}, {"ENV-007": {POD}}),
    "variables of a Service": (
        {
            "environment": {
                "OBSERVER_PORT": "tcp://10.43.0.7:8000",
                "OBSERVER_PORT_8000_TCP": "tcp://10.43.0.7:8000",
                "OBSERVER_SERVICE_HOST": "10.43.0.7",
            }
        },
        {"SVC-004": {POD}},
    ),
    "another database host": ({"environment": {"DB_HOST": "database"}}, {"DB-001": {POD}}),
    "another database port": ({"environment": {"DB_PORT": "5433"}}, {"DB-002": {POD}}),
    "the port of a Service named db": (
        {"environment": {"DB_PORT": "tcp://10.43.0.9:5432"}},
        {"DB-002": {POD}, "SVC-004": {POD}},
    ),
    "a database without tables": (
        {"environment": {"DB_NAME": "empty"}},
        {"DB-003": {POD, "database observer"}},
    ),
    "a database that is not there": (
        {"environment": {"DB_NAME": "nowhere"}},
        {"DB-003": {POD, "database observer"}},
    ),
    "a wrong password": ({"environment": {"DB_PASSWORD": "wrong"}}, {"DB-002": {"postgres:5432"}}),
    "a name that does not exist": (
        {"hosts": ("openapi.koreainvestment.com",), "no_such_name": True},
        {"DB-001": {"postgres"}},
    ),
    "a secret key that is missing": ({"environment": {"KIS_APP_SECRET": None}}, {"SEC-002": {POD}}),
    "a secret key that is empty": ({"environment": {"KIS_HTS_ID": ""}}, {"SEC-002": {POD}}),
    "a collector that hangs": (
        {"http": {"/health": [500, {}], "/ready": [200, {"ready": True, "reason": "recording"}]}},
        {"PRB-001": {POD}},
    ),
    "readiness that says nothing": (
        {"http": {"/health": [200, {}], "/ready": [503, {}]}},
        {"PRB-002": {POD}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_one_fault_is_found_by_its_rule_and_nothing_else_fails(pod: Any, case: str) -> None:
    """A single broken fact fails the rule it belongs to, at its object, and no other rule."""
    changes, expected = BROKEN[case]
    outcome = pod.verify(**changes)
    seen_version = any(found["observed"].startswith("PostgreSQL ") for found in outcome.of("DB-002"))
    unavoidable = pod.unavoidable if seen_version else {}
    assert outcome.broken() == {**unavoidable, **expected}, outcome.output + outcome.errors
    for value in pod.secrets.values():
        assert value not in outcome.output + outcome.errors


def test_a_volume_of_another_claim_is_named(pod: Any) -> None:
    """The folder on the node tells which claim is mounted; two claims that are swapped are found."""
    swapped = ((str(pod.volume("logs")), f"{MOUNTS}/data", "rw"),)
    outcome = pod.verify(options={f"{MOUNTS}/data": None}, extra_volumes=swapped)
    assert outcome.broken() == {**pod.unavoidable, "PATH-001": {f"{MOUNTS}/data"}}
    assert "observer-logs-pvc" in next(f["observed"] for f in outcome.of("PATH-001") if f["status"] == "FAIL")


def test_a_volume_of_another_owner_cannot_be_written(pod: Any) -> None:
    """Ownership, which fsGroup does not repair on hostPath, is found by trying."""
    folder = pod.volume("universe")
    os.chown(folder, 0, 0)
    folder.chmod(0o755)
    outcome = pod.verify()
    assert outcome.broken() == {**pod.unavoidable, "CTX-004": {f"{MOUNTS}/universe"}}
    assert outcome.exit_status == 1
    assert "create: EACCES" in outcome.output


def test_nothing_is_left_behind_on_the_volumes(pod: Any) -> None:
    """Trying a folder leaves no file in it."""
    pod.write("data", "assets/kept.jsonl", "{}\n")
    pod.verify()
    files = [path for name in ("data", "logs", "universe") for path in pod.volume(name).rglob("*")]
    assert [path.name for path in files if path.is_file()] == ["kept.jsonl"]


def test_a_token_that_others_can_read_is_found(pod: Any) -> None:
    """The token cache must have mode 0600."""
    pod.remember_token()
    (pod.volume("data") / "cache/token_cache.json").chmod(0o644)
    outcome = pod.verify()
    assert outcome.broken() == {**pod.unavoidable, "SEC-011": {f"{MOUNTS}/data/cache/token_cache.json"}}


def test_a_refused_app_key_is_external_and_leaves_the_contracts_green(pod: Any) -> None:
    """EGW00103, as in the specification: the broker's state is shown, and no contract is broken."""
    now = datetime.now(UTC)
    refusal = Failure("EGW00103", "유효하지 않은 AppKey입니다.", 403)
    pod.remember(Entry(blocked_until=now + timedelta(seconds=60), failure=refusal))
    ready = {"ready": False, "reason": "external: The broker answered EGW00103: 유효하지 않은 AppKey입니다."}
    outcome = pod.verify(http={"/health": [200, {}], "/ready": [503, ready]})
    assert outcome.broken() == pod.unavoidable
    assert outcome.statuses("SEC-010") == {"EXTERNAL"}
    assert outcome.statuses("PRB-002") == {"EXTERNAL"}
    assert "EGW00103" in outcome.of("SEC-010")[0]["observed"]
    assert outcome.of("SEC-010")[0]["contract"] == "external"


def test_a_broker_that_does_not_answer_is_external(pod: Any) -> None:
    """Closed ports of the broker break no contract."""
    outcome = pod.verify(tcp=())
    assert outcome.broken() == pod.unavoidable
    assert {(found["object"], found["status"]) for found in outcome.of("NET-001")} == {
        ("openapi.koreainvestment.com:9443", "EXTERNAL"),
        ("ops.koreainvestment.com:21000", "EXTERNAL"),
        ("new.real.download.dws.co.kr:443", "EXTERNAL"),
    }


def test_a_database_that_is_down_is_external_and_does_not_stop_the_init_step(pod: Any) -> None:
    """The journal needs no database: its outage is no reason not to record."""
    outcome = pod.verify(database=False)
    assert outcome.broken() == {}
    assert "EXTERNAL" in outcome.statuses("DB-002")
    assert outcome.statuses("DB-003") == {"PASS", "UNKNOWN"}
    assert outcome.exit_status == 0


def test_a_name_server_without_answer_is_external(pod: Any) -> None:
    """No answer about a name is not the answer that it does not exist."""
    outcome = pod.verify(hosts=())
    assert outcome.broken() == {}
    assert "EXTERNAL" in outcome.statuses("DB-001")
    assert outcome.statuses("NET-001") == {"EXTERNAL"}


def test_an_image_without_the_driver_cannot_ask_the_database(pod: Any) -> None:
    """Without psycopg2 the session is unknown, never green."""
    hidden = "/opt/support/without_driver:/opt/application:/opt/site-packages"
    outcome = pod.verify(environment={"PYTHONPATH": hidden})
    assert outcome.broken() == {}
    unknown = [
        found for found in outcome.results if found["status"] == "UNKNOWN" and "psycopg2" in found["observed"]
    ]
    assert {found["rule"] for found in unknown} == {"DB-002", "DB-003"}


def test_what_the_kernel_hides_is_unknown(pod: Any) -> None:
    """Without /proc there is no evidence about user and mounts, and nothing about them is green."""
    outcome = pod.verify(before="mount -t tmpfs -o ro none /proc")
    assert outcome.broken() == {}
    assert outcome.statuses("PSS-001") == {"UNKNOWN"}
    assert outcome.statuses("PATH-001") == {"UNKNOWN"}
    assert outcome.statuses("PATH-004") == {"UNKNOWN"}
    assert "PASS" not in outcome.statuses("CTX-001")


def test_a_collector_that_has_not_started_is_unknown(pod: Any) -> None:
    """In the init step nothing listens yet: no evidence, and no violation."""
    outcome = pod.verify(http=None)
    assert outcome.broken() == pod.unavoidable
    assert outcome.statuses("PRB-001") == outcome.statuses("PRB-002") == {"UNKNOWN"}


def test_a_pod_that_is_not_ready_by_its_own_fault_is_a_warning(pod: Any) -> None:
    """A full disk is shown where readiness says it."""
    ready = {"ready": False, "reason": "journal not writable: disk_full"}
    outcome = pod.verify(http={"/health": [200, {}], "/ready": [503, ready]})
    assert outcome.statuses("PRB-002") == {"WARN"}


@pytest.mark.parametrize(
    ("holder", "status", "said"),
    [
        ("observer-77cf5f5949-mxcpm", "PASS", "this pod writes"),
        ("observer-77cf5f5949-tz962", "PASS", "this pod stands by"),
        ("observer-77cf5f5949-gone0", "WARN", "nobody holds it"),
    ],
)
def test_the_lock_says_who_writes(pod: Any, hold_lock: HoldLock, holder: str, status: str, said: str) -> None:
    """The kernel's lock decides whether somebody writes, across containers; the file says who."""
    path = pod.lock_file(holder)
    if status == "PASS":
        hold_lock(path)
    [found] = pod.verify().of("VOL-007")
    assert (found["status"], said in found["observed"]) == (status, True), found
    assert holder in found["observed"]


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_no_output_shows_a_secret(pod: Any, form: str) -> None:
    """Whatever is wrong, no value of a secret stands in any output."""
    pod.remember_token()
    environment = {
        "DB_PASSWORD": "hunter2-hunter2",
        "KIS_APP_KEY": "PSzyxwvu-wrong-place",
        "DB_NAME": "nowhere",
    }
    outcome = pod.verify(
        environment=environment, arguments=("contracts", "verify", "--runtime", "--format", form)
    )
    assert outcome.exit_status == 1
    for value in (*pod.secrets.values(), "hunter2-hunter2", "PSzyxwvu-wrong-place"):
        assert value not in outcome.output + outcome.errors


def test_the_exit_status_follows_the_severity(pod: Any) -> None:
    """A finding below `--fail-on` fails no command: an init step refuses on critical findings only."""
    command = ("contracts", "verify", "--runtime", "--format", "json")
    wrong_zone = {"environment": {"TZ": "UTC"}}
    assert pod.verify(**wrong_zone, arguments=(*command, "--fail-on", "critical")).exit_status == 0
    assert pod.verify(**wrong_zone, arguments=(*command, "--fail-on", "medium")).exit_status == 1
    wrong_path = {"environment": {"OBSERVER_LOG_DIR": "/app/logs"}}
    outcome = pod.verify(**wrong_path, arguments=(*command, "--fail-on", "critical"))
    assert outcome.exit_status == 1
    assert json.loads(outcome.output)["summary"]["by_status"]["FAIL"] >= 1
