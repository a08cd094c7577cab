"""A market, a broker and a collector on one virtual clock, over real sockets, for several folders."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from datetime import datetime

import aiohttp

from observer_collector.service import serve
from observer_core.clock import KST, Conductor, SharedClock
from observer_core.clock.shared import ClockFile
from observer_core.journal import read_lines, sealed_segments
from observer_core.reference.listing import LISTING_DATE, read_listing
from observer_core.reference.universe import build_universe, universe_json
from observer_core.settings import Paths, Settings, UniverseSettings
from observer_core.settings.paths import Track
from observer_simulator.settings import SimulatorSettings
from observer_simulator.simulator import Simulator

DAY = datetime(2026, 9, 15, tzinfo=KST)


def instant(text, day=DAY):
    """Turns HH:MM:SS of the test's day into nanoseconds."""
    hour, minute, second = map(int, text.split(":"))
    return int(day.replace(hour=hour, minute=minute, second=second).timestamp()) * 1_000_000_000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_mounts(root):
    """Makes the four mounts as a deployment does."""
    for name in ("data", "logs", "config", "universe"):
        (root / name).mkdir()
    return {
        "OBSERVER_DATA_DIR": str(root / "data"),
        "OBSERVER_LOG_DIR": str(root / "logs"),
        "OBSERVER_CONFIG_DIR": str(root / "config"),
        "OBSERVER_SNAPSHOT_DIR": str(root / "universe"),
    }


def write_universe(paths, day, *, size=None):
    """Writes a universe file as the pipeline does; the most traded symbols where a size is given."""
    instruments = sorted(read_listing(), key=lambda one: -one.base_price * one.previous_volume)
    universe = build_universe(
        instruments, UniverseSettings.load({}), day, symbols_date=LISTING_DATE, source="packaged-listing"
    )
    if size is not None:
        ranked = sorted(universe.symbols, key=lambda one: -one.base_price * one.previous_volume)[:size]
        universe = type(universe)(
            **{name: getattr(universe, name) for name in universe.__dataclass_fields__ if name != "symbols"},
            symbols=tuple(sorted(ranked, key=lambda one: one.code)),
        )
    paths.universe(day).write_bytes(universe_json(universe))
    return universe


class World:
    """Everything but the collector: clock, conductor, simulated broker, mounts."""

    def __init__(self, root, start, speed, simulator_options):
        self.root = root
        self.clock_path = root / "clock"
        self.conductor = Conductor.create(self.clock_path, start_ns=instant(start), speed=speed)
        self.clock = SharedClock(ClockFile(self.clock_path))
        options = {"OBSERVER_SIMULATOR_HTTP_PORT": "0", "OBSERVER_SIMULATOR_WEBSOCKET_PORT": "0"}
        self.simulator = Simulator(self.clock, SimulatorSettings.load(options | simulator_options))
        self.mounts = make_mounts(root)
        self._running = None

    async def __aenter__(self):
        await self.simulator.__aenter__()
        self.wall = self.conductor.hold(0, "the test")
        self._running = asyncio.ensure_future(self.conductor.run())
        return self

    async def __aexit__(self, *_):
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self.simulator.__aexit__(None, None, None)

    def environment(self, **variables):
        return {
            **self.mounts,
            **self.simulator.environment(),
            "SERVICE_PORT": str(free_port()),
            "OBSERVER_CLOCK": f"shared:{self.clock_path}",
            "OBSERVER_FSYNC_INTERVAL_MS": "20",
            "POD_NAME": "collector-under-test",
            "OBSERVER_BACKUP_TARGET": "/backup",
            **variables,
        }

    @property
    def paths(self):
        return Paths(Settings.load(self.mounts).paths)

    def universe(self, *, size=60, day=DAY):
        return write_universe(self.paths, day.date(), size=size)

    async def until(self, text, day=DAY):
        """Lets the market run to an instant and stand there."""
        target = instant(text, day)
        wall = self.conductor.hold(target, "the test")
        self.wall.release()
        self.wall = wall
        while self.clock.now_ns() < target:
            await asyncio.sleep(0.005)


class Collector:
    """A collector inside the test's own event loop."""

    def __init__(self, world, **variables):
        self.variables = world.environment(**variables)
        self.settings = Settings.load(self.variables)
        self._clock = world.clock
        self._stop = asyncio.Event()
        self._task = None

    async def __aenter__(self):
        self._task = asyncio.ensure_future(serve(self.settings, self._clock, self._stop))
        await self.eventually(lambda status: True)
        return self

    async def __aexit__(self, kind, *_):
        await self.stop()

    async def stop(self):
        self._stop.set()
        await self._task

    async def get(self, path):
        return await fetch(self.settings.service.port, path)

    async def eventually(self, condition):
        return await eventually(self.settings.service.port, condition, alive=lambda: not self._task.done())


class CollectorProcess:
    """A collector as a process of its own."""

    def __init__(self, world, **variables):
        self.variables = world.environment(**variables)
        self.port = int(self.variables["SERVICE_PORT"])
        environment = {"PATH": os.environ["PATH"], **self.variables}
        self.log = world.root / f"collector-{self.port}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "observer", "collector"], env=environment, stdout=log, stderr=log
            )

    async def eventually(self, condition):
        return await eventually(self.port, condition, alive=lambda: self.process.poll() is None)

    async def get(self, path):
        return await fetch(self.port, path)

    async def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait, 30)

    async def __aenter__(self):
        await self.eventually(lambda status: True)
        return self

    async def __aexit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            await asyncio.to_thread(self.process.wait)


async def fetch(port, path):
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}{path}") as answer:
        body = await answer.read()
        return answer.status, json.loads(body) if "json" in answer.content_type else body.decode()


async def eventually(port, condition, *, alive):
    """Returns the first status that meets a condition."""
    while True:
        with contextlib.suppress(aiohttp.ClientConnectionError):
            status = (await fetch(port, "/status"))[1]
            if condition(status):
                return status
        assert alive(), "the collector has ended"
        await asyncio.sleep(0.02)


def sealed_lines(paths):
    """Returns all lines of all sealed segments, by track, in order of writing."""
    found = {}
    for track in Track:
        root = paths.journal(track)
        folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
        found[track] = [
            line
            for folder in folders
            for segment in sealed_segments(folder)
            for line in read_lines(segment.path)
        ]
    return found


def by_channel(lines):
    """Counts records by channel and key."""
    counts = {}
    for line in lines:
        if not line.is_control:
            keys = counts.setdefault(line.channel, {})
            keys[line.key] = keys.get(line.key, 0) + 1
    return {channel: dict(sorted(keys.items())) for channel, keys in sorted(counts.items())}
