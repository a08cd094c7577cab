"""The broker's files are waited for while there is time, so that one bad minute settles no day."""

import io
import os
import signal
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import pytest

from observer_core.errors import BrokerCredentialError, NetworkError, StaleListError
from observer_core.reference.universe import read_universe
from observer_pipeline import keys
from observer_pipeline.assets.credentials import KIWOOM_POOL
from observer_pipeline.assets.reference import _worth_waiting, reference_assets
from observer_pipeline.failures import SOURCE_RETRIES
from observer_pipeline.partitions import trading_days
from observer_pipeline.resources import Deployment


def as_kept(name: str, content: bytes) -> bytes:
    """Serves a file as it is."""
    del name
    return content


def packed_anew(content: bytes, packed_at: tuple[int, ...] | None = None, *, times: int = 1) -> bytes:
    """Returns a master file's zip with another time of packing, or with its lines so many times."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        [member] = archive.infolist()
        lines = archive.read(member) * times
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(member.filename, packed_at or member.date_time), lines)
    return packed.getvalue()


@contextmanager
def master_server(
    folder: Path, *, failures: int, served: Callable[[str, bytes], bytes]
) -> Iterator[tuple[str, Counter]]:
    """Serves kept master files, after so many answers that it is busy."""
    asked: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked["all"] += 1
            busy = asked["all"] <= failures
            name = Path(self.path).name
            content = b"" if busy else served(name, (folder / name).read_bytes())
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

    def run(
        failures: int = 0, served: Callable[[str, bytes], bytes] = as_kept
    ) -> tuple[dg.ExecuteInProcessResult, Counter]:
        with master_server(kept, failures=failures, served=served) as (url, asked):
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
    return told_of(result)["source"].value


def told_of(result: dg.ExecuteInProcessResult) -> dict[str, dg.MetadataValue]:
    made = {one.asset_key: one.metadata for one in result.asset_materializations_for_node("symbols")}
    return made[keys.SYMBOLS]


def failed_checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {one.check_name: one for one in result.get_asset_check_evaluations() if not one.passed}


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


def test_an_interrupt_ends_the_run_instead_of_asking_once_more(refresh, mounts):
    """SIGTERM while a source is asked: a drained pod, or a person who terminates the run."""

    def interrupted(name: str, content: bytes) -> bytes:
        os.kill(os.getpid(), signal.SIGTERM)
        return as_kept(name, content)

    result, asked = refresh(served=interrupted)
    assert not result.success
    assert asked["all"] == 1
    logged = [one.dagster_event for one in mounts.instance.all_logs(result.run_id) if one.dagster_event]
    said = [event.event_type for event in logged]
    assert said.count(dg.DagsterEventType.STEP_START) == 1
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in said
    assert not mounts.paths.symbols(mounts.day).exists()


def test_shortly_before_the_auction_nobody_waits(refresh, mounts):
    mounts.set_clock(mounts.at(8, 25))
    result, asked = refresh(failures=99)
    assert source_of(result) == "packaged-listing"
    assert asked["all"] == 1


def test_files_of_yesterday_are_waited_for(refresh):
    """KOSDAQ's is packed at 07:55; ten minutes of delay settle no day."""
    asked = Counter()

    def late(name: str, content: bytes) -> bytes:
        asked[name] += 1
        late_now = name.startswith("kosdaq") and asked[name] <= 2
        return packed_anew(content, (2026, 9, 14, 7, 55, 6)) if late_now else content

    result, _ = refresh(served=late)
    assert (source_of(result), told_of(result)["degraded"].value) == ("kis-master", False)
    assert asked == {"kospi_code.mst.zip": 3, "kosdaq_code.mst.zip": 3}
    assert not failed_checks(result)


def test_files_of_one_market_that_stay_yesterdays_make_the_day_a_degraded_one(refresh, mounts):
    """On a cold start nothing is fresher: they are used, and what is made of them says their day."""
    stale = (2026, 9, 14, 7, 55, 6)
    result, asked = refresh(
        served=lambda name, content: packed_anew(content, stale) if name.startswith("kosdaq") else content
    )
    assert result.success
    assert asked["all"] == 2 * (SOURCE_RETRIES.max_retries + 1)
    shown = told_of(result)
    assert [shown[name].value for name in ("source", "as_of", "degraded")] == [
        "kis-master",
        "2026-09-14",
        True,
    ]
    failed = failed_checks(result)
    assert set(failed) == {"from_master_files", "symbols_of_the_day"}
    degraded = failed["from_master_files"]
    assert degraded.severity is dg.AssetCheckSeverity.WARN
    assert degraded.metadata["bound"].value == "kis-master of 2026-09-15"
    assert degraded.metadata["observed"].value == "kis-master of 2026-09-14"
    [reason] = [
        one.data["reason"]
        for one in degraded.metadata["offenders"].records
        if one.data["stage"] == "kis-master"
    ]
    assert "kosdaq_code.mst.zip packed 2026-09-14 07:55" in reason
    assert read_universe(mounts.paths.universe(mounts.day)).symbols_date == date(2026, 9, 14)


@pytest.mark.parametrize("packed_at", [(2026, 1, 5, 7, 55, 6), (1980, 0, 0, 0, 0, 0)])
def test_files_of_last_winter_or_of_no_known_day_lose_to_the_listing_of_march(refresh, packed_at):
    """Of two old ones the fresher is taken; what does not tell its day is never taken for today's."""
    result, _ = refresh(served=lambda name, content: packed_anew(content, packed_at))
    assert (source_of(result), told_of(result)["as_of"].value) == ("packaged-listing", "2026-03-09")


def test_files_with_each_line_twice_give_way_to_the_next_source(refresh):
    """Rows are no symbols: a day swept by them could not be repaired."""
    result, _ = refresh(served=lambda name, content: packed_anew(content, times=2))
    assert result.success
    assert source_of(result) == "packaged-listing"


def test_a_kept_file_that_is_damaged_later_is_told_and_keeps_no_day_from_its_universe(refresh, mounts):
    """The symbols are settled; which file is damaged, and what to do, its contract says."""
    assert refresh()[0].success
    mounts.paths.universe(mounts.day).unlink()
    kept = mounts.paths.master_files(mounts.day) / "kospi_code.mst.zip"
    kept.write_bytes(kept.read_bytes()[:1000])
    result, asked = refresh()
    assert result.success
    assert asked["all"] == 0
    assert mounts.paths.universe(mounts.day).exists()
    failed = failed_checks(result)
    assert set(failed) == {"both_markets_kept"}
    told = failed["both_markets_kept"]
    assert told.severity is dg.AssetCheckSeverity.ERROR
    assert [one.data["file"] for one in told.metadata["offenders"].records] == ["kospi_code.mst.zip"]
    assert "Bring the file back from the backup" in told.description


def test_a_refusal_that_lasts_is_not_waited_for(mounts):
    deployment = Deployment(time_source=mounts.environment["OBSERVER_CLOCK"])
    away, refused = NetworkError("no answer"), BrokerCredentialError("8001", "refused")
    assert _worth_waiting(0, mounts.day, deployment, away)
    assert _worth_waiting(0, mounts.day, deployment, StaleListError("of yesterday"))
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
