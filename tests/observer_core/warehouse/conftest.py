"""A real PostgreSQL for the warehouse's tests, and lake files without a journal behind them."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import Engine

from observer.stack.postgres import SUPERUSER, PostgresServer
from observer_core.lake.parquet import FileSource, TableWriter
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.settings import Paths, PathSettings
from observer_core.warehouse import connect

DAY = date(2026, 9, 15)

NUMBERS = itertools.count()

WriteHour = Callable[..., None]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    folder = tmp_path_factory.mktemp("postgres")
    with PostgresServer(folder / "home", durable=False) as running:
        yield running


@pytest.fixture
def engine(server: PostgresServer) -> Iterator[Engine]:
    """An empty database of its own for each test."""
    name = f"test{next(NUMBERS)}"
    with server.connection("postgres", user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} OWNER observer")
    made = connect(server.settings(name))
    yield made
    made.dispose()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    for name in ("data", "universe"):
        (tmp_path / name).mkdir()
    return Paths(
        PathSettings.load(
            {"OBSERVER_DATA_DIR": str(tmp_path / "data"), "OBSERVER_SNAPSHOT_DIR": str(tmp_path / "universe")}
        )
    )


def trades(segment: str, count: int, *, day: date = DAY, first: int = 0) -> pl.DataFrame:
    """Returns rows of `scalp_trades`, with texts that COPY could stumble over."""
    schema = SCHEMAS[Table.SCALP_TRADES]
    received = datetime(day.year, day.month, day.day, 0, 30, tzinfo=UTC)
    rows = pl.DataFrame(
        {
            "trading_day": [day] * count,
            "symbol": ["005930"] * count,
            "venue": ["KRX"] * count,
            "time": [received] * count,
            "price": list(range(first, first + count)),
            "volume": [1] * count,
            "cumulative_volume": list(range(count)),
            "extra": [["a,b", 'quote "', "back\\slash", "", "{}"]] * count,
            "provider": ["kis"] * count,
            "shard": ["0"] * count,
            "epoch": [1] * count,
            "frame": list(range(first, first + count)),
            "record": [0] * count,
            "received_at": [received] * count,
            "segment": [segment] * count,
        }
    )
    missing = [name for name in schema.polars.names() if name not in rows.columns]
    return rows.with_columns(pl.lit(None).alias(name) for name in missing).select(
        pl.col(name).cast(kind) for name, kind in schema.polars.items()
    )


@pytest.fixture
def write_hour(paths: Paths) -> WriteHour:
    """Writes one hour of trades as compaction does: rows, and the segments they came from."""

    def write(hour: int, *parts: tuple[str, str, pl.DataFrame], day: date = DAY) -> None:
        path = paths.lake_hour(Table.SCALP_TRADES, day, hour)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = pl.concat([frame for _, _, frame in parts])
        with TableWriter(path, SCHEMAS[Table.SCALP_TRADES]) as writer:
            writer.write(rows)
            writer.name_sources([FileSource(name, sha, hour, frame.height) for name, sha, frame in parts])

    return write
