"""The repeated verification beside the intake: real processes, and what the answers make of them."""

import asyncio
import json
import resource
import sys
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector, CollectorRegistry

from observer.commands.collector import VERIFICATION
from observer_collector.contracts.verification import Answer, Problem, Verification, read, verify
from observer_collector.contracts.watch import Cadence, ContractWatch, cadence_of
from observer_core.clock import RealClock, open_clock
from observer_core.settings import Settings


def result(rule, contract, severity, status, about="Pod/observer-1", **more):
    """A result as `observer contracts verify --format json` prints it."""
    return {
        "rule": rule, "contract": contract, "cf": None, "incident": None, "severity": severity,
        "status": status, "title": "t", "object": about, "expected": "e", "observed": "o",
        "evidence": [], "remedy": "r", **more,
    }  # fmt: skip


RESULTS = [
    result("PATH-001", "path", "critical", "FAIL", "/data"),
    result("PATH-001", "path", "critical", "FAIL", "/logs"),
    result("PATH-002", "path", "critical", "PASS"),
    result("ENV-006", "environment", "medium", "FAIL"),
    result("DB-001", "database", "high", "UNKNOWN"),
    result("DB-001", "database", "high", "PASS"),
    result("SEC-010", "external", "high", "EXTERNAL", "broker", observed="EGW00103"),
]


def answer_of(results, schema=1):
    return json.dumps({"schema": schema, "summary": {}, "results": results})


def printing(text, *, status=0, errors=""):
    """A command that prints a text."""
    script = f"import sys; sys.stdout.write({text!r}); sys.stderr.write({errors!r}); sys.exit({status})"
    return (sys.executable, "-S", "-c", script)


def is_running(process):
    """Tells whether a process is there and no zombie that waits for its parent."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def python(script):
    return (sys.executable, "-S", "-c", script)


class OfWatch(Collector):
    def __init__(self, watch):
        self.watch = watch

    def collect(self):
        return self.watch.metrics()


def samples(watch):
    """Returns what Prometheus reads: values by name and labels."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(OfWatch(watch))
    text = generate_latest(registry).decode()
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def ran(watch, *, until):
    """Lets a watch run until it has come to something."""
    running = asyncio.create_task(watch.run())
    try:
        while not until(watch.status()):
            assert not running.done()
            await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.wait([running])


def watch_of(command, *, seconds=1):
    return ContractWatch(command, Cadence(seconds), RealClock())


async def test_results_become_series_and_status():
    """Counts by contract and state, a series for each broken rule, the broker's failure apart."""
    watch = watch_of(printing(answer_of(RESULTS), status=1))
    await ran(watch, until=lambda status: status["completed"])
    found = samples(watch)
    name = "observer_contract_results"
    assert found[name, ("contract", "path"), ("status", "FAIL")] == 2
    assert found[name, ("contract", "path"), ("status", "PASS")] == 1
    assert found[name, ("contract", "path"), ("status", "EXTERNAL")] == 0
    assert found[name, ("contract", "external"), ("status", "EXTERNAL")] == 1
    assert found[name, ("contract", "external"), ("status", "FAIL")] == 0
    broken = {key: value for key, value in found.items() if key[0] == "observer_contract_rule_failures"}
    assert {tuple(dict(key[1:]).values()): value for key, value in broken.items()} == {
        ("path", "PATH-001", "critical"): 2,
        ("environment", "ENV-006", "medium"): 1,
    }
    assert found["observer_contract_verifications_total", ("outcome", "failed")] == 0
    assert found["observer_contract_verification_timestamp_seconds",] > 1_700_000_000
    assert found["observer_contract_verification_duration_seconds",] > 0
    status = watch.status()
    assert status["results"] == {"FAIL": 3, "UNKNOWN": 1, "EXTERNAL": 1, "PASS": 2}
    assert [one["rule"] for one in status["broken"]] == ["PATH-001", "PATH-001", "ENV-006"]
    assert [one["observed"] for one in status["external"]] == ["EGW00103"]
    assert status["rules"] == {
        "DB-001": "UNKNOWN", "ENV-006": "FAIL", "PATH-001": "FAIL", "PATH-002": "PASS", "SEC-010": "EXTERNAL",
    }  # fmt: skip
    assert watch.breaches() == ("PATH-001 /data: o", "PATH-001 /logs: o")


FAILING = {
    "no such program": (("/nowhere/observer",), "cannot be started"),
    "a crash": (python("raise ValueError('a-secret-value')"), "ended with status 1|cannot be read"),
    "wrong usage": (printing("", status=2, errors="observer contracts: Nothing to see.\n"), "Nothing to see"),
    "a text": (printing("all is well"), "cannot be read"),
    "half an answer": (printing(answer_of(RESULTS)[:-40]), "cannot be read"),
    "another schema": (printing(answer_of([], schema=2)), "schema 2"),
    "an unknown state": (printing(answer_of([result("X-1", "path", "low", "MAYBE")])), "cannot be read"),
    "a list": (printing("[]"), "cannot be read"),
    "killed": (python("import os; os.kill(os.getpid(), 9)"), "status -9"),
    "endless output": (python("while True: print('x' * 65536)"), "said too much"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILING)
async def test_a_verification_that_fails_says_why_and_nothing_else(case):
    """Each way of failing is a reason in one line, without anything that an error's text may hold."""
    command, reason = FAILING[case]
    outcome = await verify(command, seconds=20)
    assert isinstance(outcome, Problem)
    assert any(part in outcome.reason for part in reason.split("|"))
    assert "a-secret-value" not in outcome.reason


async def test_a_verification_that_hangs_is_ended(tmp_path):
    """After its time it is killed, with what it has started."""
    note = tmp_path / "pid"
    script = (
        f"import os, time; open({str(note)!r}, 'w').write(str(os.fork() or os.getpid())); time.sleep(600)"
    )
    outcome = await verify(python(script), seconds=1)
    assert outcome == Problem("the verification took more than 1 seconds")
    while is_running(note.read_text()):
        await asyncio.sleep(0.01)


async def test_a_stop_ends_the_verification(tmp_path):
    """Cancelling leaves no process behind."""
    note = tmp_path / "pid"
    script = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    running = asyncio.create_task(verify(python(script), seconds=600))
    while not note.exists() or not note.read_text():
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running])
    assert not is_running(note.read_text())


async def test_the_process_has_low_priority_and_little_memory():
    """It gives way to the intake, and cannot use up the container's memory."""
    script = (
        "import json, os, resource; said = f'{os.nice(0)} {resource.getrlimit(resource.RLIMIT_AS)[0]}'; "
        "import time; time.sleep(0.3); said = f'{os.nice(0)} {resource.getrlimit(resource.RLIMIT_AS)[0]}'; "
        f"result = {RESULTS[0]!r} | {{'observed': said}}; "
        "print(json.dumps({'schema': 1, 'results': [result]}))"
    )
    outcome = await verify(python(script), seconds=20)
    assert isinstance(outcome, Verification)
    assert outcome.broken[0].observed == f"19 {1 << 30}"
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != 1 << 30


async def test_too_much_memory_ends_the_verification_only():
    outcome = await verify(python("import time; time.sleep(0.3); x = bytearray(2 << 30)"), seconds=20)
    assert isinstance(outcome, Problem)


async def test_a_failed_verification_keeps_the_last_results_for_a_while(tmp_path):
    """The results stay until they are too old; the failure is counted, and the reason is told."""
    note = tmp_path / "answer"
    note.write_text(answer_of(RESULTS))
    watch = watch_of(python(f"print(open({str(note)!r}).read())"))
    await ran(watch, until=lambda status: status["completed"])
    note.unlink()
    await ran(watch, until=lambda status: status["failed"])
    status = watch.status()
    assert status["verified"] is True
    assert status["reason"]
    assert samples(watch)["observer_contract_verifications_total", ("outcome", "failed")] >= 1


class Later(RealClock):
    """The machine's clock, some seconds further."""

    seconds = 0

    def monotonic_ns(self):
        return super().monotonic_ns() + self.seconds * 1_000_000_000


async def test_old_results_say_nothing():
    """What was true four intervals ago is no evidence: neither series nor breach, and `/status` says so."""
    clock = Later()
    watch = ContractWatch(printing(answer_of(RESULTS)), Cadence(1), clock)
    await ran(watch, until=lambda status: status["completed"])
    clock.seconds = 60
    assert watch.current() is None
    assert watch.breaches() == ()
    assert watch.status()["verified"] is False
    assert not [
        key
        for key in samples(watch)
        if key[0] in ("observer_contract_results", "observer_contract_rule_failures")
    ]


def test_the_worst_state_of_a_rule_counts():
    found = read(answer_of(RESULTS).encode())
    assert isinstance(found, Verification)
    assert found.rules["DB-001"] is Answer.UNKNOWN


@pytest.mark.parametrize(
    ("environment", "virtual", "seconds"),
    [
        ({"POD_NAMESPACE": "observer-prod"}, False, 60),
        ({"POD_NAMESPACE": "observer-prod"}, True, 0),
        ({}, False, 0),
        ({"OBSERVER_CONTRACT_INTERVAL_SECONDS": "7"}, True, 7),
        ({"POD_NAMESPACE": "observer-prod", "OBSERVER_CONTRACT_INTERVAL_SECONDS": "0"}, False, 0),
    ],
)
def test_where_it_runs_by_itself(environment, virtual, seconds, tmp_path):
    """Each minute in a pod; neither on a developer's machine nor on a virtual day, unless told so."""
    clock = open_clock("real")
    if virtual:
        from observer_core.clock import Conductor, SharedClock
        from observer_core.clock.shared import ClockFile

        Conductor.create(tmp_path / "clock", start_ns=1, speed=1)
        clock = SharedClock(ClockFile(tmp_path / "clock"))
    cadence = cadence_of(Settings.load(environment), clock)
    assert (cadence.seconds, bool(cadence.reason)) == (seconds, not seconds)


async def test_without_a_cadence_nothing_runs_and_the_reason_is_told():
    watch = ContractWatch(("/nowhere",), Cadence(0, "the clock is virtual"), RealClock())
    await watch.run()
    assert watch.status() == {"verified": False, "reason": "the clock is virtual"}
    assert samples(watch) == {("observer_contract_verification_interval_seconds",): 0}


async def test_the_command_of_the_collector_answers(tmp_path, monkeypatch):
    """What `observer collector` starts is a verification whose answer can be read, wherever it runs."""
    monkeypatch.chdir(tmp_path)
    outcome = await verify(VERIFICATION, seconds=60)
    assert isinstance(outcome, Verification), outcome
    assert outcome.rules["PATH-001"] in Answer
    assert len(outcome.rules) >= 25


async def test_a_collector_verifies_beside_its_work(world, collector_process):
    """A real collector shows the verification in `/status` and `/metrics`, and is ready whatever it says."""
    async with (
        world(start="07:20:00") as market,
        collector_process(market, OBSERVER_CONTRACT_INTERVAL_SECONDS="1") as running,
    ):
        status = await running.eventually(lambda found: found["contracts"].get("completed"))
        assert status["contracts"]["results"]["FAIL"] > 0
        assert (await running.get("/ready"))[0] == 200
        text = (await running.get("/metrics"))[1]
        assert 'observer_contract_results{contract="path",status="FAIL"}' in text
        assert await running.end() == 0
        for value in (running.variables["KIS_APP_KEY"], running.variables["KIS_APP_SECRET"]):
            assert value not in text + json.dumps(status) + running.log.read_text()
