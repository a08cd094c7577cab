"""A node with journal, lake and a warehouse of a real server."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from observer.stack.postgres import PostgresServer
from observer_core.backup.folder import FolderTarget
from observer_core.lake.compaction import build_bars, close_day
from observer_core.retention.departures import Departures
from observer_core.retention.facts import Node
from observer_core.settings import Paths, RetentionSettings
from observer_core.warehouse import WarehouseTable, connect, load_table, migrate

from ..backup.conftest import make_paths  # noqa: TID252 - no absolute name reaches a test
from ..lake.conftest import HandWrittenJournal  # noqa: TID252 - as above

DAY = HandWrittenJournal.day


@pytest.fixture
def paths(tmp_path) -> Paths:
    return make_paths(tmp_path / "node")


@pytest.fixture
def journal(paths) -> HandWrittenJournal:
    return HandWrittenJournal(paths.data)


@pytest.fixture
def target(tmp_path) -> FolderTarget:
    (tmp_path / "second volume").mkdir()
    return FolderTarget(tmp_path / "second volume")


@pytest.fixture
def closed(paths, journal) -> Paths:
    """A closed day of both tracks with a quarantined line, and the empty folder of a newer day."""
    journal.segment([journal.trade(), journal.trade(journal.changed(journal.trade_47, p2="x"))], hour=9)
    journal.segment([journal.swing()], hour=9, shard="0-swing", track="swing")
    close_day(paths, DAY)
    (paths.data / "assets/scalp/20260923").mkdir()
    return paths


@pytest.fixture
def node(closed):
    """Makes what retention looks at, on a day and with a policy."""

    def make(today: date, *, target: FolderTarget | None = None, engine=None, **policy: int) -> Node:
        settings = RetentionSettings.load(
            {f"OBSERVER_RETENTION_{name.upper()}": str(value) for name, value in policy.items()}
        )
        return Node(closed, settings, Departures.look(closed, target), engine, today)

    return make


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[PostgresServer]:
    folder: Path = tmp_path_factory.mktemp("postgres")
    with PostgresServer(folder / "home", databases=[f"test{n}" for n in range(9)], durable=False) as running:
        running.unused = (f"test{n}" for n in range(9))  # type: ignore[attr-defined]
        yield running


@pytest.fixture
def engine(server, closed):
    """A warehouse that holds the closed day."""
    made = connect(server.settings(next(server.unused)))
    migrate(made)
    build_bars(closed, DAY)
    for table in (WarehouseTable.SCALP_TRADES, WarehouseTable.SWING_SNAPSHOTS, WarehouseTable.BARS_1M):
        load_table(made, closed, table, DAY)
    yield made
    made.dispose()
