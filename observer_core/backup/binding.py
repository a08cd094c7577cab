"""What this node knows of its target: which one it was, and who the node was to it.

Invariant: it is written only after the target has admitted this node (`ownership`); it lies on the data
volume, is lost with it, and is then made anew from the target.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from observer_core.errors import StorageError
from observer_core.files import write_atomically
from observer_core.settings.paths import Paths


@dataclass(frozen=True, slots=True)
class Binding:
    """Which target this node's ledger belongs to, and who writes it.

    Attributes:
        target: The target's name.
        id: Its identity (`target.json` there).
        writer: Name of this node's own files of the ledger.
        deployment: As which deployment the target has admitted this node; empty where its owner is not told.
    """

    target: str
    id: str
    writer: str
    deployment: str = ""


def binding_file(paths: Paths) -> Path:
    """Returns where the binding lies."""
    return paths.backup / "target.json"


def read_binding(paths: Paths) -> Binding | None:
    """Returns the binding, None where this node has none yet.

    Raises:
        StorageError: It is damaged.
    """
    path = binding_file(paths)
    try:
        content = json.loads(path.read_bytes())
        return Binding(content["target"], content["id"], content["writer"], content.get("deployment", ""))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(f"{path} is damaged: {error}.", remedy=f"Remove {path}.") from error


def write_binding(paths: Paths, binding: Binding) -> None:
    """Writes the binding, in place of an older one."""
    write_atomically(binding_file(paths), json.dumps(asdict(binding)).encode() + b"\n")
