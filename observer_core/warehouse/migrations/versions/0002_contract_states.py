"""The states of the execution contracts, and since when each has held."""

from alembic import op

revision = "0002"
down_revision = "0001"

_TABLE = """
    CREATE TABLE observer.contract_states (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        source text NOT NULL,
        rule text NOT NULL,
        contract text NOT NULL,
        severity text NOT NULL,
        object text NOT NULL,
        expected text NOT NULL,
        status text NOT NULL,
        observed text NOT NULL,
        remedy text NOT NULL,
        since timestamptz NOT NULL,
        seen timestamptz NOT NULL,
        ended timestamptz
    )
"""

# A fact has one present state. It is found by a digest: object and expectation may be long texts.
_INDEXES = (
    """
    CREATE UNIQUE INDEX contract_states_present ON observer.contract_states
        (source, rule, md5(object), md5(expected)) WHERE ended IS NULL
    """,
    "CREATE INDEX contract_states_history ON observer.contract_states (rule, since)",
)


def upgrade() -> None:
    """Makes the table and its indexes."""
    for statement in (_TABLE, *_INDEXES):
        op.execute(statement)
