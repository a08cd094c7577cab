"""How much the collector adds to receiving: frame -> accounted -> line on disk, against receive-only.

Run `.venv/bin/python bench/ingest.py [frames]`. A server process sends trades as fast as the socket
takes them; the same client library receives them twice, once to throw them away and once through the
collector's recorder and journal. The ratio says what recording costs; the absolute figures say more
about the machine.
"""

import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from observer_collector.recorder import Recorder
from observer_core.accounting import VolumeContinuity
from observer_core.clock import RealClock
from observer_core.journal import EpochStore, JournalWriter, WriterSettings
from observer_core.settings.paths import Track

FRAMES = 200_000
# A real trade of 2026-09-22 (public capture, 47 values) with its cumulative figures left open.
TRADE = (
    "0|H0STCNT0|001|{symbol:06d}^140610^277750^2^3750^1.37^280395.69^283000^283500^276500^278000^277500^5^{volume}^"
    "{value}^83251^86830^3579^120.39^5217059^6280658^5^0.53^53.70^090023^5^-5250^090048^5^-5750^135824^2^1250^"
    "20260922^20^N^47588^70626^794823^496479^0.20^17123443^69.82^0^^283000^2"
)


def frames(count):
    """Twenty symbols in turn, each continuous in its cumulative volume."""
    for number in range(count):
        step = number // 20
        yield TRADE.format(
            symbol=number % 20, volume=11955000 + 5 * step, value=3352130122500 + 1388750 * step
        )


def serve_frames(count, ports):
    async def main():
        messages = list(frames(count))

        async def send(socket):
            for message in messages:
                await socket.send(message)
            await socket.close()

        async with serve(send, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
            ports.put(server.sockets[0].getsockname()[1])
            await server.serve_forever()

    asyncio.run(main())


async def receive(port, take):
    """Returns frames and seconds from the first to the last frame."""
    async with connect(
        f"ws://127.0.0.1:{port}", compression=None, ping_interval=None, max_queue=16_384
    ) as socket:
        number, started = 0, 0.0
        try:
            while True:
                data = await socket.recv(decode=False)
                started = started or time.perf_counter()
                take(data)
                number += 1
        except ConnectionClosed:
            return number, time.perf_counter() - started


async def record(port, folder):
    """Receives into a journal as the collector does; returns lines, seconds and holes."""
    clock = RealClock()
    continuity = VolumeContinuity(lambda _: "continuous")
    settings = WriterSettings(folder, Track.SCALP, "kis", "0", 0.5, 64 << 20)
    writer = JournalWriter(settings, clock, continuity=continuity.state)
    recorder = Recorder(writer, EpochStore(folder / "epochs.json"), continuity, clock, shard="0")
    await recorder.begin_epoch()
    writing = asyncio.create_task(writer.run())
    _, seconds = await receive(
        port, lambda data: recorder.message(data, clock.now_ns(), clock.monotonic_ns())
    )
    started = time.perf_counter()
    writer.close()
    await writing
    return recorder.records, seconds + time.perf_counter() - started, recorder.holes


def main():
    words = [word for word in sys.argv[1:] if word != "--json"]
    count = int(words[0]) if words else FRAMES
    ports = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve_frames, args=(count, ports), daemon=True)
    server.start()
    port = ports.get()
    received, plain = asyncio.run(receive(port, len))
    with tempfile.TemporaryDirectory() as folder:
        lines, recorded, holes = asyncio.run(record(port, Path(folder)))
    server.terminate()
    if "--json" in sys.argv:
        figures = {
            "ingest.received_per_second": round(received / plain),
            "ingest.recorded_per_second": round(lines / recorded),
            "ingest.ratio_receive_only": round((lines / recorded) / (received / plain), 3),
        }
        print(json.dumps(figures))
        return
    print(f"receive only   {received:>8} frames {received / plain:>10,.0f} a second")
    print(f"record         {lines:>8} lines  {lines / recorded:>10,.0f} a second, {holes} holes")
    print(f"ratio          {(lines / recorded) / (received / plain):.2f}")


if __name__ == "__main__":
    main()
