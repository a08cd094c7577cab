"""The codes of websocket replies against the broker reference, 6.4."""

import pytest

from observer_core.brokers.kis.codes import ReplyPolicy, reply_policy

TABLE = """
success OPSP0000 OPSP0001
already_active OPSP0002
not_found OPSP0003
retry_later OPSP0007 OPSP0009 OPSP8999 OPSP9993 OPSP9995
planning_fault OPSP0008
credential OPSP0010 OPSP0011 OPSP8994 OPSP8995 OPSP9994 OPSP9996
already_in_use OPSP8996
programming_error OPSP8991 OPSP8992 OPSP8993 OPSP8997 OPSP8998
programming_error OPSP9990 OPSP9991 OPSP9992 OPSP9997 OPSP9998 OPSP9999
"""
ROWS = [(code, line.split()[0]) for line in TABLE.strip().splitlines() for code in line.split()[1:]]


@pytest.mark.parametrize(("code", "policy"), ROWS)
def test_each_documented_code_has_its_policy(code, policy):
    assert reply_policy(code) == policy


@pytest.mark.parametrize("code", ["OPSP7777", "", "X"])
def test_an_undocumented_code_is_never_repeated_at_once(code):
    assert reply_policy(code) is ReplyPolicy.RETRY_LATER
