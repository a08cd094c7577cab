"""H0UPCNT0: index records (broker reference, 7.1, values 0 to 29)."""

from __future__ import annotations

import numpy as np

from observer_simulator.market.indices import IndexDay
from observer_simulator.market.ladder import Numbers
from observer_simulator.records.common import digits, rows, signs

INDEX_WIDTH = 30


def index_records(code: str, day: IndexDay, first: int, end: int) -> list[str]:
    """Returns the records of the instants from number `first` up to, not including, `end`.

    Args:
        code: The index.
        day: Its day.
        first: First instant.
        end: One after the last instant.
    """
    now, count = slice(first, end), end - first
    points, base = day.points[now], day.base
    high = np.maximum.accumulate(day.points)[now]
    low = np.minimum.accumulate(day.points)[now]
    opened = np.full(count, day.points[0])
    flat = day.constituents - day.rising[now] - day.falling[now]
    columns: list[list[object]] = [
        [code] * count,  # 0 bstp_cls_code
        [*digits(day.times[now])],  # 1 bsop_hour
        [*_points(points)],  # 2 prpr_nmix
        _signs(points - base),  # 3 prdy_vrss_sign
        [*_points(points - base)],  # 4 bstp_nmix_prdy_vrss
        (day.volume[now] // 1_000).tolist(),  # 5 acml_vol: thousand shares
        (day.value[now] // 1_000_000).tolist(),  # 6 acml_tr_pbmn: million KRW
        (np.diff(day.volume, prepend=0)[now] // 1_000).tolist(),  # 7 pcas_vol
        (np.diff(day.value, prepend=0)[now] // 1_000_000).tolist(),  # 8 pcas_tr_pbmn
        [*_points((points - base) / base * 100)],  # 9 prdy_ctrt
        [*_points(opened)],  # 10 oprc_nmix
        [*_points(high)],  # 11 nmix_hgpr
        [*_points(low)],  # 12 nmix_lwpr
        [*_points(points - opened)],  # 13 oprc_vrss_nmix_prpr
        _signs(points - opened),  # 14 oprc_vrss_nmix_sign
        [*_points(points - high)],  # 15 hgpr_vrss_nmix_prpr
        _signs(points - high),  # 16 hgpr_vrss_nmix_sign
        [*_points(points - low)],  # 17 lwpr_vrss_nmix_prpr
        _signs(points - low),  # 18 lwpr_vrss_nmix_sign
        [*_points((opened - base) / base * 100)],  # 19 prdy_clpr_vrss_oprc_rate
        [*_points((high - base) / base * 100)],  # 20 prdy_clpr_vrss_hgpr_rate
        [*_points((low - base) / base * 100)],  # 21 prdy_clpr_vrss_lwpr_rate
        day.upper[now].tolist(),  # 22 uplm_issu_cnt
        day.rising[now].tolist(),  # 23 ascn_issu_cnt
        flat.tolist(),  # 24 stnr_issu_cnt
        day.falling[now].tolist(),  # 25 down_issu_cnt
        day.lower[now].tolist(),  # 26 lslm_issu_cnt
        [0] * count,  # 27 qtqt_ascn_issu_cnt
        [0] * count,  # 28 qtqt_down_issu_cnt
        [*_points(np.diff(day.points, prepend=day.points[:1])[now])],  # 29 tick_vrss
    ]
    return rows(columns, INDEX_WIDTH)


def _points(values: Numbers) -> list[str]:
    return [f"{value:.2f}" for value in values.tolist()]


def _signs(change: Numbers) -> list[object]:
    """Compared as they are written, with two decimals."""
    found: list[object] = signs(np.round(change * 100).astype(np.int64)).tolist()
    return found
