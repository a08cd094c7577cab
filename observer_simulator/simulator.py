"""The whole simulated broker, for the service and for tests in the same process.

Invariant: within the context both sides listen; leaving it closes every connection in order and
saves the state, so that the next simulator with the same settings continues where this one stood.
"""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Self

from observer_core.clock import Clock
from observer_core.files import write_atomically
from observer_simulator.broker import Broker
from observer_simulator.rest.server import RestSide
from observer_simulator.settings import SimulatorSettings
from observer_simulator.state import StateFile
from observer_simulator.websocket.server import WebsocketSide


class Simulator:
    """The broker on this machine; an asynchronous context manager.

    Args:
        clock: The market's time.
        settings: Ports, credentials and market; ports of 0 take any that is free.

    Attributes:
        account: What was sent so far, exact.
        market: The market behind it, for comparing what was received with what was traded.
        websocket: The websocket side, for breaking connections.
    """

    def __init__(self, clock: Clock, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._broker = Broker.open(settings, clock)
        self.account = self._broker.account
        self.market = self._broker.market
        self.websocket = WebsocketSide(self._broker)
        self._rest = RestSide(self._broker, self.websocket)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if self._settings.state_file is not None:
                state = StateFile(self._settings.state_file, self.account, self._broker.credentials)
                state.load()
                await stack.enter_async_context(state)
            await stack.enter_async_context(self.websocket)
            await stack.enter_async_context(self._rest)
            if self._settings.ready_file is not None:
                write_atomically(self._settings.ready_file, self._addresses())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def rest_url(self) -> str:
        return f"http://{self._settings.host}:{self._rest.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://{self._settings.host}:{self.websocket.port}"

    @property
    def master_url(self) -> str:
        return f"{self.rest_url}/common/master/"

    def environment(self) -> dict[str, str]:
        """Returns the variables with which a client finds this broker and is let in."""
        reserve = self._settings.reserve
        spare = (
            {}
            if reserve is None
            else {"KIS_RESERVE_APP_KEY": reserve[0], "KIS_RESERVE_APP_SECRET": reserve[1]}
        )
        return spare | {
            "KIS_REST_URL": self.rest_url,
            "KIS_WEBSOCKET_URL": self.websocket_url,
            "KIS_MASTER_URL": self.master_url,
            "KIS_ENVIRONMENT": self._settings.environment.value,
            "KIS_APP_KEY": self._settings.app_key.get_secret_value(),
            "KIS_APP_SECRET": self._settings.app_secret.get_secret_value(),
            "KIWOOM_REST_URL": self.rest_url,
            "KIWOOM_APP_KEY": self._settings.kiwoom_app_key.get_secret_value(),
            "KIWOOM_APP_SECRET": self._settings.kiwoom_app_secret.get_secret_value(),
        }

    async def wait_failed(self) -> None:
        """Returns when a part has failed; leaving the context then raises its error."""
        await self.websocket.wait_failed()

    def _addresses(self) -> bytes:
        return json.dumps(
            {
                "rest_url": self.rest_url,
                "websocket_url": self.websocket_url,
                "master_url": self.master_url,
                "http_port": self._rest.port,
                "websocket_port": self.websocket.port,
            }
        ).encode()
