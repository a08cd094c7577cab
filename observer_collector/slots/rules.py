"""From the settings to the rules of slots and triggers; what is wrong is named with its variable.

Invariant: rules are made from valid settings or not at all, at the start and at every change alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from observer_collector.slots.plan import SlotRules
from observer_collector.slots.registrations import read_channel, read_pair, read_pinned
from observer_collector.slots.triggers import TriggerRules
from observer_core.brokers.kis.catalogue import CHANNELS, Venue
from observer_core.errors import ConfigurationError
from observer_core.logs import HIDDEN
from observer_core.settings import CollectorSettings, KisSettings
from observer_core.settings.brokers import KisEnvironment

_MARKET_OPERATION = "H0STMKO0"
# The broker documents these for its paper environment and no other (broker reference, 7.0).
_PAPER_CHANNELS = frozenset({"H0STCNT0", "H0STASP0"})

_Value = TypeVar("_Value")


def slot_rules(settings: CollectorSettings, kis: KisSettings) -> SlotRules:
    """Returns the rules of the slots.

    On the paper environment, channels that it does not have are left out of the fixed registrations.

    Raises:
        ConfigurationError: A variable names no channel, symbol or registration, or all of them together
            are more than the broker takes.
    """
    paper = kis.environment is KisEnvironment.PAPER
    channels = _each("OBSERVER_CHANNELS", settings.channels, read_channel)
    if not channels:
        raise _wrong("OBSERVER_CHANNELS", "", "it names no channel")
    fixed = _each("OBSERVER_FIXED_REGISTRATIONS", settings.fixed_registrations, read_pair)
    pinned = _read("OBSERVER_PINNED_SYMBOLS", settings.pinned_symbols, lambda: read_pinned(
        settings.pinned_symbols, channels))  # fmt: skip
    rules = SlotRules(
        registrations=settings.registrations,
        channels=channels,
        fixed=tuple(pair for pair in fixed if not paper or pair.channel in _PAPER_CHANNELS),
        pinned=pinned,
        market_operation=_MARKET_OPERATION if settings.market_operation and not paper else None,
        signal_symbols=settings.trigger_symbols,
        signal_seconds=settings.trigger_seconds,
        dwell_seconds=settings.dwell_seconds,
        margin=settings.slot_margin,
    )
    _check_number(rules, settings)
    return rules


def trigger_rules(settings: CollectorSettings) -> TriggerRules:
    """Returns the thresholds of the triggers."""
    return TriggerRules(
        volume_ratio=settings.trigger_volume_ratio,
        price_move=settings.trigger_price_move,
        minimum_value=settings.trigger_minimum_value,
    )


def sweep_symbols(settings: CollectorSettings) -> tuple[str, ...]:
    """Returns the symbols that are swept beside the universe; raises ConfigurationError."""
    texts = settings.sweep_symbols
    return tuple(_read("OBSERVER_SWEEP_SYMBOLS", texts, lambda: read_pinned(texts, ("H0STCNT0",))))


def records_nxt(rules: SlotRules) -> bool:
    """Returns whether a channel of NXT or of both exchanges is registered."""
    named = [*rules.channels, *(pair.channel for pair in rules.fixed)]
    named += [channel for channels in rules.pinned.values() for channel in channels]
    return any(CHANNELS[name].venue in (Venue.NXT, Venue.UNIFIED) for name in named if name in CHANNELS)


def check_addresses(settings: KisSettings) -> None:
    """Checks the broker's addresses.

    Raises:
        ConfigurationError: One is no address of its kind.
    """
    for variable, value, schemes in (
        ("KIS_REST_URL", settings.rest_url, ("https", "http")),
        ("KIS_WEBSOCKET_URL", settings.websocket_url, ("ws", "wss")),
        ("KIS_MASTER_URL", settings.master_url, ("https", "http")),
    ):
        if value and not _is_address(value, schemes):
            raise _wrong(
                variable, _without_login(value), f"it has to begin with {schemes[0]}:// and name a host"
            )


def _without_login(value: str) -> str:
    """Returns an address without what stands before its host, however malformed it is."""
    _, at, host = value.rpartition("@")
    return f"{HIDDEN}@{host}" if at else value


def _is_address(value: str, schemes: Sequence[str]) -> bool:
    try:
        parts = urlsplit(value)
        # Reading the port refuses what is none.
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_number(rules: SlotRules, settings: CollectorSettings) -> None:
    # One market operation for each of the two markets.
    fixed = len(rules.fixed) + (2 if rules.market_operation else 0)
    wanted = fixed + sum(map(len, rules.pinned.values()))
    if wanted > rules.registrations:
        raise _wrong(
            "OBSERVER_PINNED_SYMBOLS",
            ",".join(settings.pinned_symbols),
            f"with OBSERVER_FIXED_REGISTRATIONS these are {wanted} registrations,"
            f" and OBSERVER_REGISTRATIONS is {rules.registrations}",
        )


def _each(variable: str, texts: Sequence[str], read: Callable[[str], _Value]) -> tuple[_Value, ...]:
    found: Sequence[_Value] = _read(variable, texts, lambda: [read(text) for text in texts])
    return tuple(dict.fromkeys(found))


def _read(variable: str, texts: Sequence[str], read: Callable[[], _Value]) -> _Value:
    try:
        return read()
    except ValueError as error:
        raise _wrong(variable, ",".join(texts), str(error)) from None


def _wrong(variable: str, value: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{variable} is {value!r}: {why}.", remedy=f"Correct {variable}; `.env.example` describes it."
    )
