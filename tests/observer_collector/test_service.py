"""The process from outside: configuration, HTTP answers, exit status."""

import os
import socket
import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from observer_collector.service import run
from observer_core.errors import ConfigurationError, MissingMountError
from observer_core.settings import Settings

KEYS = {"KIS_APP_KEY": "PS" + "k" * 34, "KIS_APP_SECRET": "s3cr" * 45}


def test_a_missing_mount_is_named(mounts):
    """The message names the variable, and the process ends with status 1."""
    mounts["OBSERVER_SNAPSHOT_DIR"] += "-nowhere"
    with pytest.raises(MissingMountError, match="OBSERVER_SNAPSHOT_DIR"):
        run(Settings.load(mounts | KEYS))


@pytest.mark.parametrize("missing", ["KIS_APP_KEY", "KIS_APP_SECRET"])
def test_a_missing_key_is_named(mounts, missing):
    with pytest.raises(ConfigurationError, match=f"{missing} is not set"):
        run(Settings.load(mounts | KEYS | {missing: ""}))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("KIS_APP_KEY", '"PS' + "k" * 34 + '"'),
        ("KIS_APP_SECRET", "s3cr" * 44),
        ("KIS_APP_SECRET", "changeme"),
    ],
)
def test_a_key_that_the_broker_cannot_have_issued_is_refused_before_anything_starts(mounts, variable, value):
    with pytest.raises(ConfigurationError) as caught:
        run(Settings.load(mounts | KEYS | {variable: value}))
    assert variable in str(caught.value)
    assert value not in str(caught.value)


def test_a_taken_port_is_named(mounts):
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"SERVICE_PORT {port} cannot be opened"):
            run(Settings.load(mounts | KEYS | {"SERVICE_PORT": str(port)}))


def test_port_zero_is_refused(mounts):
    with pytest.raises(ConfigurationError, match="SERVICE_PORT is 0"):
        run(Settings.load(mounts | KEYS | {"SERVICE_PORT": "0"}))


def test_the_command_ends_with_status_one_and_one_line(mounts):
    """`observer collector` without a key: a message and a remedy, no traceback."""
    environment = {"PATH": os.environ["PATH"], **mounts}
    ended = subprocess.run(
        [sys.executable, "-m", "observer", "collector"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "KIS_APP_KEY is not set" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_answers_before_the_session(world, collector):
    """Alive, idle and therefore ready; status and metrics can be read."""
    async with world(start="07:20:00") as market, collector(market) as running:
        status, body = await running.get("/health")
        assert status == 200
        assert set(body) == {"status", "timestamp", "uptime_seconds"}
        assert body["status"] == "healthy"
        assert body["timestamp"].startswith("2026-09-15T07:20:00")
        assert body["uptime_seconds"] >= 0
        await running.eventually(lambda found: found["role"] == "writer")
        status, body = await running.get("/ready")
        assert (status, body["ready"]) == (200, True)
        assert body["reason"].startswith("idle")
        found = (await running.get("/status"))[1]
        assert found["writer"]["name"] == "collector-under-test"
        assert found["universe"]["waiting_for"] == "2026-09-15"
        assert found["session"]["state"] == "idle"
        assert (await running.get("/nothing"))[0] == 404


async def test_metrics_are_read_by_prometheus(world, collector):
    """Every family has a type and help, counters end in _total, names begin with observer_."""
    async with world(start="08:29:00") as market:
        market.universe()
        async with collector(market) as running:
            await market.until("08:32:00")
            await running.eventually(lambda found: found.get("counters", {}).get("scalp_records", 0) > 0)
            text = (await running.get("/metrics"))[1]
            status = (await running.get("/status"))[1]
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(name.startswith("observer_") and family.documentation for name, family in families.items())
    for family in families.values():
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)
    value = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert value["observer_records_total",] == status["counters"]["scalp_records"]
    assert value["observer_registrations", "confirmed"] == 41
    assert value["observer_connection_open",] == 1
    assert value["observer_writer",] == 1
    assert value["observer_ready",] == 1
    assert value["observer_holes_total", "continuous"] == 0
    assert value["observer_journal_writable", "scalp"] == 1
    assert value["observer_universe_symbols",] == 60


async def test_without_a_universe_the_session_is_not_ready(world, collector):
    """In the session the reason names the missing day; the service stays up."""
    async with world(start="09:10:00") as market, collector(market) as running:
        await running.eventually(lambda found: found["role"] == "writer")
        assert await running.get("/ready") == (
            503,
            {"ready": False, "reason": "no universe for 2026-09-15"},
        )


async def test_a_broker_that_refuses_the_key_is_an_external_fault(world, collector):
    """EGW00103: up, not ready, and the reason says whose fault it is."""
    async with world(start="09:10:00") as market:
        market.universe()
        wrong = "PS" + "X" * 34
        async with collector(market, KIS_APP_KEY=wrong) as running:
            await running.eventually(lambda found: "EGW00103" in found["reason"])
            status, body = await running.get("/ready")
            assert status == 503
            assert body["reason"].startswith("external: ")
            assert (await running.get("/health"))[0] == 200
