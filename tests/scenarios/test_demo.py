"""`observer demo`: a whole trading day, from the broker to the checks, counted once more here."""

import json
from collections import Counter

import psycopg2
import pyarrow.parquet as pq
import pytest

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

DAY = "20260915"
CHANNELS = {"H0STCNT0": "scalp_trades", "H0STASP0": "scalp_quotes", "FHKST11300006": "swing_snapshots"}

# The keys that the project promises, and what each has to be.
NUMBERS = (
    "records_sent", "records_journaled", "records_quarantined", "records_in_lake", "records_for_warehouse",
    "records_in_warehouse", "bars_1m", "holes", "gaps", "universe_size", "checks_passed", "checks_failed",
    "wall_seconds",
)  # fmt: skip


def journaled(demo) -> Counter[str]:
    """Counts the journal's records by channel from the text of the lines."""
    counts: Counter[str] = Counter()
    for path in (demo.folder / "runtime" / "data" / "assets").glob(f"*/{DAY}/*.jsonl"):
        with path.open() as file:
            counts.update(json.loads(line)["channel"] for line in file)
    return counts


def test_the_summary_has_every_promised_number(demo) -> None:
    """A day of at least 100,000 records, whole, with checks that passed."""
    summary = demo.summary
    assert all(isinstance(summary[key], int | float) for key in NUMBERS)
    assert summary["records_sent"] >= 100_000
    assert summary["records_sent"] == summary["records_journaled"]
    assert summary["records_journaled"] == summary["records_in_lake"] + summary["records_quarantined"]
    assert summary["records_for_warehouse"] == summary["records_in_warehouse"] > 0
    assert (summary["holes"], summary["gaps"], summary["checks_failed"]) == (0, 0, 0)
    assert summary["checks_passed"] > 0
    assert summary["bars_1m"] > 0
    assert summary["symbols_source"] == "kis-master"
    assert summary["universe_size"] > 1000


def test_another_deployments_environment_is_ignored(demo) -> None:
    """The demo ran although its environment named another broker, database and clock."""
    assert "Nothing lost, nothing doubled." in demo.output
    for log in (demo.folder / "logs").glob("*.log"):
        assert "nowhere" not in log.read_text(), log


def test_the_journals_lines_are_the_lakes_rows(demo) -> None:
    """Every channel's lines, counted from the files, are the rows of its table's one file of the day."""
    counts = journaled(demo)
    for channel, table in CHANNELS.items():
        rows = pq.read_metadata(demo.paths.lake / table / "date=2026-09-15" / "day.parquet").num_rows
        assert rows == counts[channel] > 0, channel


def test_the_lakes_rows_are_the_databases_rows(demo) -> None:
    """Trades, sweeps and bars are in PostgreSQL; books stay in the lake."""
    database = demo.database
    session = psycopg2.connect(
        host=database.host, port=database.port, dbname=database.name, user=database.user,
        password=database.password.get_secret_value(),
    )  # fmt: skip
    try:
        with session.cursor() as cursor:
            for table in ("scalp_trades", "swing_snapshots", "bars_1m"):
                cursor.execute(f"SELECT count(*) FROM observer.{table}")
                lake = pq.read_metadata(demo.paths.lake / table / "date=2026-09-15" / "day.parquet")
                assert cursor.fetchone() == (lake.num_rows,), table
            cursor.execute("SELECT to_regclass('observer.scalp_quotes')")
            assert cursor.fetchone() == (None,)
    finally:
        session.close()


def test_no_secret_is_in_a_log(demo) -> None:
    """The keys of the (simulated) broker and the database's password appear in no log of any program."""
    keys = json.loads((demo.folder / "simulator-keys.json").read_text())
    secrets = [*keys.values(), (demo.folder / "postgres" / "password").read_text().strip()]
    for log in [*(demo.folder / "logs").rglob("*.log"), *(demo.folder / "runtime" / "logs").rglob("*.log")]:
        text = log.read_text()
        assert not any(secret in text for secret in secrets), log
