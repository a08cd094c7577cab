"""Intake: frame -> accounted -> line durable on disk, measured in the collector's own parts.

    python bench/ingest.py [--frames 200000] [--rounds 3] [--seconds 8] [--loop uvloop] [--client picows]

A server process sends trades of twenty symbols over a real socket; a client process receives them with the
collector's recorder and journal, default window. Every measured run is a process of its own that has imported
the whole collector.

- `ratio_receive_only`: frames for one second of processor time, recorded, against frames that the same
  library receives and throws away. Processor time and not wall time: on a shared machine the latter measures
  the neighbours, and the former counts the journal's thread against us as well.
- `ratio_python_kis`: frames accounted and durable for one second of processor time, without the socket,
  against python-kis's own parser, without socket and with nothing behind it. It knows 46 values and gets 46.
- at a steady 500 frames a second: share of one core, resident memory; at 2,000: lost frames, stalls of the
  event loop, time from the frame's receipt to the end of the fsync that made its line durable.
"""

import argparse
import asyncio
import importlib
import json
import multiprocessing
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from websockets.asyncio.server import serve

import observer_collector.service  # noqa: F401 - the memory that the collector has in any case
from observer_collector.recording.recorder import Recorder
from observer_collector.session.broker_socket import open_socket
from observer_core.accounting import VolumeContinuity
from observer_core.clock import RealClock
from observer_core.journal import EpochStore, JournalWriter, WriterSettings
from observer_core.journal.storage import SegmentStorage
from observer_core.settings.paths import Track

WINDOW_MS = 500
PEER, PEER_FOLDER = "python-kis==2.1.6", Path(__file__).resolve().parents[1] / "var/bench/python-kis"
# A real trade of 2026-09-22 (public capture, 47 values) with its cumulative figures left open.
TRADE = (
    "0|H0STCNT0|001|{symbol:06d}^140610^277750^2^3750^1.37^280395.69^283000^283500^276500^278000^277500^5^{volume}^"
    "{value}^{sell_trades}^86830^{net_trades}^120.39^{sell_volume}^6280658^5^0.53^53.70^090023^5^-5250^090048^5^-5750^135824^2^1250^"
    "20260922^20^N^47588^70626^794823^496479^0.20^17123443^69.82^0^^283000^2"
)  # fmt: skip
# What python-kis does with a message: its header cut off, the payload parsed into its own type.
PEER_PROGRAM = """
import json, sys, time
from pykis.api.websocket.price import KisDomesticRealtimePrice
from pykis.responses.websocket import KisWebsocketResponse
frames = [line.rsplit("^", 1)[0] for line in open(sys.argv[1]).read().splitlines()]
started = time.process_time()
for frame in frames:
    _, _, count, body = frame.split("|", 3)
    parsed = list(KisWebsocketResponse.parse(body, count=int(count), response_type=KisDomesticRealtimePrice))
    assert len(parsed) == 1
print(json.dumps(len(frames) / (time.process_time() - started)))
"""


def frames(count):
    """Twenty symbols in turn; each is sold five shares more, and all its cumulative figures say so."""
    for number in range(count):
        step = number // 20
        yield TRADE.format(
            symbol=number % 20,
            volume=11955000 + 5 * step,
            value=3352130122500 + 1388750 * step,
            sell_trades=83251 + step,
            net_trades=3579 - step,
            sell_volume=5217059 + 5 * step,
        )


def serve_frames(count, per_second, ports):
    """Sends to each client that comes: as fast as it takes them, or so many a second, in hundredths."""

    async def send(socket):
        messages, batch = iter(frames(count)), max(1, per_second // 100)
        began = time.monotonic()
        for sent, message in enumerate(messages, start=1):
            await socket.send(message)
            if per_second and sent % batch == 0:
                await asyncio.sleep(max(0, began + sent / per_second - time.monotonic()))
        await socket.close()

    async def main():
        async with serve(send, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
            ports.put(server.sockets[0].getsockname()[1])
            await server.serve_forever()

    asyncio.run(main())


class TimedStorage(SegmentStorage):
    """The real disk, and when each line of it was received and became durable."""

    def __init__(self):
        super().__init__()
        self._pending, self.latencies_ms = [], []

    def write(self, descriptor, block, offset):
        super().write(descriptor, block, offset)
        self._pending += [int(found) for found in re.findall(rb'"mono_ns":(\d+)', block)]

    def sync(self, descriptor):
        super().sync(descriptor)
        now = time.monotonic_ns()
        self.latencies_ms += [(now - received) / 1e6 for received in self._pending]
        self._pending.clear()


class Desk:
    """The recorder and its journal, as the collector puts them together."""

    def __init__(self, folder, storage=None):
        self.clock = RealClock()
        continuity = VolumeContinuity(lambda _: "continuous")
        settings = WriterSettings(
            folder, Track.SCALP, "kis", "0", WINDOW_MS / 1000, 64 << 20, reserve_bytes=24 << 20
        )
        self.writer = JournalWriter(settings, self.clock, continuity=continuity.state, storage=storage)
        epochs = EpochStore(folder / "epochs.json")
        self.recorder = Recorder(self.writer, epochs, continuity, self.clock, shard="0")

    async def __aenter__(self):
        await self.recorder.begin_epoch()
        self._tasks = [asyncio.create_task(self.writer.run()), asyncio.create_task(self._beat())]
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        await self._tasks[0]
        self._tasks[1].cancel()

    def take(self, messages):
        """What the connection does with messages (see `BrokerConnection._receive`)."""
        for message, _ in self.recorder.take(messages):
            raise AssertionError(f"The server sends nothing for the session: {message}")

    async def _beat(self):
        while True:
            self.writer.tick(self.clock.now_ns())
            await asyncio.sleep(0.05)


async def receive(client, port, take):
    """Receives to the end, handing on lists of one; returns frames and processor seconds."""
    options = {"compression": None, "ping_interval": None, "max_queue": 16_384}
    async with client.connect(f"ws://127.0.0.1:{port}", **options) as socket:
        number, began = 0, time.process_time()
        try:
            while True:
                take([await socket.recv(decode=False)])
                number += 1
        except client.ConnectionClosed:
            return number, time.process_time() - began


async def receive_as_collector(client, port, take):
    """The same through the collector's own socket; another library's client is received as by itself."""
    if client.__name__ != "websockets":
        return await receive(client, port, take)
    socket = await open_socket(f"ws://127.0.0.1:{port}")
    number, began = 0, time.process_time()
    while messages := await socket.messages():
        take(messages)
        number += len(messages)
    return number, time.process_time() - began


async def stalls(found):
    """Notes by how much a pause of 5 ms was longer."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(0.005)
        found.append((time.monotonic() - began - 0.005) * 1000)


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


async def plain_run(client, port, _folder):
    number, seconds = await receive(client, port, len)
    return {"frames": number, "seconds": seconds}


async def recorded_run(client, port, folder):
    began = time.process_time()
    async with Desk(folder) as desk:
        number, _ = await receive_as_collector(client, port, desk.take)
    return {"frames": number, "seconds": time.process_time() - began, "lines": desk.recorder.records,
            "holes": desk.recorder.holes}  # fmt: skip


async def paced_run(client, port, folder):
    storage, late = TimedStorage(), []
    watching = asyncio.create_task(stalls(late))
    began, cpu = time.monotonic(), time.process_time()
    async with Desk(folder, storage) as desk:
        number, _ = await receive_as_collector(client, port, desk.take)
        memory = resident_mb()
    watching.cancel()
    return {"frames": number, "lines": desk.recorder.records, "holes": desk.recorder.holes,
            "cpu_share": (time.process_time() - cpu) / (time.monotonic() - began), "rss_mb": memory,
            "stall_p99_ms": percentile(late, 99),
            "latency_p99_ms": percentile(storage.latencies_ms, 99)}  # fmt: skip


async def offline_run(_client, _port, folder):
    """The recorder without a socket, against a parser without one."""
    messages = [frame.encode() for frame in frames(60_000)]
    began = time.process_time()
    async with Desk(folder) as desk:
        for position in range(0, len(messages), 200):
            desk.take(messages[position : position + 200])
            await asyncio.sleep(0)
    return {"frames": desk.recorder.records, "seconds": time.process_time() - began}


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def client_process(run, options, port, results):
    """Runs one measurement in a process of its own."""
    client = importlib.import_module("picows.websockets" if options.client == "picows" else "websockets")
    factory = importlib.import_module("uvloop").new_event_loop if options.loop == "uvloop" else None
    with (
        tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder,
        asyncio.Runner(loop_factory=factory) as runner,
    ):
        results.put(runner.run(run(client, port, Path(folder))))


def measure(run, options, count, per_second=0):
    """Starts a server and a client; returns what the client has measured."""
    context = multiprocessing.get_context("spawn")
    ports, results = context.Queue(), context.Queue()
    server = context.Process(target=serve_frames, args=(count, per_second, ports), daemon=True)
    server.start()
    client = context.Process(target=client_process, args=(run, options, ports.get(), results), daemon=True)
    client.start()
    found = results.get()
    client.join()
    server.terminate()
    return found


def best(options, run, count):
    """Returns the most frames for one second of processor time, of some rounds."""
    found = [measure(run, options, count) for _ in range(options.rounds)]
    assert all(one["frames"] == one.get("lines", one["frames"]) for one in found)
    return max(one["frames"] / one["seconds"] for one in found)


def python_kis(rounds):
    """Returns the most frames a second of python-kis's parser, installed apart, of some rounds."""
    if not (PEER_FOLDER / "pykis").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(PEER_FOLDER), PEER]
        subprocess.run(pip, check=True, stdout=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.txt"
        path.write_text("\n".join(frames(10_000)), encoding="ascii")
        command = [sys.executable, "-c", PEER_PROGRAM, str(path)]
        environment = {**os.environ, "PYTHONPATH": str(PEER_FOLDER)}
        done = [
            subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            for _ in range(rounds)
        ]
    return max(json.loads(one.stdout) for one in done)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="of each steady run")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--client", choices=("websockets", "picows"), default="websockets")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    plain = best(options, plain_run, options.frames)
    recorded = best(options, recorded_run, options.frames)
    offline, peer = best(options, offline_run, 1), python_kis(options.rounds)
    steady = measure(paced_run, options, 500 * options.seconds, 500)
    short = measure(paced_run, options, 500 * (options.seconds // 2), 500)
    burst = measure(paced_run, options, 2000 * options.seconds, 2000)
    figures = {
        "ingest.received_per_cpu_second": round(plain),
        "ingest.recorded_per_cpu_second": round(recorded),
        "ingest.ratio_receive_only": round(recorded / plain, 3),
        "ingest.ratio_python_kis": round(offline / peer, 1),
        "ingest.python_kis_per_cpu_second": round(peer),
        "ingest.cpu_share_at_500": round(steady["cpu_share"], 3),
        "ingest.loop_stall_p99_ms": round(burst["stall_p99_ms"], 1),
        "ingest.latency_p99_ms": round(max(steady["latency_p99_ms"], burst["latency_p99_ms"])),
        "ingest.window_ms": WINDOW_MS,
        "ingest.rss_mb": round(steady["rss_mb"]),
        "ingest.rss_growth_mb": round(steady["rss_mb"] - short["rss_mb"], 1),
        "ingest.drops": 2000 * options.seconds - burst["lines"] + burst["holes"],
    }
    if options.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{name:34} {figure:>12,}")


if __name__ == "__main__":
    main()
