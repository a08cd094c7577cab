"""A market on its own clock, and the broker that sends it: the simulator as a process beside what is tested.

Invariant: the clock is a file that any process can map, in a container too; time passes only up to the
instant that the test allows.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from observer_core.clock import KST, Conductor, SharedClock
from observer_core.clock.shared import ClockFile
from observer_core.reference.listing import LISTING_DATE, read_listing
from observer_core.reference.universe import build_universe, universe_json
from observer_core.settings import UniverseSettings
from observer_simulator.settings import SIMULATED_APP_KEY, SIMULATED_APP_SECRET

DAY = datetime(2026, 9, 15, tzinfo=KST)
_Found = TypeVar("_Found")


class SimulatedMarket:
    """Clock, conductor and simulated broker.

    Args:
        clock: The clock file; made anew, and writable for everybody.
        start: Korean time of the day at which it begins, HH:MM:SS.
        host: Address on which the broker listens.
    """

    def __init__(self, clock: Path, *, start: str, host: str, speed: float = 20) -> None:
        self._clock_path, self._host = clock, host
        self._conductor = Conductor.create(clock, start_ns=instant(start), speed=speed)
        clock.chmod(0o666)
        self.clock = SharedClock(ClockFile(clock))
        self._wall = self._conductor.hold(instant(start), "the test")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._lead()), daemon=True)

    async def _lead(self) -> None:
        leading = asyncio.ensure_future(self._conductor.run())
        while not self._ended.is_set():
            await asyncio.sleep(0.02)
        leading.cancel()

    def __enter__(self) -> Self:
        ready = self._clock_path.with_name("simulator.json")
        ready.unlink(missing_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "OBSERVER_CLOCK": f"shared:{self._clock_path}",
            "OBSERVER_SIMULATOR_HOST": self._host,
            "OBSERVER_SIMULATOR_HTTP_PORT": "0",
            "OBSERVER_SIMULATOR_WEBSOCKET_PORT": "0",
            "OBSERVER_SIMULATOR_READY_FILE": str(ready),
        }
        self._process = subprocess.Popen([sys.executable, "-m", "observer", "simulator"], env=environment)
        self._thread.start()
        self.addresses: dict[str, str] = self.eventually(
            lambda: json.loads(ready.read_text()) if ready.exists() else None
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._ended.set()
        self._thread.join()

    @staticmethod
    def eventually(found: Callable[[], _Found | None], *, seconds: float = 60) -> _Found:
        """Returns the first result that is not None and not False."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            result = found()
            if result is not None and result is not False:
                return result
            time.sleep(0.05)
        raise AssertionError(f"nothing came within {seconds} s")

    def flow_until(self, reached: Callable[[], bool]) -> None:
        """Lets time pass until something is so, and stand then; for what takes the programs some time."""
        self._wall.release()
        self.eventually(reached)
        self._wall = self._conductor.hold(self._conductor.now_ns(), "the test")

    def until(self, text: str) -> None:
        """Lets the market run to an instant and stand there."""
        target = instant(text)
        wall = self._conductor.hold(target, "the test")
        self._wall.release()
        self._wall = wall
        self.eventually(lambda: self.clock.now_ns() >= target)

    def account(self) -> dict[str, Any]:
        """Returns what the broker has sent."""
        with urllib.request.urlopen(f"{self.addresses['rest_url']}/admin/account", timeout=10) as answer:
            account: dict[str, Any] = json.loads(answer.read())
        return account

    @property
    def variables(self) -> dict[str, str]:
        """What the collector's ConfigMap needs for this broker, beside the clock."""
        return {
            "KIS_REST_URL": self.addresses["rest_url"],
            "KIS_WEBSOCKET_URL": self.addresses["websocket_url"],
            "KIS_MASTER_URL": self.addresses["master_url"],
        }

    @property
    def secrets(self) -> dict[str, str]:
        """What the collector's Secret needs for this broker."""
        return {"KIS_APP_KEY": SIMULATED_APP_KEY, "KIS_APP_SECRET": SIMULATED_APP_SECRET}


def instant(text: str) -> int:
    """Turns HH:MM:SS of the market's day into nanoseconds."""
    hour, minute, second = map(int, text.split(":"))
    return int(DAY.replace(hour=hour, minute=minute, second=second).timestamp()) * 1_000_000_000


def universe_file(folder: Path, *, size: int = 60) -> Path:
    """Writes the universe of the market's day with its most traded symbols, as the pipeline does."""
    instruments = sorted(read_listing(), key=lambda one: -one.base_price * one.previous_volume)[:size]
    day = DAY.date()
    universe = build_universe(
        instruments, UniverseSettings.load({}), day, symbols_date=LISTING_DATE, source="packaged-listing"
    )
    path = folder / f"{day:%Y%m%d}_kr_stocks.json"
    path.write_bytes(universe_json(universe))
    return path
