"""Executions of today by REST: the answer inquire-time-itemconclusion (broker reference, 4.4).

Invariant: it is no websocket channel, but the journal treats its `tr_id` like one. A row of `output2` names
neither its symbol nor its market, so the payload is the row as it was sent, with what was asked for added
under names that begin with `observer_`.
"""

from __future__ import annotations

from observer_core.brokers.kis.catalogue.model import Field, FieldType

EXECUTIONS_CHANNEL = "FHPST01060000"
# The bars of a minute (4.5), asked for where executions are no longer served; kept as they are.
MINUTE_BARS_CHANNEL = "FHKST03010200"

_TEXT, _CODE, _INTEGER, _DECIMAL = FieldType.TEXT, FieldType.CODE, FieldType.INTEGER, FieldType.DECIMAL

# What a row was asked for: added by the collector.
ASKED_FIELDS = (
    Field("observer_symbol", "symbol", _TEXT, required=True),
    Field("observer_venue", "venue", _CODE, required=True),
    Field("observer_session", "session", _CODE),
    Field("observer_hole_from", "hole_from_cumulative_volume", _INTEGER, "shares", required=True),
    Field("observer_hole_to", "hole_to_cumulative_volume", _INTEGER, "shares", required=True),
)

EXECUTION_FIELDS = (
    Field("stck_cntg_hour", "time", FieldType.TIME, required=True),
    # The printed table names this key stck_pbpr; real answers have stck_prpr.
    Field("stck_prpr", "price", _INTEGER, "KRW", required=True),
    Field("prdy_vrss", "change", _INTEGER, "KRW"),
    Field("prdy_vrss_sign", "change_sign", _CODE),
    Field("prdy_ctrt", "change_rate", _DECIMAL, "%"),
    Field("askp", "ask_price_1", _INTEGER, "KRW"),
    Field("bidp", "bid_price_1", _INTEGER, "KRW"),
    Field("tday_rltv", "trade_strength", _DECIMAL, "%"),
    Field("acml_vol", "cumulative_volume", _INTEGER, "shares", required=True),
    Field("cnqn", "volume", _INTEGER, "shares", required=True),
)
