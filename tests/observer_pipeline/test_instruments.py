"""The dated instruments and their corporate actions, through the jobs, from files of the simulated broker."""

import json
import shutil
import zipfile
from datetime import date

import polars as pl

from observer_core.lake.readers import scan
from observer_core.lake.schemas import Table
from observer_pipeline import keys

BEFORE = date(2026, 9, 14)
# Offsets of the broker reference, 5.1: base price, ex-rights, face value change, face value.
BASE, FLAGS, FACE = slice(102, 111), slice(129, 133), slice(154, 166)


def build(deployment, day, *assets):
    job = deployment.defs.resolve_job_def("refresh_reference" if keys.INSTRUMENTS in assets else "close_day")
    return job.execute_in_process(
        instance=deployment.instance, partition_key=day.isoformat(), asset_selection=list(assets),
        raise_on_error=False,
    )  # fmt: skip


def checks(result):
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def change_master(folder, symbol: str, **fields: tuple[slice, str]) -> None:
    """Rewrites fields of one record of a kept KOSPI master file, byte by byte."""
    path = folder / "kospi_code.mst.zip"
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("kospi_code.mst").split(b"\n")
    [number] = [n for n, line in enumerate(lines) if line[:9].decode().strip() == symbol]
    record = bytearray(lines[number])
    for place, value in fields.values():
        record[place] = value.encode()
    lines[number] = bytes(record)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kospi_code.mst", b"\n".join(lines))


def tell_of(symbols, day, target):
    """Writes a file of symbols that speak of a day."""
    target.write_text(json.dumps(json.loads(symbols.read_text()) | {"as_of": day.isoformat()}))


def test_instruments_of_the_day_stand_in_the_lake(refreshed):
    """Each symbol once, with what only the master files tell, and a rerun gives the same bytes."""
    made = build(refreshed, refreshed.day, keys.INSTRUMENTS)
    assert made.success
    rows = scan(refreshed.paths, Table.INSTRUMENTS, refreshed.day).collect()
    symbols = rows["symbol"].to_list()
    assert symbols == sorted(set(symbols))
    assert set(rows["source"]) == {"kis-master"}
    assert rows["face_value"].null_count() == rows["listed_date"].null_count() == 0
    file = refreshed.paths.lake_day("instruments", refreshed.day)
    first = file.read_bytes()
    assert build(refreshed, refreshed.day, keys.INSTRUMENTS).success
    assert file.read_bytes() == first


def test_symbols_of_another_source_have_no_master_columns(refreshed):
    """A degraded day has its instruments too; what nobody said is null."""
    shutil.rmtree(refreshed.paths.master_files(refreshed.day))
    assert build(refreshed, refreshed.day, keys.INSTRUMENTS).success
    rows = scan(refreshed.paths, Table.INSTRUMENTS, refreshed.day).collect()
    assert rows.height > 1000
    assert rows["face_value"].null_count() == rows["ex_rights"].null_count() == rows.height


def test_master_files_of_an_earlier_day_give_this_one_no_flags(refreshed):
    """Yesterday's ex-rights flags would become today's corporate actions."""
    symbols = refreshed.paths.symbols(refreshed.day)
    tell_of(symbols, BEFORE, symbols)
    assert build(refreshed, refreshed.day, keys.INSTRUMENTS).success
    rows = scan(refreshed.paths, Table.INSTRUMENTS, refreshed.day).collect()
    assert rows.height > 1000
    assert rows["ex_rights"].null_count() == rows.height


def test_a_split_is_found_by_its_flags_and_a_strange_base_price_by_the_sweep(refreshed):
    """A flag explains a base price; where nothing does, the check warns and names the symbol."""
    shutil.copytree(refreshed.paths.master_files(refreshed.day), refreshed.paths.master_files(BEFORE))
    tell_of(refreshed.paths.symbols(refreshed.day), BEFORE, refreshed.paths.symbols(BEFORE))
    assert build(refreshed, BEFORE, keys.INSTRUMENTS).success
    listed = scan(refreshed.paths, Table.INSTRUMENTS, BEFORE).filter(pl.col("market") == "KOSPI").collect()
    journalist = refreshed.journalist()
    strange = next(symbol for symbol in journalist.symbols if symbol in set(listed["symbol"]))
    split = next(symbol for symbol in listed["symbol"] if symbol not in journalist.symbols)
    folder = refreshed.paths.master_files(refreshed.day)
    change_master(folder, split, flags=(FLAGS, "0101"), face=(FACE, f"{1:012d}"), base=(BASE, f"{1:09d}"))
    journalist.write(9)
    change_master(folder, strange, base=(BASE, f"{1:09d}"))
    assert build(refreshed, refreshed.day, keys.INSTRUMENTS).success
    refreshed.set_clock(refreshed.at(20, 10))
    run = refreshed.run("close_day")
    assert run.success, run.failures
    actions = scan(refreshed.paths, Table.CORPORATE_ACTIONS, refreshed.day).collect()
    of_split = actions.filter(pl.col("symbol") == split)
    assert of_split["kind"].to_list() == ["base_price", "ex_rights", "face_value", "face_value_change"]
    assert of_split["previous_day"].unique().to_list() == [None, BEFORE]
    [swept] = actions.filter(pl.col("symbol") == strange).to_dicts()
    assert (swept["kind"], swept["evidence"]) == ("base_price", "base price is not the previous close")
    assert actions.height == 5
    assert run.rows["corporate_actions"] == 5
    assert run.checks["corporate_actions:few_prices_rebased"].passed
    flagged = run.checks["corporate_actions:rebased_prices_flagged"]
    assert (flagged.passed, flagged.severity.value) == (False, "WARN")
    assert [row.data["symbol"] for row in flagged.metadata["offenders"].records] == [strange]


def test_a_day_without_instruments_is_left_out(refreshed):
    """Nothing is compared with nothing; the run says what to do."""
    run = build(refreshed, refreshed.day, keys.CORPORATE_ACTIONS)
    assert run.success
    assert run.asset_materializations_for_node("corporate_actions") == []
    assert checks(run) == {}
