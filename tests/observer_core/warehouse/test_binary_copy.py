"""What is sent in COPY's binary form is what PostgreSQL gives back."""

import io
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from observer.stack.postgres import SUPERUSER
from observer_core.warehouse.binary_copy import encode

SCHEMA = {
    "number": (pl.Int64(), "bigint"),
    "rate": (pl.Float64(), "double precision"),
    "at": (pl.Datetime("us", "UTC"), "timestamptz"),
    "day": (pl.Date(), "date"),
    "halted": (pl.Boolean(), "boolean"),
    "name": (pl.String(), "text"),
    "extra": (pl.List(pl.String()), "text[]"),
}
# PostgreSQL holds every text but those with NUL and lone surrogates.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
VALUES = {
    "number": st.integers(-(2**63), 2**63 - 1),
    "rate": st.floats(allow_nan=False),
    "at": st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)),  # noqa: DTZ001
    "day": st.dates(date(1900, 1, 1), date(2200, 1, 1)),
    "halted": st.booleans(),
    "name": st.one_of(texts, st.sampled_from(["", "삼성전자", 'a"b\\c^', "\\N", "NULL", "x\ny"])),
    "extra": st.lists(st.one_of(st.none(), texts, st.sampled_from(["", "NULL", '{"a"}'])), max_size=3),
}


@pytest.fixture(scope="module")
def session(server):
    with server.connection("postgres", user=SUPERUSER) as connection:
        with connection.cursor() as cursor:
            columns = ", ".join(f"{name} {kind}" for name, (_, kind) in SCHEMA.items())
            cursor.execute(f"CREATE TEMPORARY TABLE sent (place serial, {columns})")
        yield connection


def sent_and_read(session, rows):
    frame = pl.DataFrame(rows, schema={name: kind for name, (kind, _) in SCHEMA.items()}, orient="row")
    names = ", ".join(SCHEMA)
    with session.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'; TRUNCATE sent")
        cursor.copy_expert(
            f"COPY sent ({names}) FROM STDIN (FORMAT binary)", io.BytesIO(b"".join(encode([frame])))
        )
        cursor.execute(f"SELECT {names} FROM sent ORDER BY place")
        return cursor.fetchall()


row = st.tuples(*(st.one_of(st.none(), values) for values in VALUES.values()))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(row, min_size=1, max_size=12))
def test_every_value_comes_back_as_it_was_sent(session, rows):
    assert sent_and_read(session, rows) == rows


def test_columns_that_change_from_even_to_uneven_keep_their_rows(session):
    """Texts of one length, of several, and nulls among values stand beside each other."""
    start = datetime(2026, 9, 15, tzinfo=UTC)
    rows = [
        (
            n * 10**12,
            None if n % 3 else n / 7,
            start + timedelta(microseconds=n),
            start.date(),
            None if n % 5 == 0 else n % 2 == 0,
            "7" * (n % 40),
            None if n % 11 else ["a", None, str(n)],
        )
        for n in range(20_000)
    ]
    assert sent_and_read(session, rows) == rows


def test_frames_of_any_length_are_one_copy(session):
    """Empty ones among them too, and none at all."""
    frame = pl.DataFrame({"number": range(5)})
    with session.cursor() as cursor:
        for frames, expected in (([frame[:0], frame[:2], frame[:0], frame[2:]], [0, 1, 2, 3, 4]), ([], [])):
            cursor.execute("TRUNCATE sent")
            content = io.BytesIO(b"".join(encode(frames)))
            cursor.copy_expert("COPY sent (number) FROM STDIN (FORMAT binary)", content)
            cursor.execute("SELECT number FROM sent ORDER BY place")
            assert [number for (number,) in cursor.fetchall()] == expected


def test_a_column_of_another_type_is_refused():
    with pytest.raises(TypeError, match="price is of type Int32"):
        list(encode([pl.DataFrame({"price": pl.Series([1], dtype=pl.Int32)})]))
