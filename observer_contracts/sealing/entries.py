"""What belongs into the Secret: every key of the declaration, with what to put there.

Invariant: the keys are those of the declaration, each once; this module adds what a person must know to
fill them in, and a key that it knows nothing about is listed all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from observer_contracts.declaration.build import KIWOOM_KEYS
from observer_contracts.declaration.facts import Declaration
from observer_core.settings import variables
from observer_core.settings.all_groups import GROUPS

# One role owns the database: the copies that the server's image, libpq and Dagster read refer to it.
_COPIES = {
    "POSTGRES_USER": "DB_USER",
    "POSTGRES_PASSWORD": "DB_PASSWORD",
    "PGUSER": "DB_USER",
    "PGPASSWORD": "DB_PASSWORD",
    "postgresql-password": "DB_PASSWORD",
}
_PURPOSES = {
    "POSTGRES_USER": "role that the server's image makes on an empty volume",
    "POSTGRES_PASSWORD": "its password",
    "POSTGRES_DB": "database that the image makes; without it the image takes POSTGRES_USER",
    "PGHOST": "Service of the database, for psql and pg_dump",
    "PGPORT": "its port",
    "PGDATABASE": "its database",
    "PGUSER": "role for psql and pg_dump",
    "PGPASSWORD": "its password",
    "postgresql-password": "password of Dagster's storage, under the name that the Helm chart asks for",
    **dict.fromkeys(KIWOOM_KEYS, "second broker; leave it out where there is no account"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the Secret.

    Attributes:
        key: The key.
        purpose: What it is for, for people.
        required: Whether the collector or the database needs it.
        fixed: The one value that fits, where the contract knows it.
        copy_of: The key whose value it repeats, where it is a copy.
    """

    key: str
    purpose: str
    required: bool
    fixed: str = ""
    copy_of: str = ""

    @property
    def known(self) -> bool:
        """Whether nobody has to fill it in."""
        return bool(self.fixed or self.copy_of)

    @property
    def usual(self) -> bool:
        """Whether it stands in every Secret that is made: it is needed, or costs nobody a thought."""
        return self.required or self.known

    @property
    def placeholder(self) -> str:
        """What a template says instead of a value: the value itself, a reference, or what nobody may seal."""
        return self.fixed or (f"${{{self.copy_of}}}" if self.copy_of else f"<{self.key}>")


def entries(declaration: Declaration) -> tuple[Entry, ...]:
    """Returns every key of the declared Secret, those that are needed first."""
    described = {variable.name: variable.description for variable in variables(*GROUPS)}
    database = declaration.database
    fixed = {
        # Dagster's chart has the same name in helm-values/, and reads it from no Secret (HLM-008).
        "DB_USER": database.user,
        "POSTGRES_DB": database.name,
        "PGHOST": database.host,
        "PGPORT": str(database.port),
        "PGDATABASE": database.name,
    }
    secret = declaration.secret
    return tuple(
        Entry(
            key,
            _PURPOSES.get(key) or described.get(key, "").rstrip(".") or "see docs/contracts.md",
            required=key in secret.keys,
            fixed=fixed.get(key, ""),
            copy_of=_COPIES.get(key, ""),
        )
        for key in (*secret.keys, *secret.optional_keys)
    )
