"""Whose a target is.

Invariant: a target belongs to one deployment, which `owner.json` there names. The first that ships or dumps
becomes the owner, and only `take_over` ever changes it. For any other deployment nothing is written, listed,
removed or restored. Of two that begin at the same moment the one whose name stays is the owner: each reads
its name back, and asks once more before what it has brought counts, so that the other one is refused.

A deployment is known by its name and by nothing that lies on its disk, so that an empty node of it goes on
where a lost one ended. Where nobody has named it (outside of a cluster), it is the one that this node has
restored from or shipped as, else host and data folder; such a node may read any backup as long as it is empty
itself, and belongs to the deployment whose files it has restored.
"""

from __future__ import annotations

import io
import json
import shlex
import socket
from dataclasses import dataclass, replace
from enum import Enum

from observer_core.backup.binding import read_binding, write_binding
from observer_core.backup.inventory import take_inventory
from observer_core.backup.target import Target, read_whole
from observer_core.errors import BackupTargetError, ConfigurationError
from observer_core.lake.storage import exclusive
from observer_core.settings.paths import Paths

_OWNER = "owner.json"
_FORMAT = 1


class Purpose(Enum):
    """What a target is opened for."""

    SHIP = "to write there; a target that is nobody's becomes this deployment's"
    READ = "to see what is there"
    RESTORE = "to bring its files to this node"


@dataclass(frozen=True, slots=True)
class _Asker:
    """The deployment that asks.

    Attributes:
        name: Its name.
        fixed: Whether its settings tell it; else only this node does.
    """

    name: str
    fixed: bool


def admit(paths: Paths, target: Target, purpose: Purpose) -> str:
    """Lets this deployment to a target, or refuses it; changes nothing but that a shipper becomes the owner.

    Args:
        paths: The layout.
        target: The target; it is there.
        purpose: What for.

    Returns:
        As which deployment this node is admitted; empty where it only reads another's, or nobody's.

    Raises:
        ConfigurationError: The target belongs to another deployment.
        BackupTargetError: It does not answer, or does not tell whose it is.
    """
    asker, owner = _asker(paths, target), owner_of(target)
    if owner is None and purpose is Purpose.SHIP:
        owner = _claim(target, asker.name)
    if owner in (None, asker.name):
        return owner or ""
    if purpose is not Purpose.SHIP and not asker.fixed and _is_empty(paths):
        return owner if purpose is Purpose.RESTORE else ""
    word = shlex.quote(str(owner))
    raise ConfigurationError(
        f"The backup target {target.name} belongs to the deployment {owner}, and this one is {asker.name}.",
        remedy="Name a target or prefix of its own in OBSERVER_BACKUP_TARGET. If it is the same deployment, "
        f"renamed or moved: OBSERVER_BACKUP_DEPLOYMENT={word} keeps the old name, "
        f"`observer backup take-over --from {word}` gives the target the new one.",
    )


def take_over(paths: Paths, target: Target, *, former: str) -> str:
    """Makes this deployment the owner of a target that belonged to another name.

    Args:
        paths: The layout.
        target: The target.
        former: Whose it is; said by the operator, so that no target changes its owner by mistake.

    Returns:
        The owner's name from now on.

    Raises:
        ConfigurationError: It belongs to neither the former nor this deployment.
        BackupTargetError: It failed, or somebody else took it at the same moment.
    """
    with exclusive(paths.backup_lock):
        name, owner = _asker(paths, target).name, owner_of(target)
        if owner not in (former, name):
            whose = "nobody; the first that ships becomes its owner" if owner is None else owner
            raise ConfigurationError(
                f"The backup target {target.name} does not belong to {former}: it belongs to {whose}.",
                remedy="`observer backup status` tells whose it is.",
            )
        if owner != name:
            target.put(_OWNER, io.BytesIO(_encode(name)))
            if owner_of(target) != name:
                raise BackupTargetError(
                    f"Another deployment has taken over the backup target {target.name} at the same moment.",
                    remedy="Look at `observer backup status` there and here.",
                )
        bound = read_binding(paths)
        if bound is not None:
            write_binding(paths, replace(bound, deployment=name))
    return name


def owner_of(target: Target) -> str | None:
    """Returns the deployment that a target belongs to, None where it is nobody's yet.

    Raises:
        BackupTargetError: It does not answer, or its `owner.json` cannot be read.
    """
    content = read_whole(target, _OWNER)
    if content is None:
        return None
    try:
        return str(json.loads(content)["deployment"])
    except (ValueError, KeyError, TypeError) as error:
        raise BackupTargetError(
            f"{_OWNER} of {target.name} cannot be read: {error}.",
            remedy="Remove it if the target is this deployment's: the next shipment writes it anew.",
        ) from error


def _asker(paths: Paths, target: Target) -> _Asker:
    if target.deployment:
        return _Asker(target.deployment, fixed=True)
    bound = read_binding(paths)
    if bound is not None and bound.deployment:
        return _Asker(bound.deployment, fixed=False)
    return _Asker(f"{socket.gethostname()}:{paths.data}", fixed=False)


def _claim(target: Target, name: str) -> str:
    """Enters the first owner; returns who that is, as it is read back."""
    target.put(_OWNER, io.BytesIO(_encode(name)))
    found = owner_of(target)
    if found is None:
        raise BackupTargetError(
            f"{_OWNER} was written to {target.name}, and is not there.",
            remedy="The target loses what it is given: choose another one.",
        )
    return found


def _is_empty(paths: Paths) -> bool:
    inventory = take_inventory(paths)
    return not inventory.candidates and not inventory.faults


def _encode(name: str) -> bytes:
    return json.dumps({"format": _FORMAT, "deployment": name}, ensure_ascii=False).encode() + b"\n"
