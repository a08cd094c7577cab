"""The newest version of the schema is read from the migrations themselves."""

from pathlib import Path

from observer_contracts.declaration.build import declare
from observer_contracts.declaration.migrations import newest_migration

VERSIONS = Path(__file__).resolve().parents[3] / "observer_core/warehouse/migrations/versions"


def test_the_declared_version_is_the_newest_file() -> None:
    """Files are numbered, and the declaration names the last one."""
    assert declare().database.migration == max(VERSIONS.glob("[0-9]*.py")).name[:4]


def test_the_one_on_which_none_builds_is_the_newest(tmp_path: Path) -> None:
    """Whatever the files are called, and however the constants are written."""
    (tmp_path / "a.py").write_text("revision: str = 'b2'\ndown_revision: str = 'a1'\n")
    (tmp_path / "b.py").write_text("revision = 'a1'\ndown_revision = None\n")
    (tmp_path / "env.py").write_text("x = 1\n")
    assert newest_migration(tmp_path) == "b2"


def test_a_folder_without_versions_has_none(tmp_path: Path) -> None:
    """Nothing is invented."""
    assert newest_migration(tmp_path) == ""
