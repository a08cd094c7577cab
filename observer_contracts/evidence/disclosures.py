"""Secrets that a file gives away, told by the kind of the file and never by how random a value looks.

Invariant: a disclosure names kind, line and key names; no value is kept, copied or shown.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from observer_contracts.evidence.encoding import decode
from observer_contracts.evidence.hidden import may_be_secret
from observer_contracts.evidence.kustomize import documents_in
from observer_contracts.evidence.literals import Literal, literals, literals_of, secret_names
from observer_contracts.evidence.objects import items_at, mapping_at, text_at
from observer_contracts.evidence.yaml_documents import Fields, read_documents
from observer_core.errors import InputError

_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:\s|\\n|\\r|[\"'+,]|[A-Za-z-]{1,40}: [^\n\\]{0,200}(?:\n|\\n)){0,40}[A-Za-z0-9+/=]{32,}"
)
_KEY_STORES = (".p12", ".pfx", ".jks", ".keystore", ".ppk")
_PLACEHOLDER = re.compile(
    r"\s*|<.*>|\$\{.*\}|\$\(.*\)|\{\{.*\}\}"
    r"|(?i:change[-_ ]?me|replace[-_ ]?me|example|placeholder|todo|tbd|your[-_ ].*|x{3,}|\*{3,}|\.{3}|…)"
)
_EXAMPLE = re.compile(r"(^|[._-])(example|sample|template|dist|tmpl)([._-]|$)", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=(.*)")
_STRUCTURED = (
    ".yaml",
    ".yml",
    ".json",
    ".conf",
    ".config",
    ".kubeconfig",
    ".txt",
    ".bak",
    ".orig",
    ".old",
    ".dec",
    "",
)
_TEMPLATED_SECRET = re.compile(r"^\s*[\"']?kind[\"']?\s*:\s*[\"']?Secret[\"']?\s*,?\s*$", re.MULTILINE)
_TEMPLATED_DATA = re.compile(r"^\s*[\"']?(?:data|stringData)[\"']?\s*:", re.MULTILINE)
_MARKDOWN = (".md", ".markdown")
_FENCE = re.compile(
    r"^[ >]*```[ ]*(?:ya?ml|json)[^\n]*\n(.*?)^[ >]*```", re.MULTILINE | re.DOTALL | re.IGNORECASE
)
_WORDS = ("Secret", "secretGenerator", "users", "auths")
_CREDENTIALS = ("client-key-data", "token", "password", "id-token", "refresh-token")


class DisclosureKind(StrEnum):
    """What gives the secret away."""

    SECRET = "plaintext Secret"
    KUBECONFIG = "kubeconfig with credentials"
    PRIVATE_KEY = "private key"
    KEY_STORE = "key store"
    ENVIRONMENT_FILE = ".env file"
    GENERATOR = "secretGenerator with literals"
    REGISTRY = "registry credentials"
    LITERAL = "value of a declared secret"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A place where a secret stands in the clear.

    Attributes:
        file: The path in the repository.
        keys: Names of the values; never the values.
        placeholder: Whether every value is plainly a stand-in.
        commit: The commit that brought it, for the history.
        day: The day of that commit.
    """

    kind: DisclosureKind
    file: str
    line: int
    keys: tuple[str, ...] = ()
    placeholder: bool = False
    commit: str = ""
    day: str = ""

    def at(self, commit: str, day: str) -> Disclosure:
        """Returns the same disclosure with the commit that brought it."""
        return replace(self, commit=commit, day=day)


def disclosures(path: str, content: bytes) -> Iterator[Disclosure]:
    """Yields the secrets that a file gives away."""
    name = PurePosixPath(path).name
    if name.lower().endswith(_KEY_STORES) and content:
        yield Disclosure(DisclosureKind.KEY_STORE, path, 1)
        return
    try:
        text = decode(content, path)
    except InputError:
        return
    for match in _PRIVATE_KEY.finditer(text):
        yield Disclosure(DisclosureKind.PRIVATE_KEY, path, text.count("\n", 0, match.start()) + 1)
    yield from _environment_file(path, name, text)
    yield from _literals(path, list(literals(path, text, _stand_in)))
    if PurePosixPath(path).suffix.lower() in _MARKDOWN:
        yield from _fenced(path, text)
    if PurePosixPath(path).suffix.lower() in _STRUCTURED and not name.startswith(".env"):
        yield from _structured(path, text)


def _environment_file(path: str, name: str, text: str) -> Iterator[Disclosure]:
    exact = name == ".env" or name.startswith(".env.") or name == ".envrc"
    if not (exact or name.endswith(".env")) or _EXAMPLE.search(name.removeprefix(".")):
        return
    filled = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _ASSIGNMENT.match(line)
        if match and not _stand_in(match[2].strip().strip("\"'")) and (exact or may_be_secret(match[1])):
            filled.append((number, match[1]))
    if filled:
        yield Disclosure(
            DisclosureKind.ENVIRONMENT_FILE, path, filled[0][0], tuple(name for _, name in filled)
        )


def _literals(path: str, found: list[Literal]) -> Iterator[Disclosure]:
    if found:
        names = tuple(dict.fromkeys(name for _, name in found))
        yield Disclosure(DisclosureKind.LITERAL, path, found[0][0], names)


def _fenced(path: str, text: str) -> Iterator[Disclosure]:
    """A manifest that a document shows between fences; an example with stand-ins only discloses nothing."""
    for match in _FENCE.finditer(text):
        before = text.count("\n", 0, match.start(1))
        for found in _structured(path, textwrap.dedent(match[1])):
            if not found.placeholder:
                yield replace(found, line=found.line + before)


def _stand_in(value: object) -> bool:
    return value is None or bool(_PLACEHOLDER.fullmatch(str(value)))


def _structured(path: str, text: str) -> Iterator[Disclosure]:
    if not any(word in text for word in (*_WORDS, *secret_names())):
        return
    try:
        documents = list(read_documents(text, path))
    except InputError:
        yield from _templated(path, text)
        return
    for document in documents:
        for found in documents_in(document):
            yield from _document(path, found)


def _templated(path: str, text: str) -> Iterator[Disclosure]:
    """A Secret in a file that is no YAML of its own, such as a chart's template or half a file."""
    for match in _TEMPLATED_SECRET.finditer(text):
        if _TEMPLATED_DATA.search(text):
            yield Disclosure(DisclosureKind.SECRET, path, text.count("\n", 0, match.start()) + 1)


def _document(path: str, found: Fields) -> Iterator[Disclosure]:
    kind = text_at(found, "kind")
    if kind == "Secret":
        yield from _secret(path, found)
    elif kind == "Config" or ("users" in found and "clusters" in found):
        yield from _kubeconfig(path, found)
    if "auths" in found:
        yield from _registry(path, found)
    for _, generator in items_at(found, "secretGenerator"):
        yield from _generator(path, generator)
    if kind != "Secret":
        yield from _literals(path, list(literals_of(found, _stand_in)))


def _secret(path: str, found: Fields) -> Iterator[Disclosure]:
    blocks = [block for block in ("data", "stringData") if mapping_at(found, block)]
    values = {key: value for block in blocks for key, value in mapping_at(found, block).items()}
    if any(value not in (None, "") for value in values.values()):
        placeholder = all(_stand_in(value) for value in values.values())
        yield Disclosure(DisclosureKind.SECRET, path, found.lines[blocks[0]], tuple(values), placeholder)


def _kubeconfig(path: str, found: Fields) -> Iterator[Disclosure]:
    for _, user in items_at(found, "users"):
        inner: Any = mapping_at(user, "user")
        provider = mapping_at(inner, "auth-provider", "config")
        keys = tuple(
            key for block in (inner, provider) for key in _CREDENTIALS if not _stand_in(block.get(key))
        )
        if keys:
            yield Disclosure(DisclosureKind.KUBECONFIG, path, user.line, keys)


def _registry(path: str, found: Fields) -> Iterator[Disclosure]:
    for host, entry in mapping_at(found, "auths").items():
        keys = tuple(
            key
            for key in ("auth", "password", "identitytoken")
            if not _stand_in(mapping_at({"e": entry}, "e").get(key))
        )
        if keys:
            yield Disclosure(DisclosureKind.REGISTRY, path, found.lines["auths"], (str(host),))


def _generator(path: str, generator: Fields) -> Iterator[Disclosure]:
    literals = generator.get("literals")
    pairs = [str(literal).partition("=") for literal in literals] if isinstance(literals, list) else []
    filled = tuple(key for key, _, value in pairs if not _stand_in(value))
    if filled:
        yield Disclosure(DisclosureKind.GENERATOR, path, generator.lines["literals"], filled)
