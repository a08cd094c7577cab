"""`observer simulator`: the broker on this machine, with a seeded market."""

from __future__ import annotations

import argparse
import asyncio

from observer_core.clock import open_clock
from observer_core.errors import ConfigurationError
from observer_core.logs import configure
from observer_core.settings import ServiceSettings
from observer_simulator import service
from observer_simulator.settings import SimulatorSettings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the sub-command; everything else is set by OBSERVER_SIMULATOR_* variables."""
    subparsers.add_parser(
        "simulator",
        help="simulate the broker and a market",
        description="Serves the KIS protocol with a seeded market until it is stopped. "
        "Ports, seed and credentials are set by OBSERVER_SIMULATOR_* variables, its time by OBSERVER_CLOCK.",
    )


def run(_arguments: argparse.Namespace) -> int:
    """Runs the simulator in the foreground."""
    settings, common = SimulatorSettings.load(), ServiceSettings.load()
    configure(common, program="simulator")
    try:
        asyncio.run(service.run(settings, open_clock(common.clock)))
    except OSError as error:
        raise ConfigurationError(
            f"The simulator cannot listen on {settings.host}: {error}.",
            remedy="Choose other ports: OBSERVER_SIMULATOR_HTTP_PORT, OBSERVER_SIMULATOR_WEBSOCKET_PORT.",
        ) from error
    return 0
