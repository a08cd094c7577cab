"""Which version of the database's schema the programs bring along.

Invariant: read from the migrations themselves, without the libraries that apply them: an image that only
records has neither SQLAlchemy nor alembic.
"""

from __future__ import annotations

import ast
from pathlib import Path

import observer_core

_VERSIONS = Path(observer_core.__file__).parent / "warehouse" / "migrations" / "versions"


def newest_migration(folder: Path = _VERSIONS) -> str:
    """Returns the revision on which no other one builds; empty where the folder has none."""
    found = {}
    for path in folder.glob("*.py"):
        names = _constants(path)
        if names.get("revision"):
            found[names["revision"]] = names.get("down_revision")
    newest = sorted(set(found) - set(found.values()))
    return newest[-1] if newest else ""


def _constants(path: Path) -> dict[str, str]:
    """Returns the text constants that a module assigns at its top level."""
    assigned = {}
    for statement in ast.parse(path.read_text("utf-8")).body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Constant):
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            if isinstance(target, ast.Name) and isinstance(statement.value.value, str):
                assigned[target.id] = statement.value.value
    return assigned
