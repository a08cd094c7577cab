"""Templates to fill in: as an environment file, or as the manifest of a Secret.

Invariant: a template has every key of the declaration, and `seal` refuses it as it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from observer_contracts.declaration.facts import Declaration
from observer_contracts.sealing.entries import Entry, entries

_WARNING = (
    "Fill it in OUTSIDE of the repository, seal it, then delete it:",
    "  observer secrets seal --cert FILE --values THIS_FILE --output SEALED_FILE",
    "${NAME} repeats another value. What stands in <> must be replaced; an optional line may be removed.",
)


def environment_template(declaration: Declaration) -> str:
    """Returns the template as lines `KEY=value`."""
    lines = [f"# {declaration.namespace}/{declaration.secret.name}", *(f"# {line}" for line in _WARNING)]
    for entry in entries(declaration):
        lines += ["", f"# {_comment(entry)}"]
        lines += [f"{'' if entry.usual else '# '}{entry.key}={entry.placeholder}"]
    return "\n".join(lines) + "\n"


def manifest_template(declaration: Declaration) -> str:
    """Returns the template as a Secret of Kubernetes with plain values."""
    secret = declaration.secret
    return "\n".join([
        *(f"# {line}" for line in _WARNING),
        "apiVersion: v1",
        "kind: Secret",
        "metadata:",
        f"  name: {secret.name}",
        f"  namespace: {declaration.namespace}",
        f"type: {secret.type}",
        "stringData:",
        *_manifest_lines(entries(declaration)),
    ]) + "\n"  # fmt: skip


def _manifest_lines(found: Sequence[Entry]) -> Iterator[str]:
    for entry in found:
        yield f"  # {_comment(entry)}"
        yield f'  {"" if entry.usual else "# "}{entry.key}: "{entry.placeholder}"'


def _comment(entry: Entry) -> str:
    return entry.purpose if entry.usual else f"optional: {entry.purpose}"
