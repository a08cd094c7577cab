"""The error codes of the REST interface, as the classes of the error tree (broker reference, 3.4).

Invariant: the code decides, not the HTTP status; only an answer without a code is judged by its
status. An unlisted code is a request error below status 500 and retryable from there on.
"""

from __future__ import annotations

from collections.abc import Callable

from observer_core.errors import (
    BrokerCredentialError,
    BrokerError,
    BrokerRequestError,
    BrokerRetryableError,
)

TOKEN_TOO_OFTEN = "EGW00133"
# What stands for the code of an answer that has none.
NO_OUTPUT, HTTP_STATUS = "no output", "HTTP "
# The token in use is not accepted: it is dropped and asked for again, once.
TOKEN_REFUSED = frozenset({"EGW00121", "EGW00122", "EGW00123"})
# Too many requests a second; several gateways count apart, so it happens below the limit too.
RATE_EXCEEDED = frozenset({"EGW00201", "EGW00215"})


def _codes(prefix: str, *numbers: int) -> set[str]:
    width = 9 - len(prefix) - 1
    return {f"{prefix}{number:0{width}d}" for number in numbers}


_RETRYABLE = frozenset(
    RATE_EXCEEDED
    | {TOKEN_TOO_OFTEN}
    | _codes("EGW", 1, 2, 202, 203, 204, 300, 301, 302)
    | _codes("OPSQ", *range(1, 11), 1002, 2003, 3001, 3002, 3003, 3004)
)
_CREDENTIAL = frozenset(TOKEN_REFUSED | _codes("EGW", 102, 103, 104, 105, 127, 128, 129, 130, 304))
_REQUEST = frozenset(
    _codes("EGW", 3, 4, 101, *range(106, 121), 124, 125, 126, 131, 132, *range(205, 214), 303)
    | _codes("OPSQ", 2000, 2001, 2002, *range(9995, 10_000))
    | {"MCA05918"}
)
# An HTTP error may carry the code of a success.
_SUCCESS = frozenset({"MCA00000", "KIOK0500", "KIOK0530"})

_LISTED = _RETRYABLE | _CREDENTIAL | _REQUEST | _SUCCESS

# Takes what was asked for and the refusal, each time the broker refuses a request with a message code.
OnRefusal = Callable[[str, BrokerError], None]

_REMEDIES: dict[type[BrokerError], str] = {
    BrokerRetryableError: "It is retried; if it lasts, look for a maintenance notice of the broker.",
    BrokerCredentialError: "Check KIS_APP_KEY, KIS_APP_SECRET and KIS_ENVIRONMENT; look for a stray blank.",
    BrokerRequestError: "Check that the key may use this interface; else it is a bug of Observer.",
}


def broker_error(code: str, message: str, *, status: int | None) -> BrokerError:
    """Returns the error that an answer of the broker stands for.

    Args:
        code: The `msg_cd` or `error_code`.
        message: The `msg1` or `error_description`.
        status: The HTTP status.
    """
    kind = _class_of(code, status)
    return kind(code, message.strip() or "no text", status=status, remedy=_REMEDIES[kind])


def is_listed(code: str) -> bool:
    """Returns whether the broker's tables have a code; what stands for no code at all counts as listed."""
    return code in _LISTED or code == NO_OUTPUT or code.startswith(HTTP_STATUS)


def _class_of(code: str, status: int | None) -> type[BrokerError]:
    if code in _RETRYABLE:
        return BrokerRetryableError
    if code in _CREDENTIAL:
        return BrokerCredentialError
    listed = code.startswith(("EGW", "OPSQ", "MCA"))
    if not listed and status is not None and status >= 500:
        return BrokerRetryableError
    return BrokerRequestError
