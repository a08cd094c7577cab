"""What documents and scripts say about a deployment.

Invariant: a claim names file and line; the value of a key in a command is not kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

_PATH = re.compile(r"(?<![\w./:~$}>*-])/[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_.-]+)+")
_ASSIGNMENT = re.compile(r"(?<![\w$-])([A-Z][A-Z0-9_]{2,})[`\"']?\s*(?:=|:|\|)\s*[`\"']?([^\s\"'`,;|)\]]+)")
_CONTINUED = re.compile(r"[\\`^]\s*$")
_CREATE_SECRET = re.compile(r"\bcreate\s+secret\s+generic\s+([\"']?)([A-Za-z0-9<${][\w.<>${}-]*)\1")
_LITERAL = re.compile(r"--from-(?:literal|file)(?:=|\s+)[\"']?([A-Za-z_][A-Za-z0-9_.-]*)=")
_FROM_FILE = re.compile(r"--from-env-file|--from-file(?:=|\s+)[\"']?[^\s=]+(?:\s|$)")
_NAMED_SECRET = re.compile(
    r"\b(?:get|describe|delete|edit|patch)\s+secrets?[ /]([a-z0-9][a-z0-9.-]*)"
    r"|secretName:\s*([a-z0-9][a-z0-9.-]*)"
)
_NAMESPACE = re.compile(r"(?:\s-n[ =]|--namespace[ =])([a-z0-9][a-z0-9-]*)")
_FORWARD = re.compile(r"port-forward\s.*?\b(?:svc|service|deploy|deployment)/([a-z0-9-]+)\s+(?:\d+)?:?(\d+)")
_PROBE = re.compile(
    r"(?<![\w.])(?:localhost|127\.0\.0\.1|[a-z0-9.-]{0,60}observer[a-z0-9.-]{0,60}):(\d{2,5})/(?:health|ready|metrics|status)\b"
)
_OBJECT = re.compile(
    r"\b(?:deployments?|deploy|statefulsets?|sts|pvc|persistentvolumeclaims?|configmaps?|cm|services?|svc)"
    r"(?:\.apps)?[ /]([a-z0-9][a-z0-9.-]*)"
)
_ADDRESS = re.compile(r"(?<![\w./@-])([a-z][a-z0-9.-]*):(\d{4,5})(?![\w.])")
_DATABASE_CLIENT = re.compile(r"\b(?:psql|pg_dump|pg_restore|pg_isready|createdb)\s.*")
_HOST_OPTION = re.compile(r"\s(?:-h\s*|--host[= ])([a-z0-9][a-z0-9.-]*)")
_PORT_OPTION = re.compile(r"\s(?:-p\s*|--port[= ])(\d+)")
_SECRET_START = re.compile(r"^\s*kind:\s*Secret\s*$")
_LONGEST_LINE = 2000
_MOST_CONTINUED = 60


class Subject(StrEnum):
    """What a claim is about."""

    PATH = "path"
    VARIABLE = "variable"
    SECRET = "secret"
    NAMESPACE = "namespace"
    PORT = "port"
    OBJECT = "object"
    DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of a document.

    Attributes:
        name: The variable or Service that it is about; empty for a path or a name.
        value: What the document says.
        mounting: Whether the line speaks of a mount.
    """

    subject: Subject
    name: str
    value: str
    file: str
    line: int
    mounting: bool = False


@dataclass(frozen=True, slots=True)
class SecretCommand:
    """A command or manifest in a document that makes a Secret.

    Attributes:
        name: The Secret.
        keys: The keys that it gets.
        open_ended: Whether it also takes keys from a file, which cannot be seen.
    """

    name: str
    keys: tuple[str, ...]
    open_ended: bool
    file: str
    line: int


def claims(file: str, text: str) -> Iterator[Claim]:
    """Yields the statements of a document about paths, variables, names and ports."""
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > _LONGEST_LINE:
            continue
        mounting = "mountPath" in line or "volumeMount" in line
        for match in _PATH.finditer(line):
            yield Claim(Subject.PATH, "", match[0].rstrip(".").rstrip("/"), file, number, mounting)
        for match in _ASSIGNMENT.finditer(line):
            yield Claim(Subject.VARIABLE, match[1], match[2].rstrip("."), file, number)
        for match in _NAMED_SECRET.finditer(line):
            yield Claim(Subject.SECRET, "", match[1] or match[2], file, number)
        for match in _OBJECT.finditer(line) if "kubectl" in line else ():
            yield Claim(Subject.OBJECT, "", match[1].rstrip("."), file, number)
        yield from _databases(file, number, line)
        for match in _NAMESPACE.finditer(line) if "kubectl" in line else ():
            yield Claim(Subject.NAMESPACE, "", match[1], file, number)
        for match in _FORWARD.finditer(line):
            yield Claim(Subject.PORT, match[1], match[2], file, number)
        for match in _PROBE.finditer(line):
            yield Claim(Subject.PORT, "", match[1], file, number)


def _databases(file: str, number: int, line: str) -> Iterator[Claim]:
    """Yields host and port of each address, and of each client of the database that is called."""
    for match in _ADDRESS.finditer(line):
        yield Claim(Subject.DATABASE, match[1], match[2], file, number)
    for client in _DATABASE_CLIENT.finditer(line):
        host, port = _HOST_OPTION.search(client[0]), _PORT_OPTION.search(client[0])
        if host:
            yield Claim(Subject.DATABASE, host[1], port[1] if port else "", file, number)


def secret_commands(file: str, text: str) -> Iterator[SecretCommand]:
    """Yields the commands of a document that make a Secret, continued lines joined."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        match = (
            _CREATE_SECRET.search(_joined(lines, number - 1))
            if "secret" in line and "create" in line
            else None
        )
        if match:
            command = _joined(lines, number - 1)
            keys = tuple(dict.fromkeys(_LITERAL.findall(command)))
            yield SecretCommand(match[2], keys, bool(_FROM_FILE.search(command)), file, number)
        elif _SECRET_START.match(line):
            made = _manifest(lines, number - 1, file)
            if made is not None:
                yield made


def _joined(lines: list[str], start: int) -> str:
    parts = []
    for line in lines[start : start + _MOST_CONTINUED]:
        parts.append(_CONTINUED.sub(" ", line[:_LONGEST_LINE]))
        if not _CONTINUED.search(line):
            break
    return " ".join(parts)


def _manifest(lines: list[str], start: int, file: str) -> SecretCommand | None:
    """Reads name and keys of a Secret that a document shows as a manifest."""
    name, keys, inside, indent = "", [], False, 0
    for line in lines[start : start + _MOST_CONTINUED]:
        words = line.strip()
        if words in ("---", "```", "EOF"):
            break
        depth = len(line) - len(line.lstrip())
        if words in ("stringData:", "data:"):
            inside, indent = True, depth
        elif inside and depth > indent and ":" in words and not words.startswith("#"):
            keys.append(words.partition(":")[0].strip("\"' "))
        elif words and depth <= indent:
            inside = False
        if words.startswith("name:") and not name:
            name = words.partition(":")[2].strip("\"' ")
    return SecretCommand(name, tuple(keys), False, file, start + 1) if name and keys else None
