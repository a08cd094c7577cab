"""The key of a journal line begins with its numbers.

The same columns, so the same proof that no line is stored twice. In the order of `0001` PostgreSQL compared
four equal values, two of them texts, before it came to the frame, for each step through the index of each
row; now it compares one.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

_TABLES = ("scalp_trades", "swing_snapshots", "market_events", "gaps")


def upgrade() -> None:
    """Replaces the keys, and builds those of the days that are there."""
    for table in _TABLES:
        op.execute(
            f"ALTER TABLE observer.{table} DROP CONSTRAINT {table}_pkey,"
            " ADD PRIMARY KEY (epoch, frame, record, shard, provider, trading_day)"
        )
