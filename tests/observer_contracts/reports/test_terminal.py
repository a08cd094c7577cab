"""The text is short, and never sounds better than what was seen."""

import pytest

from observer_contracts.catalogue import RULES
from observer_contracts.model import Finding, Result, Status
from observer_contracts.reports.terminal import render_text


def _result(number: int, status: Status, observed: str = "seen") -> Result:
    return Result(RULES[number], Finding(status, "Kind/name", "expected", observed))


def test_what_nobody_could_look_at_is_one_line() -> None:
    """A cluster that is away is one reason, not sixty."""
    results = [_result(number, Status.UNKNOWN, "the connection is refused") for number in range(30)]
    text = render_text(results, colour=False)
    assert text.count("the connection is refused") == 1
    assert "30 rules" in text
    assert all(rule.id in text for rule in RULES[:30])
    assert len(text.splitlines()) == 3


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ([Status.PASS, Status.WARN, Status.EXTERNAL, Status.EXEMPT], "No contract is broken."),
        ([Status.PASS, Status.UNKNOWN], "Not seen to be broken, but not seen whole: rendering."),
        ([Status.FAIL, Status.UNKNOWN], "Broken contracts: rendering."),
    ],
)
def test_the_last_line_is_the_verdict(statuses: list[Status], verdict: str) -> None:
    """No evidence is not the same as no violation."""
    results = [_result(0, status) for status in statuses]
    assert render_text(results, colour=False).splitlines()[-1].endswith(verdict)


def test_each_finding_says_what_where_and_how_to_repair() -> None:
    """State, rule, object, expectation, observation and remedy of what fails; what passes is counted only."""
    text = render_text([_result(0, Status.FAIL), _result(1, Status.PASS)], colour=False)
    for part in ("FAIL", RULES[0].id, "Kind/name", "expected", "seen", RULES[0].remedy, "1 FAIL, 1 PASS"):
        assert part in text
    assert RULES[1].id not in text


def test_colours_are_for_terminals() -> None:
    """Escape sequences appear only where they were asked for."""
    results = [_result(0, Status.FAIL)]
    assert "\x1b" in render_text(results, colour=True)
    assert "\x1b" not in render_text(results, colour=False)
