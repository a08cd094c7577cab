"""The codes of websocket replies and what a client does about each (broker reference, 6.4).

Invariant: the table decides, not the caller; an unlisted code is retried later, never at once.
"""

from __future__ import annotations

from enum import StrEnum


class ReplyPolicy(StrEnum):
    """What the client does about a reply.

    Members:
        SUCCESS: Nothing.
        ALREADY_ACTIVE: The registration stands; mark it active.
        NOT_FOUND: There was nothing to release; ignore it.
        RETRY_LATER: A passing fault; try again after a pause.
        PLANNING_FAULT: Too many registrations; do not retry, drop one or move it to another session.
        CREDENTIAL: Get a new approval key once, then back off; the app key may be wrong.
        ALREADY_IN_USE: Another session of this app key exists; back off for minutes.
        PROGRAMMING_ERROR: The message was wrong; do not repeat it.
    """

    SUCCESS = "success"
    ALREADY_ACTIVE = "already_active"
    NOT_FOUND = "not_found"
    RETRY_LATER = "retry_later"
    PLANNING_FAULT = "planning_fault"
    CREDENTIAL = "credential"
    ALREADY_IN_USE = "already_in_use"
    PROGRAMMING_ERROR = "programming_error"


_POLICIES = {
    ReplyPolicy.SUCCESS: ("OPSP0000", "OPSP0001"),
    ReplyPolicy.ALREADY_ACTIVE: ("OPSP0002",),
    ReplyPolicy.NOT_FOUND: ("OPSP0003",),
    ReplyPolicy.RETRY_LATER: ("OPSP0007", "OPSP0009", "OPSP8999", "OPSP9993", "OPSP9995"),
    ReplyPolicy.PLANNING_FAULT: ("OPSP0008",),
    ReplyPolicy.CREDENTIAL: ("OPSP0010", "OPSP0011", "OPSP8994", "OPSP8995", "OPSP9994", "OPSP9996"),
    ReplyPolicy.ALREADY_IN_USE: ("OPSP8996",),
    ReplyPolicy.PROGRAMMING_ERROR: (
        "OPSP8991", "OPSP8992", "OPSP8993", "OPSP8997", "OPSP8998",
        "OPSP9990", "OPSP9991", "OPSP9992", "OPSP9997", "OPSP9998", "OPSP9999",
    ),
}  # fmt: skip

_POLICY_OF = {code: policy for policy, codes in _POLICIES.items() for code in codes}

LISTED_CODES = frozenset(_POLICY_OF)


def reply_policy(code: str) -> ReplyPolicy:
    """Returns what the client does about a reply with this `msg_cd`."""
    return _POLICY_OF.get(code, ReplyPolicy.RETRY_LATER)
