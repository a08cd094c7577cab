"""The sources of symbols, in the order of preference.

Invariant: a stage returns what its source says or raises; whether that is plausible is judged
elsewhere, alike for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from observer_core.brokers.kis.master_files import MasterFile, download_masters
from observer_core.reference.listing import LISTING_DATE, read_listing
from observer_core.reference.symbols import LAST_GOOD, PACKAGED_LISTING, Loaded, Stage, last_good_symbols
from observer_core.settings import KisSettings, Paths


@dataclass(frozen=True, slots=True)
class KisMasterStage:
    """The master files of KIS, downloaded and kept.

    Attributes:
        url: `KIS_MASTER_URL`.
        paths: Where the raw files are kept.
    """

    url: str
    paths: Paths
    name: ClassVar[str] = "kis-master"

    async def load(self, day: date) -> Loaded:
        files = await download_masters(self.url, self.paths.master_files(day))
        instruments = tuple(instrument for file in files for instrument in file.instruments)
        return Loaded(instruments, "; ".join(map(_described, files)))


@dataclass(frozen=True, slots=True)
class LastGoodStage:
    """The newest file of this deployment that came from a broker.

    Attributes:
        paths: Where the files lie.
    """

    paths: Paths
    name: ClassVar[str] = LAST_GOOD

    async def load(self, day: date) -> Loaded:
        symbols = last_good_symbols(self.paths, day)
        if symbols is None:
            return Loaded((), "this deployment has no earlier file from a broker")
        return Loaded(symbols.instruments, f"symbols of {symbols.day} from {symbols.source}")


@dataclass(frozen=True, slots=True)
class PackagedListingStage:
    """The dated listing that ships with the package."""

    name: ClassVar[str] = PACKAGED_LISTING

    async def load(self, day: date) -> Loaded:
        del day  # The listing is of its own day.
        return Loaded(read_listing(), f"listing of {LISTING_DATE}; prices and halts are of that day")


def default_stages(settings: KisSettings, paths: Paths) -> tuple[Stage, ...]:
    """Returns the stages of a deployment."""
    return (KisMasterStage(settings.master_url, paths), LastGoodStage(paths), PackagedListingStage())


def _described(file: MasterFile) -> str:
    packed = "at an unknown time" if file.packed_at is None else f"{file.packed_at:%Y-%m-%d %H:%M}"
    return f"{file.path.name} packed {packed}"
