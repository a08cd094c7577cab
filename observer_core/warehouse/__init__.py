"""The warehouse: the tables that people and programs query, in PostgreSQL.

Invariant: it holds what the lake holds, of the tables in `WAREHOUSE_TABLES`; whatever it lacks can be
loaded again from the lake at any time, and loading twice changes nothing.

    connect, reachable      the server
    migrate, pending_steps  the schema `observer`
    prepare, readiness      the same, with rights and the partitions of the days to come
    load_table              one table of one trading day
    pending_loads           what the lake has and the warehouse has not
    row_counts, first_rows  what it holds of a day
    record_contract_states  what the execution contracts said, and since when
"""

from observer_core.warehouse.connection import connect, transaction
from observer_core.warehouse.contract_states import ContractState, record_contract_states
from observer_core.warehouse.loader import LoadResult, load_table, pending_loads, row_counts
from observer_core.warehouse.looking import first_rows
from observer_core.warehouse.migrate import migrate, pending_steps
from observer_core.warehouse.preparing import Prepared, Readiness, prepare, readiness
from observer_core.warehouse.roles import Access, Role
from observer_core.warehouse.tables import WAREHOUSE_TABLES, WarehouseTable

__all__ = [
    "WAREHOUSE_TABLES",
    "Access",
    "ContractState",
    "LoadResult",
    "Prepared",
    "Readiness",
    "Role",
    "WarehouseTable",
    "connect",
    "first_rows",
    "load_table",
    "migrate",
    "pending_loads",
    "pending_steps",
    "prepare",
    "readiness",
    "record_contract_states",
    "row_counts",
    "transaction",
]
