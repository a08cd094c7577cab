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
from observer_core.errors import ConfigurationError
from observer_core.market.calendar import MarketCalendar

# Beyond it the clock's lead is minutes of the market, and receive times say nothing.
_FASTEST = 100_000.0


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


def _refuse_impossible(settings: DemoSettings) -> None:
    """Checks what was asked for before the last demo's folder is emptied.

    Raises:
        ConfigurationError: The speed is none, or the exchange is closed on the day.
    """
    if not 0 < settings.speed <= _FASTEST:
        raise ConfigurationError(
            f"--speed is {settings.speed}.", remedy=f"Choose more than 0 and at most {_FASTEST:,.0f}."
        )
    closure = MarketCalendar().closure(settings.day)
    if closure is not None:
        raise ConfigurationError(
            f"--date is {settings.day}: the KRX is closed ({closure}).", remedy="Choose a trading day."
        )


def run(arguments: argparse.Namespace) -> int:
    """Runs the demo."""
    started = time.monotonic()
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # text, as the interpreter opens it
    environment.cleanse(os.environ)
    folder = StackFolder.named("demo", arguments.folder)
    settings = DemoSettings(day=arguments.date, speed=arguments.speed, keep=arguments.keep)
    _refuse_impossible(settings)
    folder.refuse_foreign()
    with StackLock(folder.lock):
        return asyncio.run(run_demo(folder, settings, dict(os.environ), started=started))
