"""The simulator as a process.

Invariant: SIGTERM and SIGINT end it in order: connections closed, state saved, exit status 0.
"""

from __future__ import annotations

import asyncio
import signal

from observer_core.clock import Clock
from observer_core.logs import logger
from observer_simulator.settings import SimulatorSettings
from observer_simulator.simulator import Simulator

_LOG = logger(__name__)


async def run(settings: SimulatorSettings, clock: Clock) -> None:
    """Runs the simulated broker until it is told to stop.

    Args:
        settings: Its settings.
        clock: The market's time.

    Raises:
        OSError: A port is taken.
        ConfigurationError: The state file is not the simulator's, or the clock is before its market.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Simulator(clock, settings) as simulator:
        _LOG.info(
            "The simulated broker listens.",
            rest=simulator.rest_url,
            websocket=simulator.websocket_url,
            market_time=clock.now().isoformat(),
        )
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(simulator.wait_failed())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
    _LOG.info("The simulated broker has stopped.", records_sent=simulator.account.records_sent)
