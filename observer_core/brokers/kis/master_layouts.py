"""Where the fields of the master files lie (broker reference, 5.1 to 5.3).

Invariant: offsets and widths count bytes, as the broker's tables do; only fields that Observer keeps
are listed, the raw files are kept whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from observer_core.reference.instrument import Market


@dataclass(frozen=True, slots=True)
class Slice:
    """Where a field lies in a record, in bytes."""

    offset: int
    width: int


@dataclass(frozen=True, slots=True)
class MasterLayout:
    """The layout of one market's master file.

    Attributes:
        market: The market.
        stem: File name without suffix: the zip is `<stem>.mst.zip`, its member `<stem>.mst`.
        record_bytes: Bytes of a record without the line end.
        fields: The broker's field name -> where it lies; only the fields that Observer keeps.
    """

    market: Market
    stem: str
    record_bytes: int
    fields: dict[str, Slice]

    @property
    def zip_name(self) -> str:
        return f"{self.stem}.mst.zip"

    @property
    def member_name(self) -> str:
        return f"{self.stem}.mst"


_HEAD = {
    "mksc_shrn_iscd": Slice(0, 9),
    "stnd_iscd": Slice(9, 12),
    "hts_kor_isnm": Slice(21, 40),
    "scrt_grp_cls_code": Slice(61, 2),
}

KOSPI = MasterLayout(
    Market.KOSPI,
    "kospi_code",
    288,
    _HEAD
    | {
        "etpr_undt_objt_co_yn": Slice(90, 1),
        "stck_sdpr": Slice(102, 9),
        "trht_yn": Slice(121, 1),
        "sltr_yn": Slice(122, 1),
        "mang_issu_yn": Slice(123, 1),
        "mrkt_alrm_cls_code": Slice(124, 2),
        "flng_cls_code": Slice(129, 2),
        "fcam_mod_cls_code": Slice(131, 2),
        "icic_cls_code": Slice(133, 2),
        "prdy_vol": Slice(142, 12),
        "stck_fcam": Slice(154, 12),
        "stck_lstn_date": Slice(166, 8),
        "lstn_stcn": Slice(174, 15),
        "cpfn": Slice(189, 21),
        "prst_cls_code": Slice(219, 1),
        "prdy_avls_scal": Slice(273, 9),
    },
)

KOSDAQ = MasterLayout(
    Market.KOSDAQ,
    "kosdaq_code",
    282,
    _HEAD
    | {
        "etpr_undt_objt_co_yn": Slice(85, 1),
        "stck_sdpr": Slice(97, 9),
        "trht_yn": Slice(116, 1),
        "sltr_yn": Slice(117, 1),
        "mang_issu_yn": Slice(118, 1),
        "mrkt_alrm_cls_code": Slice(119, 2),
        "flng_cls_code": Slice(124, 2),
        "fcam_mod_cls_code": Slice(126, 2),
        "icic_cls_code": Slice(128, 2),
        "prdy_vol": Slice(137, 12),
        "stck_fcam": Slice(149, 12),
        "stck_lstn_date": Slice(161, 8),
        "lstn_stcn": Slice(169, 15),
        "cpfn": Slice(184, 21),
        "prst_cls_code": Slice(214, 1),
        "prdy_avls_scal": Slice(267, 9),
    },
)

KONEX = MasterLayout(
    Market.KONEX,
    "konex_code",
    245,
    _HEAD
    | {
        "stck_sdpr": Slice(63, 9),
        "trht_yn": Slice(82, 1),
        "sltr_yn": Slice(83, 1),
        "mang_issu_yn": Slice(84, 1),
        "mrkt_alrm_cls_code": Slice(85, 2),
        "flng_cls_code": Slice(90, 2),
        "fcam_mod_cls_code": Slice(92, 2),
        "icic_cls_code": Slice(94, 2),
        "prdy_vol": Slice(103, 12),
        "stck_fcam": Slice(115, 12),
        "stck_lstn_date": Slice(127, 8),
        "lstn_stcn": Slice(135, 15),
        "cpfn": Slice(150, 21),
        "prst_cls_code": Slice(180, 1),
        "prdy_avls_scal": Slice(233, 9),
    },
)
