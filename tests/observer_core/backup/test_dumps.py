"""Dumps of a real server: what counts, what stays, what is restored."""

import io
import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from pg_dump import require_pg_dump

from observer.stack.postgres import PostgresServer
from observer_core.backup.dump_policy import kept
from observer_core.backup.dumps import dump_databases, restore_dump, stored_dumps
from observer_core.backup.folder import FolderTarget
from observer_core.backup.outcome import read_outcome
from observer_core.backup.postgres_programs import Programs, find_programs
from observer_core.backup.verifying import verify
from observer_core.errors import BackupTargetError, ConfigurationError, DatabaseUnavailableError, StorageError

from .conftest import make_paths

KST = timezone(timedelta(hours=9))
DAY = datetime(2026, 9, 22, 21, 0, tzinfo=KST)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory) -> Iterator[PostgresServer]:
    folder = tmp_path_factory.mktemp("postgres")
    databases = ["observer", "dagster", *(f"empty{number}" for number in range(5))]
    with PostgresServer(folder / "home", databases=databases, durable=False) as server:
        require_pg_dump(server)
        for name in ("observer", "dagster"):
            with server.connection(name) as session, session.cursor() as cursor:
                cursor.execute("CREATE TABLE held AS SELECT n, md5(n::text) FROM generate_series(1, 5000) n")
        server.empty = (f"empty{number}" for number in range(5))  # type: ignore[attr-defined]
        yield server


class Calendar:
    """The machine's clock, set by hand."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now_ns(self) -> int:
        return int(self.moment.timestamp()) * 10**9


def rows(postgres, database: str) -> int:
    with postgres.connection(database) as session, session.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM held")
        return cursor.fetchone()[0]


def test_a_night_dumps_both_databases_and_each_can_be_restored(paths, postgres, folder, folder_settings):
    made = dump_databases(paths, folder_settings, postgres.settings(), folder, Calendar(DAY)).made
    assert [dump.key for dump in made] == [
        "dumps/observer/20260922T120000Z.dump",
        "dumps/dagster/20260922T120000Z.dump",
    ]
    assert {dump.tables for dump in made} == {1}
    assert all(dump.server.startswith(str(postgres.binaries.major)) for dump in made)
    assert not (paths.backup / ".work").exists()
    assert read_outcome(paths).dumps == {dump.database: dump.made_ns for dump in made}
    into = postgres.settings(next(postgres.empty))
    restore_dump(paths, folder_settings, into, folder, database="dagster")
    assert rows(postgres, into.name) == 5000


def test_a_database_that_is_not_there_is_named_and_the_others_are_dumped(
    paths, postgres, folder, folder_settings
):
    asked = folder_settings.model_copy(update={"other_databases": ("nowhere", "dagster")})
    with pytest.raises(DatabaseUnavailableError, match=r"nowhere.*OBSERVER_BACKUP_OTHER_DATABASES"):
        dump_databases(paths, asked, postgres.settings(), folder, Calendar(DAY))
    assert {dump.database for dump in stored_dumps(paths, folder)[0]} == {"observer", "dagster"}


def test_old_dumps_go_by_day_and_by_week(paths, postgres, folder, folder_settings):
    asked = folder_settings.model_copy(update={"other_databases": (), "dumps_daily": 2, "dumps_weekly": 2})
    for days in range(9):
        night = Calendar(DAY + timedelta(days=days))
        dump_databases(paths, asked, postgres.settings("dagster"), folder, night)
    # 2026-09-22 is a Tuesday; its week ends on the 27th, and the last dump is of Wednesday the 30th.
    assert [dump.key[-21:-13] for dump in stored_dumps(paths, folder)[0]] == [
        "20260927",
        "20260929",
        "20260930",
    ]
    assert verify(paths, folder, thorough=True).objects == 3


def test_dumps_of_another_deployment_are_neither_listed_nor_restored_nor_removed(
    paths, postgres, folder, folder_settings
):
    """Two deployments whose databases have one name: the newest dump there is not this one's."""
    asked = folder_settings.model_copy(update={"other_databases": (), "dumps_daily": 1, "dumps_weekly": 0})
    [dump] = dump_databases(paths, asked, postgres.settings("dagster"), folder, Calendar(DAY)).made
    staging, other = make_paths(paths.data.parent.parent / "staging"), FolderTarget(folder.root, "staging")
    into, later = postgres.settings("empty0"), Calendar(DAY + timedelta(days=1))
    refused = "belongs to the deployment observer-prod, and this one is staging"
    with pytest.raises(ConfigurationError, match=refused):
        dump_databases(staging, asked, postgres.settings("dagster"), other, later)
    with pytest.raises(ConfigurationError, match=refused):
        stored_dumps(staging, other)
    with pytest.raises(ConfigurationError, match=refused):
        restore_dump(staging, asked, into, other, database="dagster")
    assert {one.key for one in folder.listing("dumps/")} == {dump.key, dump.account_key}
    assert read_outcome(staging).dumps == {}


def test_a_deployment_that_loses_its_target_while_it_dumps_leaves_none_there(
    paths, postgres, folder, folder_settings
):
    """Two that begin at the same moment: the other's name arrives after this one's was read back."""

    class Overtaken(Calendar):
        def now_ns(self) -> int:
            folder.put("owner.json", io.BytesIO(b'{"format": 1, "deployment": "staging"}'))
            return super().now_ns()

    asked = folder_settings.model_copy(update={"other_databases": ()})
    with pytest.raises(ConfigurationError, match="belongs to the deployment staging"):
        dump_databases(paths, asked, postgres.settings("dagster"), folder, Overtaken(DAY))
    assert list(folder.listing("dumps/")) == []
    assert read_outcome(paths).dumps == {}


def test_a_dump_that_the_target_damages_does_not_count_and_removes_none(
    paths, postgres, folder, folder_settings
):
    asked = folder_settings.model_copy(update={"other_databases": (), "dumps_daily": 1, "dumps_weekly": 0})
    dump_databases(paths, asked, postgres.settings("dagster"), folder, Calendar(DAY))
    put = folder.put

    def damaging(key, source):
        put(key, source)
        path = folder.root / key
        path.write_bytes(path.read_bytes()[:-1])

    folder.put = damaging
    with pytest.raises(BackupTargetError, match="read back was"):
        dump_databases(paths, asked, postgres.settings("dagster"), folder, Calendar(DAY + timedelta(days=1)))
    good, faults = stored_dumps(paths, folder)
    assert [dump.key for dump in good] == ["dumps/dagster/20260922T120000Z.dump"]
    assert [fault.path for fault in faults] == ["dumps/dagster/20260923T120000Z.dump"]


def test_a_damaged_dump_restores_nothing(paths, postgres, folder, folder_settings):
    [dump] = dump_databases(
        paths,
        folder_settings.model_copy(update={"other_databases": ()}),
        postgres.settings(),
        folder,
        Calendar(DAY),
    ).made
    path = folder.root / dump.key
    path.write_bytes(path.read_bytes()[:-5] + b"12345")
    into = postgres.settings(next(postgres.empty))
    with pytest.raises(StorageError, match="is damaged"):
        restore_dump(paths, folder_settings, into, folder, database="observer")
    with postgres.connection(into.name) as session, session.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert cursor.fetchone() == (0,)


def test_no_password_stands_in_an_argument(postgres, monkeypatch):
    """Arguments of a process can be read by everybody on the machine."""
    seen = []
    monkeypatch.setattr(
        "observer_core.backup.postgres_programs.subprocess.run",
        lambda words, **more: seen.append((words, more)) or (_ for _ in ()).throw(OSError("no such program")),
    )
    programs = Programs(Path("/usr/bin"), 15, "15.0")
    with pytest.raises(OSError, match="no such program"):
        programs.run("pg_dump", ["--format=custom"], postgres.settings())
    [(words, more)] = seen
    secret = postgres.settings().password.get_secret_value()
    assert secret not in " ".join(map(str, words))
    assert more["env"]["PGPASSWORD"] == secret


def test_a_server_newer_than_every_pg_dump_is_refused_with_the_package_that_is_missing():
    with pytest.raises(ConfigurationError, match="postgresql-client-99"):
        find_programs(99)


@pytest.mark.parametrize("daily", [1, 2, 7])
@pytest.mark.parametrize("weekly", [0, 1, 4])
@pytest.mark.parametrize("pauses", [(1,) * 60, (1, 30, 1, 1, 200, 1), ()])
def test_the_newest_dump_always_stays(daily, weekly, pauses):
    """Also after a pause of months, in which no dump was made."""
    moments = [DAY, *(DAY + timedelta(days=sum(pauses[: n + 1])) for n in range(len(pauses)))]
    stay = kept(moments, daily=daily, weekly=weekly)
    assert max(moments) in stay
    assert len(stay) <= daily + weekly
    days = sorted({moment.date() for moment in moments})[-daily:]
    assert {moment.date() for moment in stay} >= set(days)


def test_of_several_dumps_a_day_the_last_stays():
    moments = [DAY + timedelta(hours=hours) for hours in (0, 1, 2)]
    assert kept(moments, daily=1, weekly=1) == {max(moments)}
    assert list(itertools.islice(kept([], daily=1, weekly=1), 1)) == []
