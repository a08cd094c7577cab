"""The broker's files are waited for while there is time, so that one bad minute settles no day."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import pytest

from observer_core.errors import BrokerCredentialError, NetworkError
from observer_pipeline import keys
from observer_pipeline.assets.credentials import KIWOOM_POOL
from observer_pipeline.assets.reference import _worth_waiting, reference_assets
from observer_pipeline.failures import SOURCE_RETRIES
from observer_pipeline.partitions import trading_days
from observer_pipeline.resources import Deployment


@contextmanager
def master_server(folder: Path, *, failures: int) -> Iterator[tuple[str, Counter]]:
    """Serves kept master files, after so many answers that it is busy."""
    asked: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked["all"] += 1
            busy = asked["all"] <= failures
            content = b"" if busy else (folder / Path(self.path).name).read_bytes()
            self.send_response(503 if busy else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()


@pytest.fixture
def refresh(mounts, reference):
    """Refreshes symbols and universe from a server that is busy for some requests."""
    kept = next((reference / "data").rglob("kospi_code.mst.zip")).parent

    def run(failures: int) -> tuple[dg.ExecuteInProcessResult, Counter]:
        with master_server(kept, failures=failures) as (url, asked):
            mounts.set_environment(KIS_MASTER_URL=url)
            result = mounts.defs.resolve_job_def("refresh_reference").execute_in_process(
                instance=mounts.instance,
                partition_key=mounts.day.isoformat(),
                asset_selection=[keys.INSTRUMENT_MASTER, keys.SYMBOLS, keys.UNIVERSE],
                raise_on_error=False,
            )
        return result, asked

    return run


def source_of(result: dg.ExecuteInProcessResult) -> str:
    made = {one.asset_key: one.metadata for one in result.asset_materializations_for_node("symbols")}
    return made[keys.SYMBOLS]["source"].value


def test_a_server_that_is_busy_for_some_minutes_settles_nothing(refresh):
    result, asked = refresh(failures=3)
    assert result.success
    assert source_of(result) == "kis-master"
    assert asked["all"] == 3 + 2


def test_a_server_that_stays_busy_gives_way_to_the_next_source(refresh):
    """The last attempt takes what there is: a day without symbols would be worse."""
    result, asked = refresh(failures=99)
    assert result.success
    assert source_of(result) == "packaged-listing"
    assert asked["all"] == SOURCE_RETRIES.max_retries + 1


def test_shortly_before_the_auction_nobody_waits(refresh, mounts):
    mounts.set_clock(mounts.at(8, 25))
    result, asked = refresh(failures=99)
    assert source_of(result) == "packaged-listing"
    assert asked["all"] == 1


def test_a_refusal_that_lasts_is_not_waited_for(mounts):
    deployment = Deployment(time_source=mounts.environment["OBSERVER_CLOCK"])
    away, refused = NetworkError("no answer"), BrokerCredentialError("8001", "refused")
    assert _worth_waiting(0, mounts.day, deployment, away)
    assert not _worth_waiting(0, mounts.day, deployment, refused)


def test_the_sources_are_waited_for_over_minutes_and_end_before_the_auction():
    """The schedule asks at 08:05; the opening auction begins at 08:30."""
    waits = [SOURCE_RETRIES.calculate_delay(number) for number in range(1, SOURCE_RETRIES.max_retries + 1)]
    assert waits == [90, 180, 270]
    assert 5 * 60 < sum(waits) < 15 * 60


def test_the_step_that_asks_the_sources_is_in_a_pool():
    """Kiwoom and the master server are asked by one step at a time."""
    [symbols, _] = reference_assets(trading_days(clock_is_virtual=False))
    assert symbols.op.pool == KIWOOM_POOL
    assert symbols.op.retry_policy == SOURCE_RETRIES
