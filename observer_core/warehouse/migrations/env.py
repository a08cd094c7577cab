"""How alembic reaches the database: always over the connection that `migrate` holds.

Invariant: there is no offline mode and no second way to the database; the caller's transaction makes
all versions of a run one step.
"""

from alembic import context

from observer_core.warehouse.tables import SCHEMA

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema=SCHEMA,
    transactional_ddl=True,
)
context.run_migrations()
