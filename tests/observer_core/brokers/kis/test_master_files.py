"""Downloading master files from a real HTTP server, and reading folders of them."""

import pytest
from aiohttp import web

from observer_core.brokers.kis.master_files import download_masters, read_masters
from observer_core.errors import MasterFileError, NetworkError

from .master_rows import KOSDAQ_ROWS, KOSPI_ROWS, master, zipped

KOSPI_ZIP = zipped("kospi_code.mst", master(KOSPI_ROWS))
KOSDAQ_ZIP = zipped("kosdaq_code.mst", master(KOSDAQ_ROWS))


@pytest.fixture
def masters(broker):
    broker.on("/common/master/kospi_code.mst.zip", lambda _: web.Response(body=KOSPI_ZIP))
    broker.on("/common/master/kosdaq_code.mst.zip", lambda _: web.Response(body=KOSDAQ_ZIP))
    return broker


async def test_both_files_are_read_and_kept_byte_for_byte(masters, tmp_path):
    folder = tmp_path / "20260309"
    kospi, kosdaq = await download_masters(f"{masters.url}/common/master/", folder)
    assert (len(kospi.instruments), len(kosdaq.instruments)) == (5, 3)
    assert f"{kospi.packed_at:%Y-%m-%d %H:%M}" == "2026-03-09 07:35"
    assert kospi.path.read_bytes() == KOSPI_ZIP
    assert sorted(path.name for path in folder.iterdir()) == ["kosdaq_code.mst.zip", "kospi_code.mst.zip"]


async def test_a_damaged_file_is_kept_for_a_look(masters, tmp_path):
    masters.on("/common/master/kospi_code.mst.zip", lambda _: web.Response(body=b"maintenance"))
    with pytest.raises(MasterFileError, match=r"kospi_code\.mst\.zip is not a readable zip file of 11 bytes"):
        await download_masters(f"{masters.url}/common/master", tmp_path)
    assert (tmp_path / "kospi_code.mst.zip").read_bytes() == b"maintenance"


@pytest.mark.parametrize("status", [503, 404])
async def test_a_file_that_is_not_given_is_asked_for_once(broker, tmp_path, status):
    """The step that needs it asks again over minutes; nothing is written meanwhile."""
    broker.on("/common/master/kospi_code.mst.zip", lambda _: web.Response(status=status))
    with pytest.raises(NetworkError, match=rf"kospi_code\.mst\.zip answered HTTP {status}"):
        await download_masters(f"{broker.url}/common/master/", tmp_path)
    assert len(broker.requests) == 1
    assert list(tmp_path.iterdir()) == []


async def test_no_server_names_the_variable(unused_tcp_port, tmp_path):
    with pytest.raises(NetworkError, match="KIS_MASTER_URL"):
        await download_masters(f"http://127.0.0.1:{unused_tcp_port}/", tmp_path)


def test_a_folder_may_hold_zips_or_their_members(tmp_path):
    (tmp_path / "kospi_code.mst.zip").write_bytes(KOSPI_ZIP)
    (tmp_path / "kosdaq_code.mst").write_bytes(master(KOSDAQ_ROWS))
    assert len(read_masters(tmp_path)) == 8


def test_a_missing_file_of_a_folder_is_named_with_both_forms(tmp_path):
    (tmp_path / "kospi_code.mst.zip").write_bytes(KOSPI_ZIP)
    with pytest.raises(MasterFileError, match=r"kosdaq_code\.mst\.zip or kosdaq_code\.mst") as caught:
        read_masters(tmp_path)
    assert str(tmp_path / "kosdaq_code.mst.zip") in str(caught.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(MasterFileError, match="absent is not a directory"):
        read_masters(tmp_path / "absent")
