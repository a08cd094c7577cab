"""`observer up`: the local stack in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from observer.stack.layout import StackFolder
from observer.stack.lock import StackLock
from observer.stack.reset import empty
from observer.stack.up import is_simulated, run_up
from observer_core.errors import ConfigurationError
from observer_core.settings import StackSettings

# What the real broker sent must never be mixed with what was simulated.
_SIMULATED, _REAL = "up", "live"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the sub-command; its options stand for the OBSERVER_UP_* variables of the same name."""
    parser = subparsers.add_parser(
        "up",
        help="start the local stack in the foreground",
        description="Starts PostgreSQL, the simulated broker, the collector and Dagster, and shows them "
        "until Ctrl-C; the next start continues where this one stopped. With KIS_APP_KEY and KIS_APP_SECRET "
        "set it runs against the real broker, on the real clock. With DB_HOST set it uses that PostgreSQL.",
    )
    parser.add_argument("--speed", help="virtual seconds per real second (OBSERVER_UP_SPEED, 20)")
    parser.add_argument("--start", help="first Korean time, YYYY-MM-DDTHH:MM (OBSERVER_UP_START)")
    parser.add_argument("--dagster-port", help="port of the Dagster UI (OBSERVER_UP_DAGSTER_PORT, 3000)")
    parser.add_argument("--collector-port", help="port of the collector (SERVICE_PORT, 8000)")
    parser.add_argument("--folder", type=Path, help="folder of the stack (default: var/up, var/live)")
    parser.add_argument("--reset", action="store_true", help="empty the folder first and begin anew")


def run(arguments: argparse.Namespace) -> int:
    """Runs the stack."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # text, as the interpreter opens it
    machine = dict(os.environ) | {
        variable: value
        for variable, value in (
            ("OBSERVER_UP_SPEED", arguments.speed),
            ("OBSERVER_UP_START", arguments.start),
            ("OBSERVER_UP_DAGSTER_PORT", arguments.dagster_port),
            ("SERVICE_PORT", arguments.collector_port),
        )
        if value is not None
    }
    simulated = is_simulated(machine)
    folder = StackFolder.named(_SIMULATED if simulated else _REAL, arguments.folder)
    folder.refuse_foreign()
    with StackLock(folder.lock) as lock:
        if arguments.reset:
            if not simulated or machine.get("DB_HOST"):
                raise ConfigurationError(
                    "--reset is for the simulated broker with the project's own PostgreSQL only.",
                    remedy=f"Unset KIS_APP_KEY and DB_HOST, or remove {folder.folder} and tables yourself.",
                )
            empty(folder)
        return asyncio.run(run_up(folder, lock, StackSettings.load(machine), machine))
