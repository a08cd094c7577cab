"""What reaches the programs of a stack."""

import stat
from pathlib import Path

from observer.stack import environment
from observer.stack.layout import StackFolder
from observer_core.settings import Paths, PathSettings


def test_cleansing_removes_other_brokers_databases_and_options() -> None:
    """`make demo` ignores any KIS_*, DB_*, OBSERVER_*, DAGSTER_* and PG* variable, and the services' own."""
    variables = {
        "KIS_APP_KEY": "real", "DB_HOST": "production", "OBSERVER_CLOCK": "real", "DAGSTER_HOME": "/home",
        "PGSSLMODE": "require", "SERVICE_PORT": "1", "LOG_LEVEL": "ERROR", "PATH": "/bin", "HOME": "/h",
    }  # fmt: skip
    removed = environment.cleanse(variables)
    assert variables == {"PATH": "/bin", "HOME": "/h"}
    assert set(removed) == {
        "KIS_APP_KEY", "DB_HOST", "OBSERVER_CLOCK", "DAGSTER_HOME", "PGSSLMODE", "SERVICE_PORT", "LOG_LEVEL",
    }  # fmt: skip


def test_a_program_gets_nothing_that_was_not_meant_for_it() -> None:
    """Whatever else the caller has stays with the caller; loopback addresses pass no proxy."""
    given = environment.of_the_machine({"PATH": "/bin", "AWS_SECRET": "x", "HTTP_PROXY": "http://proxy"})
    assert "AWS_SECRET" not in given
    assert given["HTTP_PROXY"] == "http://proxy"
    assert given["NO_PROXY"] == "127.0.0.1"


def test_the_simulated_keys_have_the_documented_lengths_and_stay(tmp_path: Path) -> None:
    """36 and 180 characters (broker reference, 2.1), made once, readable by their owner only."""
    folder = StackFolder(tmp_path, tmp_path)
    keys = environment.SimulatedKeys.of_stack(folder)
    assert (len(keys.app_key), len(keys.app_secret)) == (36, 180)
    assert environment.SimulatedKeys.of_stack(folder) == keys
    assert stat.S_IMODE(folder.simulator_keys.stat().st_mode) == 0o600


def test_the_stack_makes_the_four_mounts_and_names_them(tmp_path: Path) -> None:
    """Programs never make a mount; the stack is the deployment that does."""
    folder = StackFolder(tmp_path, tmp_path / "stack")
    folder.make()
    Paths(PathSettings.load(environment.mounts(folder.runtime))).require_mounts()
