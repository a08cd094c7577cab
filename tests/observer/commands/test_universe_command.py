"""`observer universe`, run as the command a person runs."""

import json
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from observer_core.reference.listing import parse_listing


def observer(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "observer", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables)


def row(code: str, price: int, *, width: int, at: dict[int, str]) -> bytes:
    """A record by the tables of the broker reference, 5.1 and 5.2; `at` gives what lies where."""
    content = bytearray(b" " * width)
    for offset, text in {0: code.ljust(9), 9: f"KR7{code}003"[:12], 21: "이름", 61: "ST", **at}.items():
        part = text.encode("cp949")
        content[offset : offset + len(part)] = part
    return bytes(content).replace(b"#########", f"{price:09d}".encode()) + b"\n"


def kospi(code: str, price: int, **flags: str) -> bytes:
    flag = {"spac": "N", "halt": "N", "sale": "N", **flags}
    at = {
        90: flag["spac"], 102: "#########", 121: flag["halt"] + flag["sale"] + "N00", 129: "000000",
        142: "0" * 24, 166: "20200101", 174: "0" * 36, 219: "0", 273: "0" * 9,
    }  # fmt: skip
    return row(code, price, width=288, at=at)


def kosdaq(code: str, price: int) -> bytes:
    at = {
        85: "N", 97: "#########", 116: "NNN00", 124: "000000", 137: "0" * 24, 161: "20200101", 169: "0" * 36,
        214: "0", 267: "0" * 9,
    }  # fmt: skip
    return row(code, price, width=282, at=at)


@pytest.fixture
def folder(tmp_path) -> Path:
    rows = (kospi("005930", 70000), kospi("000660", 3990), kospi("001570", 9900, halt="Y"))
    (tmp_path / "kospi_code.mst").write_bytes(b"".join(rows))
    (tmp_path / "kosdaq_code.mst").write_bytes(kosdaq("0001A0", 4000))
    return tmp_path


def test_it_prints_the_universe_as_json_and_writes_nothing(folder):
    before = sorted(folder.iterdir())
    done = observer("universe", "build", "--master-dir", str(folder), "--date", "2026-03-09", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "date": "2026-03-09",
        "rows": 4,
        "universe_size": 2,
        "excluded": {"group": 0, "spac": 0, "preferred": 0, "suspended": 1, "liquidation": 0, "price": 1},
        "source": "kis-master",
        "symbols": ["0001A0", "005930"],
    }
    assert sorted(folder.iterdir()) == before


def test_it_prints_a_summary_for_a_person(folder):
    done = observer("universe", "build", "--master-dir", str(folder), "--date", "2026-03-09")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "Universe of 2026-03-09 from kis-master"
    assert "       2  in the universe" in done.stdout.splitlines()


def test_the_filters_come_from_the_environment(folder):
    done = observer(
        "universe", "build", "--master-dir", str(folder), "--json", OBSERVER_UNIVERSE_MINIMUM_PRICE="1"
    )
    assert json.loads(done.stdout)["symbols"] == ["0001A0", "000660", "005930"]


def test_the_date_is_only_a_label_and_today_by_default(folder):
    done = observer("universe", "build", "--master-dir", str(folder), "--json")
    # Korea is nine hours ahead of UTC; midnight may pass between the two.
    korea = datetime.now(timezone(timedelta(hours=9)))
    assert date.fromisoformat(json.loads(done.stdout)["date"]) in (
        korea.date(),
        korea.date() - timedelta(days=1),
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--date", "2026-02-30"), "--date is '2026-02-30'"),
        (("--date", "yesterday"), "Write it as YYYY-MM-DD"),
    ],
)
def test_a_date_that_is_none_is_named(folder, words, message):
    done = observer("universe", "build", "--master-dir", str(folder), *words)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stdout == ""


def test_a_missing_folder_file_or_zip_is_named(folder):
    cases = {"is not a directory": folder / "absent"}
    (folder / "kosdaq_code.mst").unlink()
    cases["kosdaq_code.mst.zip cannot be read: No such file"] = folder
    for message, master_dir in cases.items():
        done = observer("universe", "build", "--master-dir", str(master_dir))
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    (folder / "kosdaq_code.mst.zip").write_bytes(b"PK\x03\x04 cut short")
    done = observer("universe", "build", "--master-dir", str(folder))
    assert done.returncode == 1
    assert "kosdaq_code.mst.zip is not a readable zip file" in done.stderr


def test_wrong_usage_ends_with_two():
    assert observer("universe", "build").returncode == 2
    assert observer("universe").returncode == 2


def test_the_listing_is_made_from_master_files(folder, tmp_path):
    output = tmp_path / "listing.csv.gz"
    done = observer("universe", "listing", "--master-dir", str(folder), "--output", str(output))
    assert done.returncode == 0
    codes = [one.code for one in parse_listing(output.read_bytes(), source="test")]
    assert codes == ["005930", "000660", "001570", "0001A0"]
