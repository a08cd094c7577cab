"""Tables that no journal brings back are in the plan, and never go."""

from datetime import date, timedelta

import pytest

from observer_core.lake.parquet import TableWriter
from observer_core.lake.schemas import SCHEMAS, Table
from observer_core.retention.applying import apply
from observer_core.retention.facts import look
from observer_core.retention.holdings import Subject

DAY = date(2026, 9, 22)
KEPT = ("completeness", "corporate_actions", "daily_official", "instruments")


@pytest.mark.parametrize("lake_days", [None, 1])
def test_the_small_tables_of_the_lake_are_listed_and_stay(node, closed, target, lake_days):
    files = [closed.lake_day(name, DAY) for name in KEPT]
    for name, path in zip(KEPT, files, strict=True):
        path.parent.mkdir(parents=True)
        with TableWriter(path, SCHEMAS[Table(name)]):
            pass
    looked = node(DAY + timedelta(days=4000), **({"lake_days": lake_days} if lake_days else {}))
    plan, problems = look(looked)
    listed = [one for one in plan.decisions if one.holding.subject is Subject.KEPT_TABLES]
    assert problems == ()
    assert [(one.holding.name, one.holding.bytes) for one in listed] == [
        (name, path.stat().st_size) for name, path in zip(KEPT, files, strict=True)
    ]
    assert {one.reasons for one in listed} == {("the policy keeps it",)}
    assert not set(listed) & set(plan.held_back)
    apply(looked)
    assert all(path.exists() for path in files)


def test_looking_at_postgresql_writes_nothing_to_the_log(node, engine, caplog):
    """`retention plan` is read by people: alembic's lines stood among its own."""
    caplog.set_level("INFO")
    look(node(DAY, engine=engine))
    assert caplog.records == []
