"""What is promised of tokens and approval key.

Invariant: judged inside the assets, for only there a refusal by the broker can be told from a token that is
missing; a refusal is a warning with the broker's code, for it is external and only an operator can change it.
"""

from __future__ import annotations

from datetime import date

import dagster as dg

from observer_core.brokers.kis.tokens import RENEW_AHEAD
from observer_core.brokers.kiwoom.tokens import RENEW_AHEAD as KIWOOM_RENEW_AHEAD
from observer_core.errors import ExternalError
from observer_pipeline import keys
from observer_pipeline.checks.results import check_result, failed_by
from observer_pipeline.checks.verdict import Severity
from observer_pipeline.failures import cause_of
from observer_pipeline.partitions import key_of

_EXTERNAL = (
    "A refusal by the broker is a warning with the broker's code: it is external, and only an operator can "
    "change it."
)

TOKEN_CHECK = dg.AssetCheckSpec(
    name="token_valid",
    asset=keys.ACCESS_TOKEN,
    description=f"The token lasts longer than the {RENEW_AHEAD.total_seconds() / 60:.0f} minutes before its "
    f"end at which it is renewed. {_EXTERNAL}",
)
APPROVAL_CHECK = dg.AssetCheckSpec(
    name="key_valid",
    asset=keys.APPROVAL_KEY,
    description=f"The key lasts longer than the {RENEW_AHEAD.total_seconds() / 60:.0f} minutes before its "
    f"end at which it is renewed. {_EXTERNAL}",
)
KIWOOM_CHECK = dg.AssetCheckSpec(
    name="token_valid",
    asset=keys.KIWOOM_TOKEN,
    description=f"The token lasts longer than the {KIWOOM_RENEW_AHEAD.total_seconds():.0f} seconds before "
    f"its end at which it is asked for again. {_EXTERNAL} Without an account there is nothing to check.",
)


def broker_refused(spec: dg.AssetCheckSpec, error: ExternalError, day: date) -> dg.AssetCheckResult:
    """Returns a check where the broker gave nothing."""
    return failed_by(
        spec.key,
        error,
        severity=Severity.WARN,
        reason="The broker gave none.",
        bound="one that lasts",
        observed=f"none: {cause_of(error).value}",
        more={"trading_day": key_of(day)},
    )


def not_configured(spec: dg.AssetCheckSpec, reason: str, day: date) -> dg.AssetCheckResult:
    """Returns a check where there is no account."""
    return check_result(
        spec.key,
        passed=True,
        severity=Severity.WARN,
        reason=reason,
        bound="nothing",
        observed="no account",
        more={"trading_day": key_of(day)},
    )
