"""What a run of the pipeline is given: settings, paths, clock, database, broker.

Invariant: nothing is read before a run, a schedule or a sensor asks for it; secrets come from the
environment of the running process and stand in no configuration that Dagster stores or shows.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import dagster as dg
from pydantic import PrivateAttr

from observer_core import logs
from observer_core.clock import Clock, open_clock
from observer_core.market.calendar import MarketCalendar
from observer_core.settings import BackupSettings, KiwoomSettings, Paths, RetentionSettings, Settings


class Deployment(dg.ConfigurableResource):  # type: ignore[type-arg]  # its generic says what an IO manager loads
    """Settings, paths and clock of the process, from its environment.

    Attributes:
        time_source: Value of `OBSERVER_CLOCK` for which the code location was loaded: partitions and clock of
            a run then agree.
        needs_mounts: Whether nothing can be done without the four mounts. What tells people that one is
            missing needs none.
    """

    time_source: str = "real"
    needs_mounts: bool = True

    _settings: Settings | None = PrivateAttr(default=None)
    _clock: Clock | None = PrivateAttr(default=None)
    _began: datetime | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Reads the environment once, keeps secrets out of the logs, and checks the mounts.

        Raises:
            ConfigurationError: A variable or a mount is wrong; the message names it.
        """
        self._settings = Settings.load()
        logs.hide(
            (
                self._settings.kis.app_key,
                self._settings.kis.app_secret,
                self._settings.kis.hts_id,
                self.kiwoom.app_key,
                self.kiwoom.app_secret,
                self._settings.database.password,
                self.backup.access_key,
                self.backup.secret_key,
            )
        )
        if self.needs_mounts:
            self.paths.require_mounts()
        self._began = self.clock.now()

    @property
    def settings(self) -> Settings:
        """All settings; read on first use outside of a run."""
        if self._settings is None:
            self._settings = Settings.load()
        return self._settings

    @property
    def kiwoom(self) -> KiwoomSettings:
        """Access to the second broker."""
        return KiwoomSettings.load()

    @property
    def backup(self) -> BackupSettings:
        """Where copies go."""
        return BackupSettings.load()

    @property
    def retention(self) -> RetentionSettings:
        """How long what has been verified is kept."""
        return RetentionSettings.load()

    @property
    def paths(self) -> Paths:
        """The layout on disk."""
        return Paths(self.settings.paths)

    @property
    def clock(self) -> Clock:
        """The process's time, real or shared."""
        if self._clock is None:
            self._clock = open_clock(self.time_source)
        return self._clock

    @property
    def instant(self) -> datetime:
        """The moment a run is about: its beginning, so that all of its steps judge the same hours.

        A shared clock can pass an hour within the seconds of a run; what is sealed meanwhile is the next
        run's.
        """
        return self._began or self.clock.now()

    def last_trading_day(self) -> date:
        """Returns today in Korea, or the last trading day where the exchange is closed today."""
        today = self.instant.date()
        return MarketCalendar().previous_trading_day(today + timedelta(days=1))
