"""Does a day add up to the broker's own figures?

Invariant: every share between what the broker states and what was captured has one reason out of a closed
list, or it is unexplained; a reason needs evidence of its own, and never follows from the difference alone.
That the broker did not answer is no difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from observer_core.accounting.compared import CapturedDay, Difference, Evidence, Reason, Reconciled, Span
from observer_core.brokers.kis.daily import DailyFigures

# Trades have whole seconds, and come late where the broker or a machine is busy.
_LATE_NS = 600_000_000_000
# Of a day without a trade: who was registered for most of it was not served, whatever happened in the rest.
_MOST = 0.5


def share_explained(days: Iterable[Reconciled]) -> float:
    """Returns what share of the broker's shares is captured or explained, 0 to 1; 1 where there are none."""
    compared = [one for one in days if one.official is not None]
    traded = sum(max(one.official or 0, one.captured) for one in compared)
    return 1.0 - sum(one.unexplained for one in compared) / traded if traded else 1.0


def reconcile(ours: CapturedDay, official: DailyFigures | None, evidence: Evidence) -> Reconciled:
    """Compares a day with the broker's figures.

    Args:
        ours: What is there.
        official: The broker's figures; None where it did not answer.
        evidence: What was recorded about the day.
    """
    if official is None:
        return Reconciled(ours.symbol, ours.venue, None, ours.captured)
    shares: Counter[Reason | None] = Counter()
    for reason, missing in _missing(ours, official, evidence):
        shares[reason] += missing
    lacking = sum(count for reason, count in shares.items() if reason is not Reason.AFTER_MARKET_LEFT_OUT)
    if ours.overlapping:
        shares[None] += ours.overlapping
    differences = [
        *_volume(ours, official, shares),
        *_value(ours, official, shares),
        *_prices(ours, official, missing=lacking > 0),
    ]
    return Reconciled(
        symbol=ours.symbol,
        venue=ours.venue,
        official=official.volume,
        captured=ours.captured,
        reasons={reason: count for reason, count in sorted(shares.items(), key=str) if reason is not None},
        unexplained=shares[None],
        differences=differences,
    )


def reconcile_silent(symbol: str, venue: str, official: int | None, evidence: Evidence) -> Reconciled:
    """Compares a day of which no trade is there with the broker's volume.

    Args:
        symbol: A symbol of the day's selection.
        venue: The venue.
        official: Shares that the broker states; None where it did not answer.
        evidence: What was recorded about the day.
    """
    if not official:
        return Reconciled(symbol, venue, official, 0)
    shares = silent_shares(official, evidence)
    return Reconciled(
        symbol=symbol,
        venue=venue,
        official=official,
        captured=0,
        reasons={reason: count for reason, count in sorted(shares.items(), key=str) if reason is not None},
        unexplained=shares.get(None, 0),
        differences=[Difference("volume", official, 0, None if None in shares else next(iter(shares)))],
    )


def silent_shares(official: int, evidence: Evidence) -> dict[Reason | None, int]:
    """Returns reason -> shares of a day of which no trade is there; None: nothing recorded explains them.

    Args:
        official: Shares that the broker states.
        evidence: What was recorded about the day.
    """
    found: dict[Reason | None, int] = {}
    left = official
    for reason, spans in ((Reason.HOLE, evidence.holes), (Reason.UNWATCHED, evidence.unwatched)):
        if shares := min(left, sum(span.shares for span in spans)):
            found[reason] = shares
            left -= shares
    if left:
        found[_reason_for_all(evidence)] = left
    return found


def _missing(
    ours: CapturedDay, official: DailyFigures, evidence: Evidence
) -> Iterator[tuple[Reason | None, int]]:
    """Yields what the broker has more or less than we, with its reason."""
    found: list[tuple[Reason | None, int]] = []
    if ours.first is not None:
        found.append((reason_at_begin(ours, evidence), ours.first.shares))
    found += [(_reason_within(missing, evidence), missing.shares) for missing in ours.breaks]
    tail = official.volume - ours.total
    if tail > 0:
        found.append((reason_at_end(ours, evidence), tail))
    # A line that was set aside is missing in one place: more places than lines are not explained by them.
    places = sum(reason is Reason.QUARANTINED for reason, _ in found)
    for reason, shares in found:
        too_many = reason is Reason.QUARANTINED and places > evidence.quarantined
        yield None if too_many else reason, shares
    if tail < 0:
        left_out = official.volume == ours.before_evening
        yield Reason.AFTER_MARKET_LEFT_OUT if left_out else None, -tail


def reason_at_begin(ours: CapturedDay, evidence: Evidence) -> Reason | None:
    """Returns why shares are missing before the first trade; None where nothing recorded explains it."""
    if evidence.covers(evidence.opens_ns, ours.first_ns):
        return _set_aside(evidence)
    # Whose trades were there long before was watched already when a restart selected it once more.
    if evidence.opens_ns < evidence.undertaken_ns <= ours.first_ns + _LATE_NS:
        return Reason.BEFORE_WATCH
    return Reason.JOURNAL_DEPARTED if evidence.departed else Reason.OUTAGE


def _reason_within(missing: Span, evidence: Evidence) -> Reason | None:
    if any(hole.holds(missing) for hole in evidence.holes):
        return Reason.HOLE
    if any(span.holds(missing) for span in evidence.unwatched):
        return Reason.UNWATCHED
    return _set_aside(evidence)


def reason_at_end(ours: CapturedDay, evidence: Evidence) -> Reason | None:
    """Returns why shares are missing after the last trade; None where nothing recorded explains it."""
    if evidence.unsealed:
        return Reason.UNSEALED
    if evidence.covers(ours.last_ns, evidence.ends_ns):
        return _set_aside(evidence)
    released = bool(evidence.watches) and evidence.watches[-1].released
    return Reason.AFTER_WATCH if released else Reason.OUTAGE


def _reason_for_all(evidence: Evidence) -> Reason | None:
    if evidence.unsealed:
        return Reason.UNSEALED
    if evidence.covered >= _MOST:
        return _set_aside(evidence)
    if any(watch.released for watch in evidence.watches):
        return Reason.AFTER_WATCH
    # When in the day shares were traded nobody tells: of a late one, all may have been before.
    since_ns = min(evidence.undertaken_ns + _LATE_NS, evidence.ends_ns)
    if evidence.undertaken_ns > evidence.opens_ns and evidence.covers(since_ns, evidence.ends_ns):
        return Reason.BEFORE_WATCH
    return Reason.JOURNAL_DEPARTED if evidence.departed else Reason.OUTAGE


def _set_aside(evidence: Evidence) -> Reason | None:
    if evidence.quarantined:
        return Reason.QUARANTINED
    return Reason.JOURNAL_DEPARTED if evidence.departed else None


def _volume(
    ours: CapturedDay, official: DailyFigures, shares: Mapping[Reason | None, int]
) -> list[Difference]:
    if ours.captured == official.volume and not shares:
        return []
    reasons = [reason for reason, count in shares.items() if count]
    first = None if None in reasons or not reasons else reasons[0]
    return [Difference("volume", official.volume, ours.captured, first)]


def _value(
    ours: CapturedDay, official: DailyFigures, shares: Mapping[Reason | None, int]
) -> list[Difference]:
    """A missing share has a price of the day: between the lowest and the highest of it."""
    if official.value == ours.value:
        return []
    less = shares.get(Reason.AFTER_MARKET_LEFT_OUT, 0)
    more = sum(shares.values()) - less
    low = min(official.low_price or ours.low_price, ours.low_price)
    high = max(official.high_price, ours.high_price)
    difference = official.value - ours.value
    fits = more * low - less * high <= difference <= more * high - less * low
    reasons = [reason for reason, count in shares.items() if count]
    reason = reasons[0] if fits and reasons and None not in reasons else None
    return [Difference("value", official.value, ours.value, reason)]


def _prices(ours: CapturedDay, official: DailyFigures, *, missing: bool) -> list[Difference]:
    """Compares the prices; each may also be that of the part of the day that the broker counts."""
    found = []
    in_missing = Reason.IN_MISSING_SHARES if missing else None
    left_out = Reason.AFTER_MARKET_LEFT_OUT
    close = ours.last_price if ours.close_price is None else ours.close_price
    for figure, stated, own, others in (
        ("open", official.open_price, ours.open_price, {ours.regular_open: Reason.REGULAR_SESSION_ONLY}),
        ("high", official.high_price, ours.high_price, {ours.high_before_evening: left_out}),
        ("low", official.low_price, ours.low_price, {ours.low_before_evening: left_out}),
        ("close", official.close_price, close, {ours.last_price: Reason.LAST_PRICE}),
    ):
        if stated != own:
            reason = others.get(stated, in_missing)
            if figure in ("high", "low") and reason is in_missing and _within(figure, stated, own):
                # A price that we have and the broker has not cannot be made by what we lack.
                reason = None
            found.append(Difference(figure, stated, own, reason))
    return found


def _within(figure: str, stated: int, own: int) -> bool:
    return stated < own if figure == "high" else stated > own
