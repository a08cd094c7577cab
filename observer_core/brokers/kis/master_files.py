"""Fetching the master files, and reading a folder of them (broker reference, section 5).

Invariant: the bytes of a download are kept as they came, before anything is read from them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from observer_core.brokers.kis.master_layouts import KOSDAQ, KOSPI, MasterLayout
from observer_core.brokers.kis.masters import Instrument, parse_master, unzip_master
from observer_core.errors import MasterFileError, NetworkError
from observer_core.files import write_atomically

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


@dataclass(frozen=True, slots=True)
class MasterFile:
    """One master file as downloaded.

    Attributes:
        path: Where the zip is kept.
        packed_at: When the broker packed it; None if its time is unreadable.
        instruments: Its records.
    """

    path: Path
    packed_at: datetime | None
    instruments: tuple[Instrument, ...]


async def download_masters(
    base_url: str, folder: Path, *, layouts: tuple[MasterLayout, ...] = (KOSPI, KOSDAQ)
) -> tuple[MasterFile, ...]:
    """Downloads and reads the master files; needs no key.

    Args:
        base_url: `KIS_MASTER_URL`.
        folder: Where the zips are kept (`Paths.master_files`).
        layouts: The files.

    Raises:
        NetworkError: No answer, or none with the file.
        MasterFileError: A file breaks its layout; it is kept for a look.
    """
    async with httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=True) as http:
        return tuple([await _master_file(http, base_url, folder, layout) for layout in layouts])


def read_masters(
    folder: Path, *, layouts: tuple[MasterLayout, ...] = (KOSPI, KOSDAQ)
) -> tuple[Instrument, ...]:
    """Returns the instruments of a folder's master files, zipped as downloaded or unzipped.

    Raises:
        MasterFileError: The folder or a file is missing or unreadable, or breaks its layout.
    """
    if not folder.is_dir():
        raise MasterFileError(f"{folder} is not a directory.", remedy="Name the folder of the master files.")
    instruments = tuple(one for layout in layouts for one in _read_master(folder, layout))
    counts = Counter(one.code for one in instruments)
    repeated = sorted(code for code, count in counts.items() if count > 1)
    if repeated:
        raise MasterFileError(
            f"{folder}: {len(repeated)} codes stand more than once, {repeated[0]} for one.",
            remedy="Fetch the master files anew.",
        )
    return instruments


def _read_master(folder: Path, layout: MasterLayout) -> tuple[Instrument, ...]:
    zipped, plain = folder / layout.zip_name, folder / layout.member_name
    path = zipped if zipped.exists() or not plain.exists() else plain
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MasterFileError(
            f"{path} cannot be read: {error.strerror}.",
            remedy=f"Put {layout.zip_name} or {layout.member_name} into {folder}.",
        ) from error
    if path == zipped:
        content = unzip_master(content, layout, source=str(path)).content
    return parse_master(content, layout, source=str(path))


async def _master_file(
    http: httpx.AsyncClient, base_url: str, folder: Path, layout: MasterLayout
) -> MasterFile:
    url = f"{base_url.rstrip('/')}/{layout.zip_name}"
    content = await _fetch(http, url)
    path = folder / layout.zip_name
    write_atomically(path, content)
    unzipped = unzip_master(content, layout, source=url)
    return MasterFile(path, unzipped.packed_at, parse_master(unzipped.content, layout, source=url))


async def _fetch(http: httpx.AsyncClient, url: str) -> bytes:
    # Asked once: whoever needs the files knows how long they can be waited for.
    try:
        response = await http.get(url)
    except httpx.HTTPError as error:
        raise NetworkError(
            f"{url} gave no answer: {type(error).__name__} {error}".rstrip(),
            remedy="Check KIS_MASTER_URL, the network and the egress rules.",
        ) from error
    if not response.is_success:
        raise NetworkError(f"{url} answered HTTP {response.status_code}.", remedy="Check KIS_MASTER_URL.")
    return response.content
