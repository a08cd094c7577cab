"""The first tables: partitioned by trading day, with the ledger of what was loaded."""

from alembic import op

revision = "0001"
down_revision = None

# Written out and not derived from the declarations: a later change of those must not change what this
# version once did. A test compares the migrated database with the declarations.
_TABLES = (
    """
    CREATE TABLE observer.scalp_trades (
        trading_day date NOT NULL,
        symbol text,
        venue text,
        time timestamptz,
        price bigint,
        change_sign text,
        change bigint,
        change_rate double precision,
        weighted_average_price double precision,
        open_price bigint,
        high_price bigint,
        low_price bigint,
        ask_price_1 bigint,
        bid_price_1 bigint,
        volume bigint,
        cumulative_volume bigint,
        cumulative_value bigint,
        cumulative_sell_count bigint,
        cumulative_buy_count bigint,
        cumulative_net_buy_count bigint,
        trade_strength double precision,
        cumulative_sell_volume bigint,
        cumulative_buy_volume bigint,
        side text,
        buy_ratio double precision,
        volume_to_previous_day_rate double precision,
        open_time timestamptz,
        change_from_open_sign text,
        change_from_open bigint,
        high_time timestamptz,
        change_from_high_sign text,
        change_from_high bigint,
        low_time timestamptz,
        change_from_low_sign text,
        change_from_low bigint,
        business_date date,
        operation_class text,
        halted boolean,
        ask_quantity_1 bigint,
        bid_quantity_1 bigint,
        total_ask_quantity bigint,
        total_bid_quantity bigint,
        turnover_rate double precision,
        previous_day_same_time_volume bigint,
        previous_day_same_time_volume_rate double precision,
        time_class text,
        random_end_code text,
        vi_reference_price bigint,
        market_session text,
        extra text[],
        unparsed text[],
        provider text NOT NULL,
        shard text NOT NULL,
        epoch bigint NOT NULL,
        frame bigint NOT NULL,
        record bigint NOT NULL,
        received_at timestamptz,
        segment text,
        PRIMARY KEY (trading_day, provider, shard, epoch, frame, record)
    ) PARTITION BY RANGE (trading_day)
    """,
    """
    CREATE TABLE observer.swing_snapshots (
        trading_day date NOT NULL,
        symbol text,
        market_name text,
        market_measure text,
        time_class text,
        name text,
        price bigint,
        change bigint,
        change_sign text,
        change_rate double precision,
        cumulative_volume bigint,
        open_price bigint,
        high_price bigint,
        low_price bigint,
        lower_limit_price bigint,
        upper_limit_price bigint,
        ask_price_1 bigint,
        bid_price_1 bigint,
        ask_quantity_1 bigint,
        bid_quantity_1 bigint,
        total_ask_quantity bigint,
        total_bid_quantity bigint,
        cumulative_value bigint,
        previous_close bigint,
        high_to_open_rate double precision,
        expected_change bigint,
        expected_change_sign text,
        expected_change_rate double precision,
        expected_volume bigint,
        base_price bigint,
        extra text[],
        unparsed text[],
        provider text NOT NULL,
        shard text NOT NULL,
        epoch bigint NOT NULL,
        frame bigint NOT NULL,
        record bigint NOT NULL,
        received_at timestamptz,
        segment text,
        PRIMARY KEY (trading_day, provider, shard, epoch, frame, record)
    ) PARTITION BY RANGE (trading_day)
    """,
    """
    CREATE TABLE observer.market_events (
        trading_day date NOT NULL,
        symbol text,
        venue text,
        halted boolean,
        halt_reason text,
        operation_code text,
        expected_operation_code text,
        random_end_code text,
        allocation_code text,
        status_code text,
        vi_active boolean,
        off_hours_vi_active boolean,
        exchange_code text,
        extra text[],
        unparsed text[],
        provider text NOT NULL,
        shard text NOT NULL,
        epoch bigint NOT NULL,
        frame bigint NOT NULL,
        record bigint NOT NULL,
        received_at timestamptz,
        segment text,
        PRIMARY KEY (trading_day, provider, shard, epoch, frame, record)
    ) PARTITION BY RANGE (trading_day)
    """,
    """
    CREATE TABLE observer.gaps (
        trading_day date NOT NULL,
        symbol text,
        kind text,
        channel text,
        started_at timestamptz,
        ended_at timestamptz,
        phase text,
        cause text,
        from_cumulative_volume bigint,
        to_cumulative_volume bigint,
        missing_volume bigint,
        missing_value bigint,
        missing_trades bigint,
        missing_sell_trades bigint,
        missing_buy_trades bigint,
        missing_sell_volume bigint,
        missing_buy_volume bigint,
        details text,
        provider text NOT NULL,
        shard text NOT NULL,
        epoch bigint NOT NULL,
        frame bigint NOT NULL,
        record bigint NOT NULL,
        received_at timestamptz,
        segment text,
        PRIMARY KEY (trading_day, provider, shard, epoch, frame, record)
    ) PARTITION BY RANGE (trading_day)
    """,
    """
    CREATE TABLE observer.bars_1m (
        trading_day date NOT NULL,
        symbol text NOT NULL,
        venue text NOT NULL,
        minute timestamptz NOT NULL,
        session text NOT NULL,
        open_price bigint,
        high_price bigint,
        low_price bigint,
        close_price bigint,
        volume bigint,
        value bigint,
        vwap double precision,
        trade_count bigint,
        buy_volume bigint,
        sell_volume bigint,
        PRIMARY KEY (trading_day, symbol, venue, minute, session)
    ) PARTITION BY RANGE (trading_day)
    """,
    """
    CREATE TABLE observer.universe (
        trading_day date NOT NULL,
        symbol text NOT NULL,
        name text,
        market text,
        base_price bigint,
        previous_volume bigint,
        symbols_date date,
        source text,
        PRIMARY KEY (trading_day, symbol)
    ) PARTITION BY RANGE (trading_day)
    """,
    """
    CREATE TABLE observer.loaded_segments (
        table_name text NOT NULL,
        trading_day date NOT NULL,
        segment text NOT NULL,
        sha256 text NOT NULL,
        rows bigint NOT NULL,
        loaded_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (table_name, trading_day, segment)
    )
    """,
)

# What is asked first: the tape of a symbol, its last price, its bars.
_INDEXES = (
    "CREATE INDEX scalp_trades_symbol_time ON observer.scalp_trades (symbol, time)",
    "CREATE INDEX scalp_trades_received ON observer.scalp_trades USING brin (received_at)",
    "CREATE INDEX swing_snapshots_received ON observer.swing_snapshots USING brin (received_at)",
    "CREATE INDEX swing_snapshots_symbol_received ON observer.swing_snapshots (symbol, received_at)",
    "CREATE INDEX market_events_symbol_received ON observer.market_events (symbol, received_at)",
    "CREATE INDEX gaps_symbol_started ON observer.gaps (symbol, started_at)",
)


def upgrade() -> None:
    """Makes the tables and their indexes."""
    for statement in (*_TABLES, *_INDEXES):
        op.execute(statement)
