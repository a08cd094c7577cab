"""A node with a day of data, and two kinds of target: a folder, and a bucket of a real server."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_server import S3Server

from observer_core.backup.opening import require_target
from observer_core.backup.target import Target
from observer_core.clock import RealClock
from observer_core.lake.compaction import close_day
from observer_core.settings import BackupSettings, Paths, PathSettings

from ..lake.conftest import HandWrittenJournal  # noqa: TID252 - no absolute name reaches a test

# As a pod knows it.
NAMED = {"POD_NAMESPACE": "observer-prod"}
_buckets = itertools.count()


def make_paths(folder: Path) -> Paths:
    """Returns the layout of a node whose mounts are empty."""
    for name in ("data", "logs", "config", "universe"):
        (folder / name).mkdir(parents=True)
    return Paths(
        PathSettings.load(
            {
                "OBSERVER_DATA_DIR": str(folder / "data"),
                "OBSERVER_LOG_DIR": str(folder / "logs"),
                "OBSERVER_CONFIG_DIR": str(folder / "config"),
                "OBSERVER_SNAPSHOT_DIR": str(folder / "universe"),
            }
        )
    )


@pytest.fixture
def paths(tmp_path) -> Paths:
    return make_paths(tmp_path / "node")


@pytest.fixture
def journal(paths) -> HandWrittenJournal:
    return HandWrittenJournal(paths.data)


@pytest.fixture(scope="session")
def s3(tmp_path_factory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3") / "server.log")
    yield server
    server.close()


@pytest.fixture
def folder_settings(tmp_path) -> BackupSettings:
    (tmp_path / "second volume").mkdir()
    return BackupSettings.load({"OBSERVER_BACKUP_TARGET": str(tmp_path / "second volume"), **NAMED})


@pytest.fixture
def bucket_settings(s3) -> BackupSettings:
    return BackupSettings.load({**s3.environment(f"backup-{next(_buckets)}"), **NAMED})


@pytest.fixture(params=["folder", "bucket"])
def target_settings(request) -> BackupSettings:
    return request.getfixturevalue(f"{request.param}_settings")


@pytest.fixture
def target(target_settings) -> Target:
    return require_target(target_settings)


@pytest.fixture
def folder(folder_settings) -> Target:
    return require_target(folder_settings)


@pytest.fixture
def clock() -> RealClock:
    return RealClock()


@pytest.fixture
def day_of_data(paths, journal) -> Paths:
    """A node with a closed day, an open segment, a torn tail, secrets, and files of the reference room."""
    journal.segment([journal.trade(), journal.trade(journal.changed(journal.trade_47, p2="x"))], hour=9)
    journal.segment([journal.swing()], hour=9, shard="0-swing", track="swing")
    close_day(paths, journal.day)
    journal.segment([journal.trade()], hour=10, sequence=2, seal=False)
    folder = paths.data / "assets" / "scalp"
    (folder / f"{journal.day:%Y%m%d}" / "0_09_000001.jsonl.torn").write_bytes(b'{"v":1,"prov')
    (folder / "epochs-0.json").write_bytes(b'{"format": 1, "last": 7}\n')
    for path, content in {
        paths.universe(journal.day): b'{"format":1}',
        paths.symbols(journal.day): b'{"format":1,"symbols":[]}',
        paths.master_files(journal.day) / "kospi_code.mst.zip": b"PK\x03\x04",
        paths.token_cache: b'{"access_token":"very secret"}',
        paths.locks / "shard-0.lock": b"",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return paths
