"""`observer demo`: one virtual trading day, headless, and the proof that nothing was lost."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from datetime import date
from pathlib import Path

from observer.stack import environment
from observer.stack.demo import DemoSettings, run_demo
from observer.stack.layout import StackFolder
from observer.stack.lock import StackLock


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the sub-command."""
    parser = subparsers.add_parser(
        "demo",
        help="run one virtual trading day and prove that nothing was lost",
        description="Runs PostgreSQL, a simulated broker, the collector and Dagster through one trading "
        "day of virtual time in an emptied folder, counts every record in every layer, and exits 0 only if "
        "all of them are where they belong. Ignores any KIS_*, DB_*, OBSERVER_*, DAGSTER_* and PG* variable.",
    )
    parser.add_argument("--date", type=date.fromisoformat, default=date(2026, 9, 15), help="the trading day")
    parser.add_argument(
        "--speed", type=float, default=DemoSettings().speed, help="virtual seconds per real second, at most"
    )
    parser.add_argument("--folder", type=Path, help="the emptied folder (default: var/demo)")
    parser.add_argument(
        "--keep", action="store_true", help="after the proof, keep Dagster open to look at until Ctrl-C"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the demo."""
    started = time.monotonic()
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # text, as the interpreter opens it
    environment.cleanse(os.environ)
    folder = StackFolder.named("demo", arguments.folder)
    settings = DemoSettings(day=arguments.date, speed=arguments.speed, keep=arguments.keep)
    folder.refuse_foreign()
    with StackLock(folder.lock):
        return asyncio.run(run_demo(folder, settings, dict(os.environ), started=started))
