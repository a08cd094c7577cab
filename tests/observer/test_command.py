"""The command line itself."""

import subprocess
import sys

import pytest

from observer.__main__ import main


def test_the_help_lists_every_command_without_importing_one() -> None:
    """The top-level help is a static table: it works in an image that holds one program only."""
    script = (
        "import sys; from observer.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(name for name in sys.modules if name.startswith('observer.')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for command in ("up", "demo", "collector", "simulator", "universe", "kis"):
        assert f"\n    {command}" in done.stdout
    assert done.stdout.splitlines()[-1] == "['observer.__main__']"


def test_an_unknown_command_is_a_usage_error() -> None:
    """The status is 2 and the names are listed."""
    with pytest.raises(SystemExit) as ended:
        main(["nothing"])
    assert ended.value.code == 2


def test_a_deliberate_error_is_one_line_with_its_remedy(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback, status 1."""
    assert main(["universe", "build", "--master-dir", str(tmp_path / "missing")]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("observer: ")
    assert "Remedy: " in lines[0]
