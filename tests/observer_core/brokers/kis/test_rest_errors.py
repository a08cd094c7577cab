"""The error codes of the REST interface against the broker reference, 3.4."""

import pytest

from observer_core.brokers.kis.rest_errors import broker_error, is_listed
from observer_core.errors import BrokerCredentialError, BrokerRequestError, BrokerRetryableError

# Client action "retry", "wait" or "slow down".
RETRYABLE = [
    *("EGW00001", "EGW00002", "EGW00133", "EGW00201", "EGW00202", "EGW00203", "EGW00204", "EGW00215"),
    *("EGW00300", "EGW00301", "EGW00302", "OPSQ1002", "OPSQ2003", "OPSQ3001", "OPSQ3004"),
    *(f"OPSQ{number:04d}" for number in range(1, 11)),
]
# Client action "fatal: configuration", "configuration", or another token.
CREDENTIAL = [
    *("EGW00102", "EGW00103", "EGW00104", "EGW00105", "EGW00121", "EGW00122", "EGW00123"),
    *("EGW00127", "EGW00128", "EGW00129", "EGW00130", "EGW00304"),
]
# Client action "stop", "programming error" or "parameter error".
REQUEST = [
    *("EGW00003", "EGW00004", "EGW00101", "EGW00106", "EGW00119", "EGW00132", "EGW00205", "EGW00206"),
    *("EGW00207", "EGW00208", "EGW00209", "EGW00210", "EGW00211", "EGW00212", "EGW00213", "EGW00303"),
    *("OPSQ2000", "OPSQ2001", "OPSQ2002", "OPSQ9995", "OPSQ9999"),
]


@pytest.mark.parametrize("status", [200, 403, 500])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, BrokerRetryableError) for code in RETRYABLE),
        *((code, BrokerCredentialError) for code in CREDENTIAL),
        *((code, BrokerRequestError) for code in REQUEST),
    ],
)
def test_the_code_decides_whatever_the_status_is(code, kind, status):
    error = broker_error(code, " text padded with blanks   ", status=status)
    assert type(error) is kind
    assert (error.code, error.status) == (code, status)
    assert str(error).startswith(f"The broker answered {code}: text padded with blanks Remedy: ")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("HTTP 502", 502, BrokerRetryableError),
        ("HTTP 404", 404, BrokerRequestError),
        ("XYZ00001", 500, BrokerRetryableError),
        ("XYZ00001", 200, BrokerRequestError),
        ("EGW99999", 500, BrokerRequestError),
    ],
)
def test_an_unlisted_answer_is_judged_by_its_status(code, status, kind):
    assert type(broker_error(code, "", status=status)) is kind


@pytest.mark.parametrize(
    "code",
    [
        *(*RETRYABLE, *CREDENTIAL, *REQUEST, "EGW00120", "EGW00124"),
        *("MCA05918", "MCA00000", "KIOK0500", "KIOK0530"),
    ],
)
def test_the_codes_of_the_tables_are_listed(code):
    """Broker reference, 3.2 and 3.4."""
    assert is_listed(code)


@pytest.mark.parametrize("code", ["EGW00216", "EGW00005", "EGW99999", "OPSQ0011", "MCA05919", "XYZ00001", ""])
def test_a_code_that_no_table_has_is_not_listed(code):
    assert not is_listed(code)


@pytest.mark.parametrize("code", ["HTTP 404", "HTTP 502", "no output"])
def test_an_answer_without_a_code_is_no_unlisted_code(code):
    assert is_listed(code)
