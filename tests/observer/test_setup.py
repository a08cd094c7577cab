"""`make setup`: what it says where something is missing, and that it does nothing twice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from observer.stack.layout import project_root

NEEDED = (
    "sh",
    "dirname",
    "mkdir",
    "flock",
    "sha256sum",
    "cut",
    "cat",
    "tail",
    "sed",
    "rm",
    "date",
    "grep",
    "sleep",
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with what `make setup` reads, and a PATH that holds no Python."""
    clone = tmp_path / "clone"
    (clone / "tools").mkdir(parents=True)
    shutil.copy(project_root() / "tools" / "setup", clone / "tools")
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copy(project_root() / name, clone)
    (tmp_path / "bin").mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        assert found is not None, name
        (tmp_path / "bin" / name).symlink_to(found)
    return clone


def python(clone: Path, script: str) -> None:
    """Puts a stand-in for the interpreter on the PATH; it sees `-c` and a program."""
    path = clone.parent / "bin" / "python3"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def setup(clone: Path, *first: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [clone / "tools" / "setup"],
        env={"PATH": os.pathsep.join(map(str, (*first, clone.parent / "bin")))},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_missing_python_is_named_with_the_packages(clone: Path) -> None:
    """Another version does not do."""
    python(clone, "exit 1")
    done = setup(clone)
    assert done.returncode == 1
    assert "Python 3.11 was not found" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


def test_a_missing_venv_module_is_named_with_its_package(clone: Path) -> None:
    """Debian's python3 comes without it."""
    python(clone, 'case "$2" in *ensurepip*) exit 1;; *base_executable*) echo "$0";; esac')
    done = setup(clone)
    assert done.returncode == 1
    assert "has no venv module" in done.stderr
    assert "apt-get install python3-venv" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(clone: Path) -> None:
    """The set-up writes below the clone only."""
    clone.chmod(0o555)
    done = setup(clone)
    clone.chmod(0o755)
    assert done.returncode == 1
    assert "cannot write to" in done.stderr


def test_a_failing_set_up_says_where_its_log_is_and_is_not_taken_for_done(clone: Path) -> None:
    """The stand-in makes an environment whose pip fails; the next call tries again."""
    python(
        clone,
        'case "$*" in *base_executable*) echo "$0";; "-m venv"*) mkdir -p .venv/bin; '
        'printf "#!/bin/sh\\necho no network; exit 1\\n" > .venv/bin/python; '
        "chmod +x .venv/bin/python;; esac",
    )
    (clone.parent / "bin" / "chmod").symlink_to(shutil.which("chmod"))
    for _ in range(2):
        done = setup(clone)
        assert done.returncode == 1
        assert "no network" in done.stderr
        assert "var/setup.log" in done.stderr
        assert not (clone / ".venv" / "complete").exists()


def test_nothing_is_done_twice_though_the_environment_stands_first_on_the_path(clone: Path) -> None:
    """Who calls `observer` by its name has .venv/bin on the PATH; that must not make .venv anew of itself."""
    shim = clone.parent / "bin" / "python3.11"
    shim.write_text(f'#!/bin/sh\nexec {sys._base_executable} "$@"\n')
    shim.chmod(0o755)
    # `python -m pip` finds it first: nothing is fetched here.
    (clone / "pip.py").write_text("")
    done = setup(clone)
    assert done.returncode == 0, done.stderr
    assert "making .venv" in done.stdout
    for _ in range(2):
        again = setup(clone, clone / ".venv/bin")
        assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
