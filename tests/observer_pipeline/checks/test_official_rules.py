"""A comparison with the broker's figures claims nothing about what nobody has compared."""

import pytest

from observer_core.accounting.compared import Reason, Reconciled
from observer_pipeline.checks.rules.official import official_figures_agree
from observer_pipeline.checks.verdict import Severity

AGREES = Reconciled("005930", "KRX", 1000, 1000)
AWAY = Reconciled("000660", "KRX", None, 500)


def test_figures_that_are_all_the_brokers_pass():
    verdict = official_figures_agree([AGREES])
    assert (verdict.passed, verdict.external) == (True, False)
    assert "1 agree" in verdict.reason
    assert "100.0000%" in verdict.reason


def test_a_broker_that_stated_nothing_is_external_and_no_percentage_is_claimed():
    verdict = official_figures_agree([AWAY])
    assert (verdict.passed, verdict.severity, verdict.external) == (False, Severity.WARN, True)
    assert verdict.reason.startswith("external: nothing was compared")
    assert "%" not in verdict.reason
    assert [row["symbol"] for row in verdict.offenders] == ["000660"]


def test_a_broker_that_stated_some_is_external_and_the_others_are_told():
    verdict = official_figures_agree([AGREES, AWAY])
    assert (verdict.passed, verdict.severity, verdict.external) == (False, Severity.WARN, True)
    assert verdict.reason.startswith("external: the broker stated no figures for 1 symbols and venues")
    assert "of the others 1 agree" in verdict.reason


@pytest.mark.parametrize(("lost", "severity"), [(10, Severity.WARN), (11, Severity.ERROR)])
def test_shares_of_an_outage_have_a_reason_and_are_ours(lost, severity):
    """The collector began late, or ended early: no broker is to blame."""
    out = Reconciled("005930", "KRX", 1_000, 1_000 - lost, {Reason.OUTAGE: lost})
    verdict = official_figures_agree([out])
    assert (verdict.passed, verdict.severity, verdict.external) == (False, severity, False)
    assert f"{lost} shares in an outage" in verdict.observed
    assert [(row["symbol"], row["outage_volume"]) for row in verdict.offenders] == [("005930", lost)]
    assert official_figures_agree([out, AWAY]).external is False


def test_what_nobody_undertook_to_watch_is_no_fault():
    later = Reconciled("005930", "KRX", 1_000, 400, {Reason.BEFORE_WATCH: 600})
    assert official_figures_agree([later]).passed


def test_a_day_without_trades_is_compared_with_nothing_and_is_not_green():
    verdict = official_figures_agree([])
    assert (verdict.passed, verdict.severity, verdict.external) == (False, Severity.WARN, False)
    assert (
        verdict.reason
        == "Nothing was compared: no trade of the day is in the lake, and no symbol was selected."
    )
