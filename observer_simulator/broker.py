"""What the two sides of the simulated broker share.

Invariant: both sides see the same clock, market, credentials and account.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from observer_core.clock import Clock
from observer_core.market.calendar import MarketCalendar
from observer_core.reference.listing import read_listing
from observer_simulator.account import Account
from observer_simulator.credentials import Credentials
from observer_simulator.faults.book import FaultBook
from observer_simulator.market.interruptions import Interruption
from observer_simulator.market.market import Market
from observer_simulator.settings import SimulatorSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """The parts behind HTTP and websocket.

    Attributes:
        settings: Its settings.
        clock: The market's time.
        market: The market.
        credentials: What it issued.
        account: What it sent.
        faults: What goes wrong.
        interruptions: Volatility interruptions that were asked for.
    """

    settings: SimulatorSettings
    clock: Clock
    market: Market
    credentials: Credentials
    faults: FaultBook
    account: Account = field(default_factory=Account)
    interruptions: list[Interruption] = field(default_factory=list)

    @classmethod
    def open(cls, settings: SimulatorSettings, clock: Clock) -> Broker:
        """Returns a broker that has sent nothing yet, with the packaged listing as its market."""
        return cls(
            settings=settings,
            clock=clock,
            market=Market(
                read_listing(),
                MarketCalendar(),
                seed=settings.seed,
                density=settings.density,
                after_market_restarts=settings.after_market_restarts,
            ),
            faults=FaultBook(clock.now_ns),
            credentials=Credentials(
                settings.app_key.get_secret_value(),
                settings.app_secret.get_secret_value(),
                settings.seed,
                reserve=settings.reserve,
            ),
        )
