"""One PostgreSQL server: made, started, stopped.

Invariant: the server listens on the loopback address only, and every session gives a password
(scram-sha-256); when `start` fails nothing runs, and after `stop` everything is on disk.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT
from psycopg2.extensions import connection as Connection  # noqa: N812 - psycopg2 names its class in lower case

from observer.stack import ports
from observer.stack.postgres.account import Account
from observer.stack.postgres.binaries import Binaries, find_binaries
from observer.stack.postgres.home import SUPERUSER, ServerHome, environment
from observer_core.errors import DiskFullError, ProcessError, StorageError
from observer_core.settings import DatabaseSettings

ROLE = "observer"

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.02
_PORT_TRIES = 3
_LOG_LINES = 15


class PostgresServer:
    """A server of our own; a context manager.

    Args:
        folder: Its home: data, password and log.
        port: Where it listens; a free port where 0.
        databases: Databases that exist once it has started.
        binaries: The operator's choice of programs, None to look for them.
        log: File of its output; `server.log` in its home where None.
        durable: False leaves the disk's pace out, for data that nobody needs after a crash.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        databases: Sequence[str] = ("observer",),
        binaries: Path | None = None,
        log: Path | None = None,
        durable: bool = True,
    ) -> None:
        self.home = ServerHome(folder.absolute())
        self.port = port
        self._any_port = port == 0
        self._databases = tuple(databases)
        self._explicit = binaries
        self.log = log or self.home.folder / "server.log"
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self.binaries: Binaries | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The running server, None when it is stopped."""
        return self._process

    def environment(self, database: str = "observer") -> dict[str, str]:
        """Returns the `DB_*` variables for a program that uses a database of this server."""
        return {
            "DB_HOST": ports.LOOPBACK,
            "DB_PORT": str(self.port),
            "DB_NAME": database,
            "DB_USER": ROLE,
            "DB_PASSWORD": self.home.password.get_secret_value(),
        }

    def settings(self, database: str = "observer") -> DatabaseSettings:
        """Returns the same as settings."""
        return DatabaseSettings.load(self.environment(database))

    def start(self) -> None:
        """Makes the data folder where there is none, starts the server, and makes role and databases.

        Raises:
            ConfigurationError: No fitting programs.
            ProcessError: It does not start; the message ends with its log.
            StorageError: The folder belongs to another user, or its disk is full.
        """
        try:
            self.home.folder.mkdir(parents=True, exist_ok=True)
            self.binaries = find_binaries(self._explicit, major=self.home.made_by())
            account = Account.choose(self.binaries.postgres, self.home.data)
            account.own(self.home.folder)
            if not self.home.data.exists():
                self.home.make(self.binaries, account, durable=self._durable)
            self.home.end_leftovers()
            self._run(self.binaries, account)
        except psycopg2.errors.DiskFull as error:
            raise DiskFullError(
                f"PostgreSQL in {self.home.folder} has no space left: {str(error).strip().splitlines()[0]}.",
                remedy="Free space, or choose a folder on a larger disk; then start again.",
            ) from error
        except PermissionError as error:
            raise StorageError(
                f"{error.filename} belongs to another user.",
                remedy=f"Remove {self.home.folder} as that user, or run as that user.",
            ) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends sessions, writes everything to disk, and stops; harmless when it does not run.

        Raises:
            ProcessError: The server had to be killed; its next start recovers from its log.
        """
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        # First the fast shutdown, then the immediate one, which the next start recovers from.
        for stop_signal in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            process.send_signal(stop_signal)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            if stop_signal is not signal.SIGINT:
                raise ProcessError(
                    f"PostgreSQL did not stop within {_STOP_SECONDS:.0f} s and got {stop_signal.name}.",
                    remedy=f"See {self.log}; the next start recovers.",
                )
            return

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @contextmanager
    def connection(
        self, database: str, *, user: str = ROLE, connect_seconds: int = 10
    ) -> Iterator[Connection]:
        """Opens a session that commits each statement, and closes it."""
        session = psycopg2.connect(
            host=ports.LOOPBACK,
            port=self.port,
            dbname=database,
            user=user,
            password=self.home.password.get_secret_value(),
            connect_timeout=connect_seconds,
        )
        session.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        try:
            yield session
        finally:
            session.close()

    def _run(self, binaries: Binaries, account: Account) -> None:
        for remaining in reversed(range(_PORT_TRIES)):
            if self._any_port:
                [self.port] = ports.ephemeral()
            self._process = self._spawn(binaries, account)
            try:
                self._wait_until_ready(self._process)
            except ProcessError:
                # Another program may have taken the port since we looked.
                if remaining and self._any_port and "Address already in use" in self._tail():
                    continue
                raise
            break
        self._make_databases()

    def _spawn(self, binaries: Binaries, account: Account) -> subprocess.Popen[bytes]:
        options = {
            "listen_addresses": ports.LOOPBACK,
            "port": str(self.port),
            # The path of a socket may not be long, and a clone's folder may.
            "unix_socket_directories": "",
            "max_connections": "100",
            "shared_buffers": "64MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "logging_collector": "off",
        }
        if not self._durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with self.log.open("wb") as output:
            return account.popen(
                [binaries.postgres, "-D", self.home.data, *words],
                environment=environment(),
                output=output,
            )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            if process.poll() is not None:
                raise ProcessError(
                    f"PostgreSQL ended with status {process.returncode}: {self._tail()}",
                    remedy=f"Correct what {self.log} says, or set DB_HOST to a server that is there.",
                )
            try:
                with self.connection("postgres", user=SUPERUSER, connect_seconds=2):
                    return
            except psycopg2.OperationalError as error:
                if time.monotonic() > deadline:
                    raise ProcessError(
                        f"PostgreSQL did not answer within {_START_SECONDS:.0f} s: {error} {self._tail()}",
                        remedy=f"See {self.log}.",
                    ) from error
            time.sleep(_POLL_SECONDS)

    def _make_databases(self) -> None:
        from observer_core.warehouse.roles import Role  # the package loads polars

        with self.connection("postgres", user=SUPERUSER) as session, session.cursor() as cursor:
            cursor.execute("SELECT rolname FROM pg_roles")
            present = {name for (name,) in cursor.fetchall()}
            if ROLE not in present:
                statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD %s").format(sql.Identifier(ROLE))
                cursor.execute(statement, (self.home.password.get_secret_value(),))
            for group in Role:
                if group not in present:
                    cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(group)))
            for name in self._databases:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
                if cursor.fetchone() is None:
                    wanted = sql.SQL("CREATE DATABASE {} OWNER {}")
                    cursor.execute(wanted.format(sql.Identifier(name), sql.Identifier(ROLE)))

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return " | ".join(lines[-_LOG_LINES:])
