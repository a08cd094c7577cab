"""The broker's master files, from bytes to instruments (broker reference, section 5).

Invariant: a record is cut by bytes at the offsets of the table, before anything is decoded, and
every field of it must have its documented form: one that has not is an error that names file, line,
field, offset and value. No record is skipped.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from observer_core.brokers.kis.master_layouts import MasterLayout
from observer_core.clock import KST
from observer_core.errors import MasterFileError
from observer_core.reference.instrument import ListedInstrument

ENCODING = "cp949"
_REMEDY = "Download the file again; if it stays so, the broker changed the layout."


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument(ListedInstrument):
    """One instrument as a master file describes it.

    Attributes:
        administrative: Whether it is an administrative issue.
        market_warning: `00` none, `01` caution, `02` warning, `03` risk.
        ex_rights: Ex-rights code of the day; `00` none.
        face_value_change: `00` none, `01` split, `02` merge, `99` other.
        capital_increase: `00` none, `01` paid, `02` free, `03` both, `99` other.
        face_value: Face value in KRW.
        listed_date: Day of listing; None where the file has none.
        capital: Capital in KRW.
        previous_market_cap: Market capitalisation of the previous day in KRW, exact to 100 million.
    """

    administrative: bool
    market_warning: str
    ex_rights: str
    face_value_change: str
    capital_increase: str
    face_value: int
    listed_date: date | None
    capital: int
    previous_market_cap: int


@dataclass(frozen=True, slots=True)
class UnzippedMaster:
    """The member of a master file's zip.

    Attributes:
        content: The records.
        packed_at: When the broker packed it, in Korean time as far as is known; None if unreadable.
            The broker packs anew each morning, so a file of the day before can still be there early on.
    """

    content: bytes
    packed_at: datetime | None


def unzip_master(content: bytes, layout: MasterLayout, *, source: str) -> UnzippedMaster:
    """Returns the one member of a master file's zip.

    Args:
        content: The zip as downloaded.
        layout: Whose file it is.
        source: File name or address, for errors.

    Raises:
        MasterFileError: Not a zip, damaged, or with another member than the documented one.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            if names != [layout.member_name]:
                raise MasterFileError(
                    f"{source} holds {', '.join(names) or 'nothing'} instead of {layout.member_name} alone.",
                    remedy=_REMEDY,
                )
            packed_at = _packed_at(archive.getinfo(layout.member_name))
            return UnzippedMaster(archive.read(layout.member_name), packed_at)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise MasterFileError(
            f"{source} is not a readable zip file of {len(content)} bytes: {error}.", remedy=_REMEDY
        ) from error


def _packed_at(member: zipfile.ZipInfo) -> datetime | None:
    try:
        return datetime(*member.date_time, tzinfo=KST)
    except ValueError:
        return None


def parse_master(content: bytes, layout: MasterLayout, *, source: str) -> tuple[Instrument, ...]:
    """Returns the instruments of a master file, in its order.

    Args:
        content: The unzipped file.
        layout: Whose file it is.
        source: File name, for errors.

    Raises:
        MasterFileError: The file is empty, or a record or field has not its documented form.
    """
    instruments = [_instrument(record) for record in _records(content, layout, source)]
    if not instruments:
        raise MasterFileError(f"{source} has no records.", remedy=_REMEDY)
    return tuple(instruments)


def _records(content: bytes, layout: MasterLayout, source: str) -> Iterator[_Record]:
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), start=1):
        if not content:
            return
        if len(line) != layout.record_bytes:
            raise MasterFileError(
                f"{source}, line {number} has {len(line)} bytes instead of {layout.record_bytes}.",
                remedy=_REMEDY,
            )
        yield _Record(source, number, line, layout)


@dataclass(frozen=True, slots=True)
class _Record:
    source: str
    line: int
    content: bytes
    layout: MasterLayout

    def raw(self, field: str) -> bytes:
        place = self.layout.fields[field]
        return self.content[place.offset : place.offset + place.width]

    def wrong(self, field: str, expected: str) -> MasterFileError:
        place = self.layout.fields[field]
        return MasterFileError(
            f"{self.source}, line {self.line}, field {field} at byte {place.offset}: "
            f"{self.raw(field)!r} is not {expected}.",
            remedy=_REMEDY,
        )

    def text(self, field: str) -> str:
        try:
            value = self.raw(field).decode(ENCODING).rstrip(" ")
        except UnicodeDecodeError as error:
            raise self.wrong(field, "cp949 text") from error
        if not value:
            raise self.wrong(field, "a text")
        return value

    def code(self, field: str) -> str:
        value = self.text(field)
        if not (value.isascii() and value.isalnum()):
            raise self.wrong(field, "a code of letters and digits")
        return value

    def number(self, field: str) -> int:
        value = self.raw(field)
        # Only a sign in front and digits: `int` alone would take blanks and underscores too.
        if not value.removeprefix(b"-").isdigit():
            raise self.wrong(field, "a number")
        return int(value)

    def count(self, field: str) -> int:
        number = self.number(field)
        if number < 0:
            raise self.wrong(field, "zero or more")
        return number

    def flag(self, field: str) -> bool:
        if field not in self.layout.fields:
            return False
        value = self.raw(field)
        if value not in (b"Y", b"N", b" "):
            raise self.wrong(field, "Y, N or blank")
        return value == b"Y"

    def day(self, field: str) -> date | None:
        value = self.raw(field).decode("latin-1")
        if value in ("00000000", " " * 8):
            return None
        try:
            return date(int(value[:4]), int(value[4:6]), int(value[6:]))
        except ValueError as error:
            raise self.wrong(field, "a date YYYYMMDD") from error

    def wrapped_volume(self, field: str) -> int:
        """Returns a volume; above 2^31 shares the broker's own counter is negative.

        Inferred from a real row: the 2X inverse ETF 252670 on 2026-03-09 with `-00470686208`.
        """
        number = self.number(field)
        if number < -(2**31):
            raise self.wrong(field, "a volume")
        return number if number >= 0 else number + 2**32


def _instrument(record: _Record) -> Instrument:
    return Instrument(
        code=record.code("mksc_shrn_iscd"),
        isin=record.code("stnd_iscd"),
        name=record.text("hts_kor_isnm"),
        market=record.layout.market,
        group=record.code("scrt_grp_cls_code"),
        preferred_class=record.code("prst_cls_code"),
        spac=record.flag("etpr_undt_objt_co_yn"),
        suspended=record.flag("trht_yn"),
        liquidation=record.flag("sltr_yn"),
        base_price=record.count("stck_sdpr"),
        previous_volume=record.wrapped_volume("prdy_vol"),
        listed_shares=record.count("lstn_stcn") * 1000,
        administrative=record.flag("mang_issu_yn"),
        market_warning=record.code("mrkt_alrm_cls_code"),
        ex_rights=record.code("flng_cls_code"),
        face_value_change=record.code("fcam_mod_cls_code"),
        capital_increase=record.code("icic_cls_code"),
        face_value=record.count("stck_fcam"),
        listed_date=record.day("stck_lstn_date"),
        capital=record.count("cpfn"),
        previous_market_cap=record.count("prdy_avls_scal") * 100_000_000,
    )
