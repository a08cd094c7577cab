"""What sources do with mounts, however they spell them."""
# ruff: noqa: E501 - a case a line reads as a table

import pytest

from observer_contracts.evidence.repository import TextFile
from observer_contracts.evidence.source_facts import FactKind, source_facts

ROOTS = {
    "OBSERVER_DATA_DIR": "/opt/platform/runtime/observer/data",
    "OBSERVER_LOG_DIR": "/opt/platform/runtime/observer/logs",
}
MADE = {
    "an environment variable": 'import os\nos.makedirs(os.environ["OBSERVER_DATA_DIR"], exist_ok=True)\n',
    "a default": 'Path(os.getenv("OBSERVER_DATA_DIR", "/x")).mkdir()\n',
    "a literal": 'Path("/opt/platform/runtime/observer/data/").mkdir(parents=True)\n',
    "a join": 'BASE = Path("/opt/platform/runtime/observer")\nDATA = BASE / "data"\nDATA.mkdir()\n',
    "os.path.join": 'os.mkdir(os.path.join("/opt/platform/runtime/observer", "data"))\n',
    "joinpath": 'Path("/opt/platform").joinpath("runtime", "observer", "data").mkdir()\n',
    "a function": 'def data():\n    return Path(os.environ.get("OBSERVER_DATA_DIR"))\n\ndata().mkdir()\n',
    "a function of a function": 'def a():\n    return os.environ["OBSERVER_DATA_DIR"]\ndef b():\n    return a()\nPath(b()).resolve().mkdir()\n',
    "an attribute": 'class P:\n    def __init__(self):\n        self.d = Path(os.environ["OBSERVER_DATA_DIR"])\n        self.d.mkdir()\n',
    "a helper": 'def ensure(path):\n    path.mkdir(exist_ok=True)\n\nensure(Path(os.environ["OBSERVER_DATA_DIR"]))\n',
    "a choice": 'd = Path(x) if x else Path("/opt/platform/runtime/observer/data")\nd.mkdir()\n',
    "an or": 'd = os.environ.get("OBSERVER_DATA_DIR") or "/y"\nos.makedirs(d)\n',
    "a loop": 'for d in (Path("/y"), Path("/opt/platform/runtime/observer/data")):\n    d.mkdir()\n',
    "a try": 'def f():\n    p = Path(os.environ["OBSERVER_DATA_DIR"])\n    try:\n        p.mkdir()\n    except OSError:\n        pass\n',
}
ALLOWED = {
    "a folder below": '(Path(os.environ["OBSERVER_DATA_DIR"]) / "scalp").mkdir()\n',
    "a folder of its own": 'Path("/tmp/x").mkdir()\n',
    "an unknown path": "def f(path):\n    path.mkdir()\n\nf(Path(sys.argv[1]))\n",
    "reading only": 'Path(os.environ["OBSERVER_DATA_DIR"]).is_dir()\n',
    "no Python": "def f(:\n  mkdir environ\n",
}


def _made(text: str) -> list[str]:
    return [f.name for f in source_facts([TextFile("a.py", text)], ROOTS) if f.kind is FactKind.MADE_ROOT]


@pytest.mark.parametrize("text", MADE.values(), ids=MADE.keys())
def test_a_made_mount_is_recognised(text: str) -> None:
    """The fact names the mount's variable."""
    assert _made(text) == ["OBSERVER_DATA_DIR"]


@pytest.mark.parametrize("text", ALLOWED.values(), ids=ALLOWED.keys())
def test_other_folders_are_left_alone(text: str) -> None:
    """Folders below a mount are allowed, and what cannot be told is not guessed."""
    assert _made(text) == []


def test_variables_are_read_with_their_defaults() -> None:
    """Subscripts, `get` and `getenv` are the same question."""
    text = 'a = os.environ["A"]\nb = os.environ.get("B", "x")\nc = os.getenv("C")\nd = settings.get("D")\n'
    found = [
        (f.name, f.value, f.line)
        for f in source_facts([TextFile("a.py", text)], ROOTS)
        if f.kind is FactKind.VARIABLE
    ]
    assert found == [("A", None, 1), ("B", "x", 2), ("C", None, 3)]
