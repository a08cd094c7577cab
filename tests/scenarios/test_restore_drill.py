"""The node is lost. The target is all there is, and `docs/operations/restore.md` is what is done."""

import hashlib
import io
import itertools
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from unittest import mock

import boto3
import pytest
import structlog
from pg_dump import require_pg_dump
from s3_server import S3Server

from observer.__main__ import main
from observer.stack.postgres import SUPERUSER, PostgresServer
from observer_core.backup.restoring import EPOCHS_SKIPPED
from observer_core.clock import RealClock
from observer_core.lake.compaction import close_day
from observer_core.market.calendar import MarketCalendar
from observer_core.settings import DatabaseSettings, Paths, PathSettings
from observer_core.warehouse import WAREHOUSE_TABLES, connect, load_table, migrate, transaction

from ..observer_core.lake.conftest import HandWrittenJournal  # noqa: TID252 - no absolute name reaches a test

DAY = HandWrittenJournal.day
UNIVERSE = {
    "format": 1, "date": DAY.isoformat(), "symbols_date": DAY.isoformat(), "source": "kis-master", "rows": 1,
    "universe_size": 1, "excluded": {}, "filters": {},
    "symbols": [{"code": "005930", "name": "삼성전자", "market": "KOSPI", "base_price": 274000,
                 "previous_volume": 1}],
}  # fmt: skip

_numbers = itertools.count()


@dataclass
class Node:
    """One node: its volumes, its database, and the environment of its pods."""

    folder: Path
    environment: dict[str, str]

    @property
    def paths(self) -> Paths:
        return Paths(PathSettings.load(self.environment))

    @property
    def database(self) -> DatabaseSettings:
        return DatabaseSettings.load(self.environment)

    def observer(self, *words: str, status: int = 0) -> str:
        """Runs a command as an operator does, with this node's environment alone; returns what it printed.

        In this process: starting an interpreter for each of thirty commands would take a minute.
        """
        printed = io.StringIO()
        own = {"PATH": os.environ["PATH"], **self.environment}
        with mock.patch.dict(os.environ, own, clear=True), redirect_stdout(printed), redirect_stderr(printed):
            found = main(words)
        assert found == status, printed.getvalue()
        return printed.getvalue()

    def contents(self) -> dict[str, str]:
        """Returns path -> SHA-256 of everything that must come back byte by byte."""
        roots = [self.paths.data / name for name in ("assets", "lake", "symbols", "reference", "quarantine")]
        files = (path for root in (*roots, self.folder / "universe") for path in root.rglob("*"))
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.is_file() and not path.name.endswith(".open") and not path.name.startswith("epochs-")
        }

    def rows(self) -> dict[str, str]:
        """Returns table of the warehouse -> number of rows and a hash over all of them."""
        whole = "coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '')"
        query = f"SELECT count(*) || ' ' || {whole} FROM observer.{{}} t"
        with transaction(connect(self.database)) as connection:
            return {
                table: connection.exec_driver_sql(query.format(table)).scalar_one()
                for table in WAREHOUSE_TABLES
            }


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command sends the logs of its process to a file of its node."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory) -> Iterator[PostgresServer]:
    folder = tmp_path_factory.mktemp("postgres")
    with PostgresServer(folder / "home", databases=("dagster",), durable=False) as server:
        require_pg_dump(server)
        yield server


@pytest.fixture(scope="module")
def s3(tmp_path_factory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3") / "server.log")
    yield server
    server.close()


@pytest.fixture(params=["folder", "bucket"])
def target(request, tmp_path) -> dict[str, str]:
    """The variables that name a target: a second volume, or a bucket."""
    if request.param == "bucket":
        return request.getfixturevalue("s3").environment(f"restore-drill-{next(_numbers)}")
    (tmp_path / "second volume").mkdir()
    return {"OBSERVER_BACKUP_TARGET": str(tmp_path / "second volume")}


@pytest.fixture
def new_node(tmp_path, postgres, target):
    """Makes nodes with empty volumes and an empty database, which know the target by its variables."""

    def make(name: str) -> Node:
        database = f"node{next(_numbers)}"
        with postgres.connection("postgres", user=SUPERUSER) as session, session.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {database} OWNER observer")
        for mount in ("data", "logs", "config", "universe"):
            (tmp_path / name / mount).mkdir(parents=True)
        return Node(
            tmp_path / name,
            {
                "OBSERVER_DATA_DIR": str(tmp_path / name / "data"),
                "OBSERVER_LOG_DIR": str(tmp_path / name / "logs"),
                "OBSERVER_CONFIG_DIR": str(tmp_path / name / "config"),
                "OBSERVER_SNAPSHOT_DIR": str(tmp_path / name / "universe"),
                # The days of the test's recordings shall not be too old for the warehouse.
                "OBSERVER_RETENTION_TRADES_DAYS": str(_sessions_since(DAY)),
                "OBSERVER_RETENTION_SWING_DAYS": str(_sessions_since(DAY)),
                **postgres.environment(database),
                **target,
            },
        )

    return make


def _sessions_since(day: date) -> int:
    return len(MarketCalendar().trading_days(day, RealClock().now().date())) + 5


def live_through_a_day(node: Node) -> None:
    """Fills a node as collector and pipeline do: journal, lake, universe, symbols, warehouse."""
    paths, journal = node.paths, HandWrittenJournal(node.paths.data)
    for hour in (9, 10):
        records = [
            journal.changed(journal.trade_47, p1=f"{hour:02d}00{n:02d}", p12=7, p13=1000 * hour + 7 * n)
            for n in range(50)
        ]
        lines = [*(journal.trade(one) for one in records), journal.trade(journal.changed(records[0], p2="x"))]
        lines += [
            journal.control("hole", symbol="005930", shares=7),
            journal.line("H0UNMKO0", "005930", journal.event_10),
        ]
        journal.segment(lines, hour=hour, sequence=hour)
        rows = [journal.swing(inter_shrn_iscd=f"{code:06d}") for code in range(20)]
        journal.segment(rows, hour=hour, sequence=hour, shard="0-swing", track="swing")
    for path, content in {
        paths.universe(DAY): json.dumps(UNIVERSE).encode(),
        paths.symbols(DAY): b'{"format":1,"symbols":[]}',
        paths.master_files(DAY) / "kospi_code.mst.zip": os.urandom(3000),
        paths.data / "assets" / "scalp" / "epochs-0.json": b'{"format": 1, "last": 7}\n',
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    close_day(paths, DAY)
    engine = connect(node.database)
    migrate(engine)
    for table in WAREHOUSE_TABLES:
        load_table(engine, paths, table, DAY)


def test_an_empty_node_is_restored_from_the_target_alone(new_node):
    """Byte by byte, and row by row from the dump; the same rows from the lake, where there is no dump."""
    lost = new_node("lost")
    live_through_a_day(lost)
    lost.observer("backup", "ship")
    lost.observer("backup", "dump")
    assert "0 faults" in lost.observer("backup", "verify", "--full")
    contents, rows = lost.contents(), lost.rows()
    shutil.rmtree(lost.folder)

    node = new_node("new")
    assert "0 were not restored" in node.observer("backup", "restore", "files")
    assert node.contents() == contents
    assert len(contents) > 12
    epochs = json.loads((node.paths.data / "assets/scalp/epochs-0.json").read_text())
    assert epochs["last"] == 7 + EPOCHS_SKIPPED
    dumped = node.observer(
        "backup", "restore", "dump", "--database", lost.database.name, "--into", node.database.name
    )
    assert "tables with rows" in dumped
    assert node.rows() == rows
    assert all(not text.startswith("0 ") for text in rows.values())
    assert "0 faults" in node.observer("backup", "verify", "--full")
    # The restored node goes on where the lost one ended: nothing has to leave once more but its new epochs.
    assert "1 of" in node.observer("backup", "ship")

    without_dump = new_node("without-dump")
    without_dump.observer("backup", "restore", "files")
    without_dump.observer("backup", "restore", "warehouse")
    assert without_dump.rows() == rows
    assert (without_dump.folder / "logs/maintenance/backup.log").read_text()


class Objects:
    """Objects of a target, changed behind the project's back."""

    def __init__(self, target: dict[str, str]) -> None:
        self._target = target["OBSERVER_BACKUP_TARGET"]
        self._client = None
        if self._target.startswith("s3://"):
            self._bucket, self._prefix = self._target.removeprefix("s3://").split("/", 1)
            self._client = boto3.client(
                "s3", endpoint_url=target["OBSERVER_BACKUP_S3_ENDPOINT"], region_name="us-east-1",
                aws_access_key_id=target["OBSERVER_BACKUP_ACCESS_KEY"],
                aws_secret_access_key=target["OBSERVER_BACKUP_SECRET_KEY"],
            )  # fmt: skip

    def change(self, part: str, changed) -> None:
        """Gives the one object whose name contains `part` other bytes; removes it where that gives None.

        The accounts of dumps are left out.
        """
        if self._client is None:
            [path] = [
                one
                for one in Path(self._target).rglob("*")
                if part in str(one) and one.is_file() and one.suffix != ".json"
            ]
            content = changed(path.read_bytes())
            path.unlink() if content is None else path.write_bytes(content)
            return
        listed = self._client.list_objects_v2(Bucket=self._bucket)["Contents"]
        [key] = [
            one["Key"]
            for one in listed
            if part in one["Key"] and one["Size"] and not one["Key"].endswith(".json")
        ]
        content = changed(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        if content is None:
            self._client.delete_object(Bucket=self._bucket, Key=key)
        else:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content)


def test_broken_objects_are_found_and_named_and_what_they_carry_is_not_believed(new_node, target):
    """A flipped byte, a missing file, half a file: in a segment, a universe, a day's file, a dump."""
    lost = new_node("lost")
    live_through_a_day(lost)
    lost.observer("backup", "ship")
    lost.observer("backup", "dump")
    whole = lost.contents()
    objects = Objects(target)
    objects.change(
        "scalp/20260922/0_09_000009.jsonl/", lambda content: content[:500] + b"\x00" + content[501:]
    )
    objects.change("kr_stocks.json/", lambda content: None)
    objects.change("scalp_trades/date=2026-09-22/day.parquet/", lambda content: content[: len(content) // 2])
    objects.change(f"dumps/{lost.database.name}/", lambda content: content[:-7] + b"\x00" + content[-6:])

    quick = lost.observer("backup", "verify", status=1)
    assert "2 faults" in quick
    found = lost.observer("backup", "verify", "--full", status=1)
    assert "4 faults" in found
    for part, problem in {
        "scalp/20260922/0_09_000009.jsonl/": "its content is not what had left",
        "kr_stocks.json/": "missing",
        "day.parquet/": "bytes instead of",
        f"dumps/{lost.database.name}/": "its content is not what had left",
    }.items():
        assert any(part in line and problem in line for line in found.splitlines()), (part, found)

    node = new_node("new")
    restored = node.observer("backup", "restore", "files", status=1)
    for name in ("0_09_000009.jsonl", "0_09_000009.manifest.json", "_kr_stocks.json",
                 "scalp_trades/date=2026-09-22/day.parquet", "receipts/date=2026-09-22.json"):  # fmt: skip
        assert any(line.startswith("fault") and name in line for line in restored.splitlines()), restored
    assert whole.items() > node.contents().items()
    assert not (node.paths.data / "assets/scalp/20260922/0_09_000009.manifest.json").exists()
    refused = node.observer(
        "backup", "restore", "dump", "--database", lost.database.name, "--into", node.database.name, status=1
    )
    assert "is damaged" in refused

    # The lost day's journal still lies on the old node here: what is broken at the target leaves once more.
    for name in ("assets", "universe"):
        source = lost.paths.data / "assets" if name == "assets" else lost.folder / "universe"
        goal = node.paths.data / "assets" if name == "assets" else node.folder / "universe"
        shutil.copytree(source, goal, dirs_exist_ok=True)
    close_day(node.paths, DAY)
    assert node.contents() == whole


@pytest.mark.parametrize("target", ["folder"], indirect=True)
def test_a_database_that_is_not_empty_is_not_restored_into(new_node):
    node = new_node("node")
    live_through_a_day(node)
    node.observer("backup", "dump")
    assert "has 1" in node.observer("backup", "restore", "dump", status=1)
