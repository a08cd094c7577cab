"""A deployment in a temporary folder: real mounts, clock file, PostgreSQL, simulated broker, journal."""

import asyncio
import gc
import shutil
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest

from observer.stack.postgres import SUPERUSER, PostgresServer
from observer_core.clock import Conductor, open_clock
from observer_core.clock.base import RealClock
from observer_core.journal import ControlKind, JournalWriter, LineBuilder, WriterSettings
from observer_core.journal.envelope import CONTROL_CHANNEL, Received
from observer_core.reference.universe import Universe, read_universe
from observer_core.settings import Paths, PathSettings
from observer_core.settings.paths import Track
from observer_pipeline import keys
from observer_pipeline.definitions import build_defs
from observer_pipeline.failures import SOURCE_RETRIES
from observer_simulator.settings import (
    SIMULATED_APP_KEY,
    SIMULATED_APP_SECRET,
    SIMULATED_KIWOOM_APP_KEY,
    SIMULATED_KIWOOM_APP_SECRET,
    SimulatorSettings,
)
from observer_simulator.simulator import Simulator

KST = timezone(timedelta(hours=9))
DAY = date(2026, 9, 15)

# A trade of 47 values as the paper server sent it on 2026-09-22 (com.team.wts KisRealtimeDecoderTest), with
# symbol, time, price, volume, cumulative volume and value, side and business date open.
_TRADE = (
    "{symbol}^{time}^{price}^2^3750^1.37^{price}.00^{price}^{price}^{price}^{price}^{price}^{volume}^{cumulative}"
    "^{value}^83251^86830^3579^120.39^5217059^6280658^{side}^0.53^53.70^090023^5^-5250^090048^5^-5750^135824^2"
    "^1250^{date}^20^N^47588^70626^794823^496479^0.20^17123443^69.82^0^^{price}^2"
)
# A book of 62 values as captured by a public python project on 2026-06-29, with the symbol open.
_BOOK = (
    "{symbol}^143354^0^324000^324500^325000^325500^326000^326500^327000^327500^328000^328500^323500^323000"
    "^322500^322000^321500^321000^320500^320000^319500^319000^34364^26832^32755^16039^24386^14211^16443"
    "^19597^23179^13243^28602^10731^12584^16973^24121^30969^19788^35604^13932^16282^221049^209586^0^0^0^0"
    "^1347146^-339500^5^-100.00^26718921^-79^8^0^0^0^323750^0^0"
)
# A row of the multi-price answer in the broker's field names, with symbol, price and volume open.
_SWEEP = (
    '{{"kospi_kosdaq_cls_name":"KOSPI","mrkt_trtm_cls_name":"","hour_cls_code":"0","inter_shrn_iscd":"{symbol}",'
    '"inter_kor_isnm":"name","inter2_prpr":"{price}","inter2_prdy_vrss":"0","prdy_vrss_sign":"3",'
    '"prdy_ctrt":"0.00","acml_vol":"{cumulative}","inter2_oprc":"{price}","inter2_hgpr":"{price}",'
    '"inter2_lwpr":"{price}","inter2_llam":"{price}","inter2_mxpr":"{price}","inter2_askp":"{price}",'
    '"inter2_bidp":"{price}","seln_rsqn":"1","shnu_rsqn":"1","total_askp_rsqn":"1","total_bidp_rsqn":"1",'
    '"acml_tr_pbmn":"1","inter2_prdy_clpr":"{price}","oprc_vrss_hgpr_rate":"0.00","intr_antc_cntg_vrss":"0",'
    '"intr_antc_cntg_vrss_sign":"3","intr_antc_cntg_prdy_ctrt":"0.00","intr_antc_vol":"0",'
    '"inter2_sdpr":"{price}"}}'
)
_EVENT = "{symbol}^N^(null)^AB1^^^^55^N^"
VOLUME = 10


def at(hour: int, minute: int = 0, second: int = 0, *, day: date = DAY) -> datetime:
    """Returns a Korean time."""
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=KST)


@dataclass
class Told:
    """What a journal was told to hold of a day."""

    trades: int = 0
    books: int = 0
    sweep_rows: int = 0
    events: int = 0
    others: int = 0

    @property
    def records(self) -> int:
        return self.trades + self.books + self.sweep_rows + self.events + self.others


class Journalist:
    """Writes a day of both tracks with the collector's own writer.

    Args:
        paths: The layout.
        prices: Symbol -> price of its trades in KRW.
    """

    def __init__(self, paths: Paths, prices: dict[str, int]) -> None:
        self._paths = paths
        self._prices = prices
        self._cumulative = dict.fromkeys(prices, 0)
        self._frame = 0
        self._epoch = 0
        self.told = Told()

    @property
    def symbols(self) -> list[str]:
        return list(self._prices)

    @property
    def first_symbol(self) -> tuple[str, int]:
        return next(iter(self._prices.items()))

    def set_price(self, symbol: str, price: int) -> None:
        self._prices[symbol] = price

    def write(self, *hours: int, holes: int = 0, unreadable: int = 0) -> None:
        """Writes and seals receive hours: trades in the first minute of each, then books and sweep rows.

        Args:
            hours: Receive hours.
            holes: Control records of a hole, in the last hour.
            unreadable: Trades whose price is no number, in the last hour.
        """
        self._epoch += 1
        asyncio.run(self._write(hours, holes, unreadable))

    async def _write(self, hours: tuple[int, ...], holes: int, unreadable: int) -> None:
        scalp, swing = (self._writer(track) for track in (Track.SCALP, Track.SWING))
        tasks = [asyncio.create_task(writer.run()) for writer in (scalp, swing)]
        self._control(scalp, ControlKind.CONNECT, '{"reason":"start"}', at(hours[0]))
        for hour in hours:
            for second in (1, 20, 40):
                for symbol in self._prices:
                    self._trade(scalp, symbol, at(hour, 0, second))
            for symbol, price in self._prices.items():
                self._add(scalp, "H0STASP0", symbol, _BOOK.format(symbol=symbol), at(hour, 1))
                row = _SWEEP.format(symbol=symbol, price=price, cumulative=self._cumulative[symbol])
                self._add(swing, "FHKST11300006", symbol, row, at(hour, 2), shard="0-swing")
                self.told.books += 1
                self.told.sweep_rows += 1
        symbol = next(iter(self._prices))
        self._add(scalp, "H0STMKO0", symbol, _EVENT.format(symbol=symbol), at(hours[-1], 3))
        self._add(scalp, "H0STPGM0", symbol, f"{symbol}^1^2^3", at(hours[-1], 4))
        self.told.events += 1
        self.told.others += 1
        for number in range(holes):
            self._hole(scalp, symbol, at(hours[-1], 5, number))
        for number in range(unreadable):
            self._add(scalp, "H0STCNT0", symbol, self._garbled(symbol), at(hours[-1], 6, number))
        for writer in (scalp, swing):
            writer.close()
        await asyncio.gather(*tasks)

    def _writer(self, track: Track) -> JournalWriter:
        shard = "0-swing" if track is Track.SWING else "0"
        settings = WriterSettings(self._paths.journal(track), track, "kis", shard, 0.01, 1 << 26)
        return JournalWriter(settings, RealClock())

    def _trade(self, writer: JournalWriter, symbol: str, moment: datetime) -> None:
        self._cumulative[symbol] += VOLUME
        price, cumulative = self._prices[symbol], self._cumulative[symbol]
        payload = _TRADE.format(
            symbol=symbol, time=f"{moment:%H%M%S}", price=price, volume=VOLUME, cumulative=cumulative,
            value=price * cumulative, side=1, date=f"{moment:%Y%m%d}",
        )  # fmt: skip
        self._add(writer, "H0STCNT0", symbol, payload, moment)
        self.told.trades += 1

    @staticmethod
    def _garbled(symbol: str) -> str:
        return _TRADE.format(
            symbol=symbol,
            time="100600",
            price="??",
            volume=1,
            cumulative=1,
            value=1,
            side=1,
            date=f"{DAY:%Y%m%d}",
        )

    def _hole(self, writer: JournalWriter, symbol: str, moment: datetime) -> None:
        seen = int(moment.timestamp()) * 1_000_000_000
        payload = (
            f'{{"channel":"H0STCNT0","symbol":"{symbol}","business_date":"{moment:%Y%m%d}","from_cumulative":10,'
            f'"to_cumulative":30,"shares":20,"value":2000,"trades":2,"sell_trades":1,"buy_trades":1,'
            f'"sell_volume":10,"buy_volume":10,"last_good_ns":{seen - 10**9},"first_seen_ns":{seen},'
            f'"phase":"continuous"}}'
        )
        self._control(writer, ControlKind.HOLE, payload, moment)

    def _control(self, writer: JournalWriter, kind: ControlKind, payload: str, moment: datetime) -> None:
        self._add(writer, CONTROL_CHANNEL, kind, payload, moment)

    def _add(
        self,
        writer: JournalWriter,
        channel: str,
        key: str,
        payload: str,
        moment: datetime,
        *,
        shard: str = "0",
    ) -> None:
        self._frame += 1
        received = Received(self._epoch, self._frame, int(moment.timestamp()) * 1_000_000_000, self._frame)
        line = LineBuilder("kis", shard).any(received, 0, channel, key, payload)
        writer.segment_for(received.wall_ns).append(line, received, channel, key)


class Deployment:
    """One deployment on a virtual clock that stands still until `set_clock`.

    Args:
        folder: An empty folder.
        monkeypatch: Sets the environment.
        database: The `DB_*` variables.
    """

    day = DAY
    at = staticmethod(at)

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, database: dict[str, str]) -> None:
        self.folder = folder
        clock_file = folder / "clock"
        self._monkeypatch = monkeypatch
        self._conductor = Conductor.create(clock_file, start_ns=_ns(at(7, 30)), speed=1)
        self.environment = {
            "OBSERVER_DATA_DIR": str(folder / "data"),
            "OBSERVER_LOG_DIR": str(folder / "logs"),
            "OBSERVER_CONFIG_DIR": str(folder / "config"),
            "OBSERVER_SNAPSHOT_DIR": str(folder / "universe"),
            "OBSERVER_CLOCK": f"shared:{clock_file}",
            "KIS_APP_KEY": SIMULATED_APP_KEY,
            "KIS_APP_SECRET": SIMULATED_APP_SECRET,
            # Nobody listens there; a test that needs the broker says so.
            "KIS_REST_URL": "http://127.0.0.1:9",
            "KIS_MASTER_URL": "http://127.0.0.1:9/",
            **database,
        }
        for name in ("data", "logs", "config", "universe"):
            (folder / name).mkdir()
        self.set_environment(**self.environment)
        # A broker that is not there is asked four times; its absence is no matter of seconds here.
        monkeypatch.setattr("observer_core.brokers.kis.rest._FIRST_PAUSE_SECONDS", 0.01)
        # Nor is that of its files one of minutes.
        quick = dg.RetryPolicy(max_retries=SOURCE_RETRIES.max_retries, delay=0.01)
        monkeypatch.setattr("observer_pipeline.assets.reference.SOURCE_RETRIES", quick)
        self.paths = Paths(PathSettings.load(self.environment))
        self.defs = build_defs()
        self.instance = dg.DagsterInstance.ephemeral()

    def close(self) -> None:
        self.instance.dispose()
        # Sqlite wants its connections to end in the thread that opened them.
        gc.collect()

    def set_environment(self, **variables: str) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def set_clock(self, moment: datetime) -> None:
        """Moves the market's time forward."""
        self._conductor.jump(_ns(moment))

    def run(self, job: str, day: date = DAY) -> "Run":
        """Runs a job for a trading day in this process."""
        result = self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=day.isoformat(), raise_on_error=False
        )
        return Run(result, self.instance)

    @contextmanager
    def broker(self, *, with_master_files: bool = True, with_kiwoom: bool = False) -> Iterator[None]:
        """Lets a simulated broker run on this deployment's clock.

        Args:
            with_master_files: False leaves KIS_MASTER_URL where nobody answers.
            with_kiwoom: Whether this deployment has an account there, too.
        """
        settings = SimulatorSettings.load(
            {
                "OBSERVER_SIMULATOR_HTTP_PORT": "0",
                "OBSERVER_SIMULATOR_WEBSOCKET_PORT": "0",
                # A page a second of a clock that runs as fast as ours.
                "OBSERVER_SIMULATOR_KIWOOM_PAGE_ROWS": "5000",
            }
        )
        clock = open_clock(self.environment["OBSERVER_CLOCK"])
        listening, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
        addresses: list[str] = []

        async def serve() -> None:
            async with Simulator(clock, settings) as simulator:
                addresses.append(simulator.rest_url)
                listening.set()
                await stop.wait()

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
        thread.start()
        assert listening.wait(30), "the simulated broker does not listen"
        self.set_environment(KIS_REST_URL=addresses[0])
        if with_master_files:
            self.set_environment(KIS_MASTER_URL=f"{addresses[0].rstrip('/')}/common/master/")
        if with_kiwoom:
            self.set_environment(
                KIWOOM_REST_URL=addresses[0],
                KIWOOM_APP_KEY=SIMULATED_KIWOOM_APP_KEY,
                KIWOOM_APP_SECRET=SIMULATED_KIWOOM_APP_SECRET,
            )
        try:
            with self._running_time() if with_kiwoom else nullcontext():
                yield
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(30)
            loop.close()

    @contextmanager
    def _running_time(self) -> Iterator[None]:
        """Lets market time run, in which Kiwoom's client waits for its turns."""
        over = threading.Event()

        def run() -> None:
            clock = open_clock(self.environment["OBSERVER_CLOCK"])
            while not over.wait(0.05):
                self._conductor.jump(clock.now_ns() + 10**9)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(30)

    def journalist(self) -> Journalist:
        """Returns a writer of the day for three symbols of its universe, at their base prices."""
        universe: Universe = read_universe(self.paths.universe(DAY))
        return Journalist(self.paths, {one.code: one.base_price for one in universe.symbols[:3]})


class Run:
    """What a run has reported."""

    def __init__(self, result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> None:
        self.success = result.success
        self.result = result
        self.events = [
            entry.dagster_event for entry in instance.all_logs(result.run_id) if entry.dagster_event
        ]

    @property
    def rows(self) -> dict[str, int]:
        """Asset -> rows that its materialization states."""
        return {
            key: metadata["dagster/partition_row_count"].value
            for key, metadata in self.metadata.items()
            if "dagster/partition_row_count" in metadata
        }

    @property
    def metadata(self) -> dict[str, dict]:
        """Asset -> metadata of its materialization."""
        found = [event for event in self.events if event.is_step_materialization]
        return {
            event.asset_key.to_user_string(): event.step_materialization_data.materialization.metadata
            for event in found
        }

    @property
    def observations(self) -> dict[str, dict]:
        """Asset -> metadata of its observation."""
        found = [event for event in self.events if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION]
        return {
            event.asset_key.to_user_string(): event.asset_observation_data.asset_observation.metadata
            for event in found
        }

    @property
    def checks(self) -> dict[str, dg.AssetCheckEvaluation]:
        """`asset:check` -> evaluation."""
        return {
            f"{one.asset_key.to_user_string()}:{one.check_name}": one
            for one in self.result.get_asset_check_evaluations()
        }

    @property
    def failed_checks(self) -> dict[str, str]:
        """`asset:check` -> severity and description, of those that did not pass."""
        return {
            name: f"{one.severity.value} {one.description}"
            for name, one in self.checks.items()
            if not one.passed
        }

    @property
    def our_failed_checks(self) -> dict[str, str]:
        """The same without those whose description lays it to the broker."""
        return {name: told for name, told in self.failed_checks.items() if " external: " not in told}

    @property
    def failures(self) -> dict[str, dg.Failure | str]:
        """Step -> why it failed."""
        return {event.step_key: event.step_failure_data for event in self.events if event.is_step_failure}


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    folder = tmp_path_factory.mktemp("postgres")
    with PostgresServer(folder / "home", durable=False) as server:
        yield server


@pytest.fixture
def database(postgres, request) -> dict[str, str]:
    """The `DB_*` variables of an empty database of this test's own."""
    name = f"test_{zlib.crc32(request.node.nodeid.encode()):08x}"
    with postgres.connection("postgres", user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} OWNER observer")
    return postgres.environment(name)


@pytest.fixture
def mounts(tmp_path, monkeypatch) -> Iterator["Deployment"]:
    """A deployment without a database."""
    deployment = Deployment(tmp_path, monkeypatch, {"DB_HOST": "127.0.0.1", "DB_PORT": "9"})
    yield deployment
    deployment.close()


@pytest.fixture
def deployment(tmp_path, monkeypatch, database) -> Iterator["Deployment"]:
    """A deployment with an empty database."""
    deployment = Deployment(tmp_path, monkeypatch, database)
    yield deployment
    deployment.close()


@pytest.fixture(scope="session")
def reference(tmp_path_factory) -> Path:
    """A folder with what a refresh from the simulated broker leaves; made once, for it takes seconds."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = Deployment(folder, monkeypatch, {"DB_HOST": "127.0.0.1", "DB_PORT": "9"})
        with made.broker():
            job = made.defs.resolve_job_def("refresh_reference")
            job.execute_in_process(
                instance=made.instance,
                partition_key=DAY.isoformat(),
                asset_selection=[keys.INSTRUMENT_MASTER, keys.SYMBOLS, keys.UNIVERSE],
            )
        made.close()
    return folder


@pytest.fixture
def refreshed(deployment, reference) -> "Deployment":
    """A deployment whose symbols and universe of the day are there."""
    for name in ("data", "universe"):
        shutil.copytree(reference / name, deployment.folder / name, dirs_exist_ok=True)
    return deployment
