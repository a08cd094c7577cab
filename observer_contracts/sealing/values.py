"""The values to seal: where they come from, and which of them are refused.

Invariant: a value never appears in a message; messages name keys only.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.kustomize import read_text
from observer_contracts.evidence.objects import text_at
from observer_contracts.evidence.yaml_documents import Fields, read_documents
from observer_contracts.sealing.entries import Entry, entries
from observer_core.errors import ConfigurationError, InputError
from observer_core.settings.placeholders import is_placeholder

Values = dict[str, str]

_LINE = re.compile(r"(?:export\s+)?([-._A-Za-z0-9]+)=(.*)")
_COPY = re.compile(r"\$\{([-._A-Za-z0-9]+)\}")


def read_values(path: Path, declaration: Declaration) -> Values:
    """Reads values from a file of lines `KEY=value`, or from the manifest of a Secret.

    Raises:
        InputError: The file cannot be read, has another shape, or lies where it could be committed.
        ConfigurationError: The manifest is one of another Secret or namespace.
    """
    _refuse_repository(path)
    text = read_text(path)
    if re.search(r"^kind:\s*Secret\s*$", text, re.MULTILINE):
        return _from_manifest(text, path, declaration)
    values: Values = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise InputError(f"{path}:{number} is no line KEY=value.", remedy="Write one key a line.")
        if match[1] in values:
            raise InputError(f"{path}:{number}: {match[1]} stands twice.", remedy="Keep one line for it.")
        values[match[1]] = _unquoted(match[2])
    return values


def _refuse_repository(path: Path) -> None:
    """A file of plain values below a repository is one `git add .` away from everybody (CF-3)."""
    inside = next((parent for parent in path.resolve().parents if (parent / ".git").exists()), None)
    if inside is not None:
        raise InputError(
            f"{path} holds plain values and lies in the repository {inside}.",
            remedy="Move it out of the repository, for example to /dev/shm, and seal it from there.",
        )


def _unquoted(text: str) -> str:
    quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text


def _from_manifest(text: str, path: Path, declaration: Declaration) -> Values:
    documents = [found for found in read_documents(text, str(path)) if isinstance(found, Fields)]
    if len(documents) != 1:
        raise InputError(
            f"{path} holds {len(documents)} objects where one Secret is expected.",
            remedy="See `observer secrets template --format manifest`.",
        )
    secret, fact = documents[0], declaration.secret
    for field, wanted in (("name", fact.name), ("namespace", declaration.namespace)):
        found = text_at(secret, "metadata", field)
        if found != wanted:
            raise ConfigurationError(
                f"{path}: metadata.{field} is {found or 'not set'}, and the contract says {wanted}. A sealed "
                "value opens under the name and namespace that it was sealed for, and nowhere else.",
                remedy="Correct the manifest, or name the other deployment's contracts.yaml with --config.",
            )
    values: Values = {}
    for key, encoded in (secret.get("data") or {}).items():
        try:
            values[key] = base64.b64decode(str(encoded), validate=True).decode()
        except (binascii.Error, ValueError):
            raise InputError(f"{path}: data.{key} is not base64.", remedy="Use stringData.") from None
    return values | {key: "" if value is None else str(value) for key, value in
                     (secret.get("stringData") or {}).items()}  # fmt: skip


def values_from_environment(environment: Mapping[str, str], declaration: Declaration) -> Values:
    """Takes the declared keys from the environment; a name with a dash in capitals with underscores."""
    found = {}
    for entry in entries(declaration):
        for name in (entry.key, entry.key.upper().replace("-", "_")):
            if name in environment:
                found[entry.key] = environment[name]
                break
    return _with_known(found, declaration)


def ask_values(ask: Callable[[str], str], declaration: Declaration) -> Values:
    """Asks a person for every value that neither the contract nor another key tells.

    Args:
        ask: Shows a question and returns the answer without echoing it.
        declaration: What the deployment must be.
    """
    found = {}
    for entry in entries(declaration):
        if not entry.known:
            optional = "" if entry.required else ", optional: Enter leaves it out"
            answer = ask(f"{entry.key} ({entry.purpose}{optional}): ")
            if answer or entry.required:
                found[entry.key] = answer
    return _with_known(found, declaration)


def _with_known(found: Values, declaration: Declaration) -> Values:
    return {entry.key: entry.placeholder for entry in entries(declaration) if entry.known} | found


def checked(values: Values, declaration: Declaration) -> Values:
    """Resolves copies, and returns the values if all of them may be sealed.

    Raises:
        InputError: Keys are missing or unknown, or a value is empty, a placeholder, or contradicts the
            contract; every problem is named, no value is.
    """
    known = {entry.key: entry for entry in entries(declaration)}
    resolved = {key: _resolved(value, values) for key, value in values.items()}
    problems = [f"{key} is missing" for key, entry in known.items() if entry.required and key not in values]
    problems += [f"{key} is no key of {declaration.secret.name}" for key in values if key not in known]
    for key, value in resolved.items():
        if key in known:
            problems += [f"{key} {problem}" for problem in _problems(known[key], value)]
    problems += _contradictions(resolved)
    if problems:
        raise InputError(
            f"{declaration.namespace}/{declaration.secret.name} cannot be sealed: {'; '.join(problems)}.",
            remedy="Correct the keys that are named; `observer secrets template` lists them all.",
        )
    return {key: resolved[key] for key in known if key in resolved}


def _resolved(value: str, values: Values) -> str:
    match = _COPY.fullmatch(value)
    return values.get(match[1], value) if match else value


def _problems(entry: Entry, value: str) -> list[str]:
    if not value.strip():
        return ["is empty"]
    found = []
    # The names of role and database are no secrets and may well be such a word.
    if not entry.fixed and is_placeholder(value):
        found.append("is a placeholder")
    if value != value.strip() or any(ord(character) < ord(" ") for character in value):
        found.append("begins or ends with a blank, or has a line end")
    if entry.fixed and value != entry.fixed:
        found.append(f"must be {entry.fixed}, as the contract says")
    return found


def _contradictions(values: Values) -> list[str]:
    """One role has one password, whichever of its names is asked."""
    pairs = (("POSTGRES_USER", "POSTGRES_PASSWORD"), ("PGUSER", "PGPASSWORD"))
    return [
        f"{password} differs from DB_PASSWORD although {user} is DB_USER"
        for user, password in pairs
        if {user, password, "DB_USER", "DB_PASSWORD"} <= set(values)
        and values[user] == values["DB_USER"]
        and values[password] != values["DB_PASSWORD"]
    ]
