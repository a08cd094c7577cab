"""Dumps of PostgreSQL at the target.

Invariant: a dump counts only with its account beside it, and the account is written last: after `pg_dump`
has ended well, `pg_restore` has read the file to its end, and the target has given it back unchanged. Old
dumps go only after a new one counts, and the last good one of a database never does.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from observer_core import logs
from observer_core.backup import dump_policy
from observer_core.backup.ledger import open_ledger
from observer_core.backup.objects import Fault
from observer_core.backup.outcome import note_dump
from observer_core.backup.ownership import Purpose, admit
from observer_core.backup.postgres_programs import Programs, find_programs
from observer_core.backup.shipping import deliver
from observer_core.backup.target import Target, blocks_of_object, digest, read_whole
from observer_core.clock import Clock
from observer_core.clock.base import kst_datetime
from observer_core.errors import ConfigurationError, DatabaseUnavailableError, ObserverError, StorageError
from observer_core.lake.storage import exclusive
from observer_core.settings import BackupSettings, DatabaseSettings
from observer_core.settings.paths import Paths
from observer_core.warehouse.connection import connect, transaction

_FORMAT = 1
_PREFIX = "dumps/"
_TABLE_DATA = " TABLE DATA "
_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class Dump:
    """One dump, as its account tells.

    Attributes:
        database: The database.
        made_ns: When it was begun, by the machine's clock.
        server: Version of the server.
        program: Version of `pg_dump`.
        tables: Tables whose rows it holds.
        bytes: Its size.
        sha256: Of its content.
    """

    database: str
    made_ns: int
    server: str
    program: str
    tables: int
    bytes: int
    sha256: str

    @property
    def key(self) -> str:
        """Its name at the target."""
        moment = datetime.fromtimestamp(self.made_ns // 1_000_000_000, UTC)
        return f"{_PREFIX}{self.database}/{moment:%Y%m%dT%H%M%SZ}.dump"

    @property
    def account_key(self) -> str:
        """The name of its account."""
        return self.key.removesuffix(".dump") + ".json"


@dataclass(frozen=True, slots=True)
class DumpRun:
    """What a run has done.

    Attributes:
        made: The new dumps.
        removed: Keys of the old ones that went.
    """

    made: tuple[Dump, ...]
    removed: tuple[str, ...]


def dump_databases(
    paths: Paths, settings: BackupSettings, database: DatabaseSettings, target: Target, clock: Clock
) -> DumpRun:
    """Dumps the warehouse's database and the others that are configured.

    Args:
        paths: The layout; a dump is made below the data mount, one at a time, and removed there again.
        settings: Which databases, and how many dumps stay.
        database: The server and the warehouse's database.
        target: The target.
        clock: The machine's time.

    Raises:
        DatabaseUnavailableError: The server failed, or lacks a database; the others were dumped all the same.
        BackupTargetError: The target failed.
        ConfigurationError: There is no `pg_dump` for this server, or the target is another deployment's.
    """
    made: list[Dump] = []
    removed: list[str] = []
    first_error: ObserverError | None = None
    with exclusive(paths.backup_lock):
        open_ledger(paths, target, Purpose.SHIP)
        for name in dict.fromkeys((database.name, *settings.other_databases)):
            try:
                one = _dump(paths, settings, database.model_copy(update={"name": name}), target, clock)
            except ObserverError as error:
                _log.error("backup.dump_failed", database=name, error=str(error))
                if name != database.name and isinstance(error, DatabaseUnavailableError):
                    error.remedy += " OBSERVER_BACKUP_OTHER_DATABASES names what is dumped beside DB_NAME."
                first_error = first_error or error
                continue
            made.append(one)
            note_dump(paths, name, one.made_ns)
            removed += _remove_old(paths, target, name, settings)
    if first_error is not None:
        raise first_error
    return DumpRun(tuple(made), tuple(removed))


def stored_dumps(paths: Paths, target: Target) -> tuple[list[Dump], list[Fault]]:
    """Returns the dumps at the target, oldest first, and what lies there without counting.

    Raises:
        BackupTargetError: The target does not answer.
        ConfigurationError: It belongs to another deployment.
    """
    admit(paths, target, Purpose.READ)
    keys = {stored.key for stored in target.listing(_PREFIX)}
    found, faults = [], []
    for key in sorted(key for key in keys if key.endswith(".json")):
        try:
            found.append(_decode(read_whole(target, key) or b""))
        except (ValueError, KeyError, TypeError) as error:
            faults.append(Fault(key, f"the account of the dump cannot be read: {error}"))
    accounted = {dump.key for dump in found}
    faults += [
        Fault(key, "a dump without a readable account; it does not count")
        for key in keys
        if key.endswith(".dump") and key not in accounted
    ]
    return sorted(found, key=lambda dump: dump.made_ns), sorted(faults)


def restore_dump(
    paths: Paths,
    settings: BackupSettings,
    into: DatabaseSettings,
    target: Target,
    *,
    database: str,
    key: str = "",
) -> Dump:
    """Restores a dump into an empty database.

    Args:
        paths: The layout; the dump is fetched below the data mount.
        settings: Where the programs are.
        into: Server and database; the database exists and has no tables.
        target: The target.
        database: Whose dump.
        key: Which dump; the last one where empty.

    Raises:
        ConfigurationError: There is no such dump, the database is not empty, or the target is another
            deployment's.
        StorageError: The dump is damaged; nothing was restored.
        DatabaseUnavailableError: The server failed; nothing was restored.
    """
    stored, _ = stored_dumps(paths, target)
    dumps = [one for one in stored if one.database == database and key in ("", one.key)]
    if not dumps:
        raise ConfigurationError(
            f"{target.name} has no dump of {database}{f' named {key}' if key else ''}.",
            remedy="`observer backup status` lists the dumps.",
        )
    chosen, server = dumps[-1], _server(into)
    if server.tables:
        raise ConfigurationError(
            f"The database {into.name} has {server.tables} tables.",
            remedy="Restore into an empty database (createdb NAME, then --into NAME).",
        )
    programs = find_programs(server.major, settings.programs)
    with exclusive(paths.backup_lock), _work(paths) as work:
        file = work / "restore.dump"
        _fetch(target, chosen, file)
        # One transaction: what fails leaves the database as empty as it was.
        words = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]
        programs.run("pg_restore", [*words, f"--dbname={into.name}", str(file)], into)
    _log.info("backup.dump_restored", object=chosen.key, database=into.name)
    return chosen


@dataclass(frozen=True, slots=True)
class _Server:
    major: int
    version: str
    tables: int


def _server(database: DatabaseSettings) -> _Server:
    engine = connect(database)
    count = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    with transaction(engine) as connection:
        number = int(connection.execute(sa.text("SHOW server_version_num")).scalar_one())
        version = str(connection.execute(sa.text("SHOW server_version")).scalar_one())
        tables = int(connection.execute(sa.text(count)).scalar_one())
    return _Server(number // 10_000, version, tables)


def _dump(
    paths: Paths, settings: BackupSettings, database: DatabaseSettings, target: Target, clock: Clock
) -> Dump:
    server, made_ns = _server(database), clock.now_ns()
    programs = find_programs(server.major, settings.programs)
    with _work(paths) as work:
        file = work / "database.dump"
        programs.run("pg_dump", ["--format=custom", "--no-password", f"--file={file}"], database)
        tables = _tables_in(programs, file)
        with file.open("rb") as source:
            sha256, size = digest(blocks_of_object(source))
            dump = Dump(database.name, made_ns, server.version, programs.version, tables, size, sha256)
            source.seek(0)
            # Of two deployments that began at the same moment, one finds out here that it is not the owner.
            admit(paths, target, Purpose.SHIP)
            deliver(target, dump.key, source, (sha256, size))
    target.put(dump.account_key, io.BytesIO(_encode(dump)))
    _log.info("backup.dumped", database=dump.database, object=dump.key, bytes=dump.bytes, tables=dump.tables)
    return dump


def _tables_in(programs: Programs, file: Path) -> int:
    """Returns how many tables' rows a dump holds, once it has been read to its end.

    Raises:
        StorageError: It cannot be read.
    """
    listed = programs.run("pg_restore", ["--list", str(file)])
    # The list stands at a dump's beginning; turned into SQL, each byte of the rest is read as well.
    programs.run("pg_restore", ["--file=/dev/null", str(file)])
    return sum(_TABLE_DATA in line for line in listed.splitlines())


def _remove_old(paths: Paths, target: Target, database: str, settings: BackupSettings) -> list[str]:
    stored, _ = stored_dumps(paths, target)
    dumps = {kst_datetime(one.made_ns): one for one in stored if one.database == database}
    stay = dump_policy.kept(dumps, daily=settings.dumps_daily, weekly=settings.dumps_weekly)
    removed = []
    for moment in sorted(dumps.keys() - stay):
        # The account first: a dump without one does not count.
        target.remove(dumps[moment].account_key)
        target.remove(dumps[moment].key)
        removed.append(dumps[moment].key)
        _log.info("backup.dump_removed", object=dumps[moment].key)
    return removed


def _fetch(target: Target, dump: Dump, file: Path) -> None:
    try:
        with target.open(dump.key) as source, file.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    except FileNotFoundError:
        raise StorageError(f"{dump.key} is missing at {target.name}.", remedy="Choose another one.") from None
    with file.open("rb") as source:
        if digest(blocks_of_object(source)) != (dump.sha256, dump.bytes):
            raise StorageError(f"{dump.key} is damaged at {target.name}.", remedy="Choose another one.")


@contextmanager
def _work(paths: Paths) -> Iterator[Path]:
    """Gives an empty folder on the data volume; what a killed run left there is removed."""
    folder = paths.backup / ".work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _encode(dump: Dump) -> bytes:
    return json.dumps({"format": _FORMAT, **asdict(dump)}, indent=1).encode() + b"\n"


def _decode(content: bytes) -> Dump:
    fields = json.loads(content)
    if fields.pop("format") != _FORMAT:
        raise ValueError("an unknown format")
    return Dump(**fields)


def newest(dumps: Sequence[Dump]) -> dict[str, Dump]:
    """Returns database -> its newest dump."""
    return {dump.database: dump for dump in sorted(dumps, key=lambda dump: dump.made_ns)}
