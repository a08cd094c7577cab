"""Looks at a container.

Invariant: nothing is judged here; what a value of the environment makes impossible to look at is
`Unseen`, and the rule about that value says why. Stray files are looked for before any folder is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.runtime import kernel
from observer_contracts.evidence.runtime.observations import (
    MOUNT_FILE,
    STATUS_FILE,
    Attempt,
    BrokerState,
    Contact,
    LockFile,
    MountPoint,
    Reach,
    Runtime,
    Session,
    Space,
    Strays,
    Variable,
    covers,
)
from observer_contracts.evidence.runtime.surroundings import Surroundings
from observer_contracts.evidence.seeing import Unseen
from observer_core.brokers.kis.endpoints import rest_url, websocket_url
from observer_core.errors import ConfigurationError
from observer_core.settings import DatabaseSettings, KisSettings, Paths, PathSettings

# File systems of the kernel itself, which hold no files of programs.
_KERNEL_KINDS = frozenset(
    {"proc", "sysfs", "cgroup", "cgroup2", "devpts", "devtmpfs", "mqueue", "securityfs", "debugfs", "tracefs",
     "bpf", "pstore", "configfs", "fusectl", "hugetlbfs", "binfmt_misc", "nsfs", "autofs", "efivarfs"}
)  # fmt: skip
# What every container of Kubernetes has writable, whatever its security context.
_LEFT_BY_KUBERNETES = ("/dev", "/proc", "/sys")
# Where programs write when nobody keeps them from it.
_TEMPTING = (
    "/", "/etc", "/home", "/opt", "/root", "/run", "/srv", "/usr", "/usr/local", "/var", "/var/log",
    "/var/tmp",  # noqa: S108 - it must be refused
)  # fmt: skip
_HTTPS = 443
_MOST_SHOWN = 50

_Seen = TypeVar("_Seen")


def read_runtime(declaration: Declaration, surroundings: Surroundings) -> Runtime:
    """Looks at the container that the surroundings stand for.

    Args:
        declaration: Which paths, ports and variables there are to look at.
        surroundings: The container.
    """
    environment = surroundings.environment
    mounts = _seen(lambda: kernel.read_mounts(surroundings.read_kernel(MOUNT_FILE)))
    strays = _strays(declaration, surroundings, mounts)
    with ThreadPoolExecutor(thread_name_prefix="contracts") as pool:
        contacts = pool.map(lambda target: surroundings.reach(*target), _targets(environment))
        database, session = _database(surroundings)
        return Runtime(
            pod=environment.get("POD_NAME") or surroundings.host_name,
            variables=_variables(declaration, environment),
            process=_seen(lambda: kernel.read_status(surroundings.read_kernel(STATUS_FILE))),
            mounts=mounts,
            spaces=_spaces(declaration, surroundings),
            attempts=_attempts(declaration, surroundings),
            elsewhere=tuple(_elsewhere(declaration, surroundings, mounts)),
            strays=strays,
            token_cache=surroundings.file_facts(str(_paths().token_cache)),
            locks=_locks(declaration, surroundings),
            database=database,
            session=session,
            probes={
                path: surroundings.ask(declaration.http.port, path)
                for path in (declaration.http.health, declaration.http.ready)
            },
            contacts=tuple(contacts),
            broker=_broker(surroundings),
        )


def _seen(look: Callable[[], _Seen]) -> _Seen | Unseen:
    try:
        return look()
    except OSError as error:
        return Unseen(f"{error.filename} cannot be read: {error.strerror}")
    except ValueError as error:
        return Unseen(str(error))


def _variables(declaration: Declaration, environment: Mapping[str, str]) -> dict[str, Variable]:
    public = declaration.declared_variables - declaration.secret_variables
    return {
        name: Variable(
            name,
            value if name in public else None,
            len(value.encode(errors="surrogateescape")),
            service_link=value.startswith(("tcp://", "udp://", "sctp://")),
        )
        for name, value in environment.items()
    }


def _paths() -> Paths:
    """Returns the declared layout, which is that of the programs' defaults."""
    return Paths(PathSettings())


def _own_folders(declaration: Declaration) -> list[str]:
    written = [fact.path for fact in declaration.paths if fact.writable]
    return [*written, *declaration.collector.temporary_folders]


def _spaces(declaration: Declaration, surroundings: Surroundings) -> dict[str, Space | Unseen]:
    paths = [fact.mount_path for fact in declaration.volumes_of(declaration.collector.name) if fact.writable]
    return {path: _seen(lambda path=path: surroundings.space(path)) for path in paths}  # type: ignore[misc]


def _attempts(declaration: Declaration, surroundings: Surroundings) -> dict[str, Attempt]:
    found = {
        fact.path: surroundings.try_writing(fact.path, declaration.path(fact.mount).path)
        for fact in declaration.paths
    }
    return found | {
        folder: surroundings.try_writing(folder, folder) for folder in declaration.collector.temporary_folders
    }


def _elsewhere(
    declaration: Declaration, surroundings: Surroundings, mounts: tuple[MountPoint, ...] | Unseen
) -> Iterable[Attempt]:
    own = [*_own_folders(declaration), *(fact.path for fact in declaration.paths)]
    above = [str(Path(fact.mount_path).parent) for fact in declaration.volumes_of(declaration.collector.name)]
    mounted = [] if isinstance(mounts, Unseen) else [found.path for found in mounts if _holds_files(found)]
    for folder in sorted({*_TEMPTING, *above, *surroundings.home_folders, *mounted}):
        allowed = any(covers(other, folder) for other in (*own, *_LEFT_BY_KUBERNETES))
        if not allowed and surroundings.is_folder(folder):
            yield surroundings.try_writing(folder, folder)


def _holds_files(mount: MountPoint) -> bool:
    return mount.kind not in _KERNEL_KINDS and not mount.read_only


def _strays(
    declaration: Declaration, surroundings: Surroundings, mounts: tuple[MountPoint, ...] | Unseen
) -> Strays | Unseen:
    """Looks below every mount that takes writes and is not declared; each mount is walked on its own."""
    if isinstance(mounts, Unseen):
        return mounts
    start = _seen(surroundings.started)
    if isinstance(start, Unseen):
        return start
    own = (*_own_folders(declaration), *_LEFT_BY_KUBERNETES)
    left_out = {*own, *(found.path for found in mounts)}
    found: list[str] = []
    number = looked_at = 0
    for mount in mounts:
        if not _holds_files(mount) or any(covers(folder, mount.path) for folder in own):
            continue
        if not surroundings.is_folder(mount.path):
            continue
        strays = surroundings.written_since(start, mount.path, left_out - {mount.path})
        if isinstance(strays, Unseen):
            return strays
        found += strays.found
        number, looked_at = number + strays.number, looked_at + strays.looked_at
    return Strays(tuple(sorted(found)[:_MOST_SHOWN]), number, looked_at)


def _locks(declaration: Declaration, surroundings: Surroundings) -> tuple[LockFile, ...] | Unseen:
    from observer_core.brokers.kis.endpoints import fingerprint_of  # noqa: PLC0415 - loads the logs

    own = ""
    with suppress(ConfigurationError):
        own = _paths().collector_lock(fingerprint_of(KisSettings.load(surroundings.environment))).name
    return surroundings.lock_files(Path(declaration.writer.lock), own)


def _database(surroundings: Surroundings) -> tuple[Contact | Unseen, Session | Unseen]:
    try:
        settings = DatabaseSettings.load(surroundings.environment)
    except ConfigurationError:
        unseen = Unseen("the program does not accept the DB_* variables")
        return unseen, unseen
    contact = surroundings.reach("database", settings.host, settings.port)
    if contact.reach is not Reach.REACHED:
        return contact, Unseen(f"{settings.host}:{settings.port}: {contact.reach} (DB-001, DB-002)")
    return contact, surroundings.open_session(settings)


def _targets(environment: Mapping[str, str]) -> list[tuple[str, str, int]]:
    """Returns purpose, host and port of what this container needs outside of the cluster."""
    try:
        settings = KisSettings.load(environment)
    except ConfigurationError:
        return []
    targets = []
    for purpose, address in (
        ("broker REST", rest_url(settings)),
        ("broker feed", websocket_url(settings)),
        ("master files", settings.master_url),
    ):
        parts = urlsplit(address)
        targets.append((purpose, parts.hostname or "", parts.port or _HTTPS))
    return targets


def _broker(surroundings: Surroundings) -> BrokerState | Unseen:
    try:
        settings = KisSettings.load(surroundings.environment)
    except ConfigurationError:
        return Unseen("the program does not accept the KIS_* variables (ENV-005)")
    return surroundings.broker_state(settings, _paths().token_cache)
