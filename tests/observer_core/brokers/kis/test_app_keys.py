"""The forms of app key and app secret (broker reference, 2.1: 36 and 180 characters)."""

import string

import pytest

from observer_core.brokers.kis.app_keys import check_shape, require_app_keys
from observer_core.brokers.kis.oauth import KisOAuth
from observer_core.brokers.kis.tokens import TokenStore
from observer_core.brokers.kis.transport import http_client
from observer_core.errors import ConfigurationError
from observer_core.settings import KisSettings

from .conftest import APP_KEY, APP_SECRET

OTHER = {"KIS_RESERVE_APP_KEY": "PSzyxwvutsrqponmlkjihgfedcba76543210", "KIS_RESERVE_APP_SECRET": "r" * 180}
ELSEWHERE = {"KIS_REST_URL": "http://127.0.0.1:1"}


def settings(**variables):
    return KisSettings.load({"KIS_APP_KEY": APP_KEY, "KIS_APP_SECRET": APP_SECRET, **variables})


@pytest.mark.parametrize(
    "variables",
    [
        {},
        OTHER,
        {"KIS_ENVIRONMENT": "paper"},
        # The newline at the end of a secret file is taken off before.
        {"KIS_APP_KEY": f"{APP_KEY}\n", "KIS_APP_SECRET": f" {APP_SECRET}\r\n"},
        # base64 has these signs, and no key is promised to begin with P.
        {"KIS_APP_SECRET": (string.ascii_letters + string.digits + "+/=-_.") * 2 + "A" * 44},
        {"KIS_APP_KEY": "7" * 36},
        # Another broker's keys have another length, and its own words in them.
        ELSEWHERE | {"KIS_APP_KEY": "PSTEST", "KIS_APP_SECRET": "secret-of-the-test"},
    ],
)
def test_what_a_broker_may_have_issued_is_accepted(variables):
    require_app_keys(settings(**variables))


@pytest.mark.parametrize("elsewhere", [{}, ELSEWHERE])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (f'"{APP_SECRET}"', "quotation mark"),
        (f"'{APP_SECRET[:178]}'", "quotation mark"),
        (APP_SECRET[:90] + " " + APP_SECRET[91:], "blank or a line end"),
        (APP_SECRET[:90] + "\n" + APP_SECRET[91:], "blank or a line end"),
        (APP_SECRET[:90] + "\u00a0" + APP_SECRET[91:], "blank or a line end"),
        (APP_SECRET[:90] + "키" + APP_SECRET[91:], "no request can carry"),
        (APP_SECRET[:90] + "\x00" + APP_SECRET[91:], "no request can carry"),
        ("<KIS_APP_SECRET>", "is a placeholder"),
        ("${KIS_APP_SECRET}", "is a placeholder"),
        ("your-app-secret", "is a placeholder"),
        ("xxxxxxxxxxxx", "is a placeholder"),
    ],
)
def test_what_no_broker_issues_is_refused_by_name_and_never_shown(value, problem, elsewhere):
    """The message has the variable, the form that is expected and what to do; not a part of the value."""
    with pytest.raises(ConfigurationError, match=f"^KIS_APP_SECRET .*{problem}.* 180 letters") as caught:
        require_app_keys(settings(KIS_APP_SECRET=value, **elsewhere))
    told = str(caught.value)
    assert "Copy it once more" in told
    assert not any(value[at : at + 8] in told for at in range(len(value) - 7) if "KIS_APP" not in value)


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("KIS_APP_KEY", APP_KEY[:-1], "has 35 characters; the broker issues 36"),
        ("KIS_APP_KEY", APP_KEY + "0", "has 37 characters; the broker issues 36"),
        ("KIS_APP_SECRET", APP_SECRET[:-2], "has 178 characters; the broker issues 180"),
    ],
)
def test_a_value_that_was_not_copied_whole_is_refused_at_the_brokers_own_address(variable, value, problem):
    with pytest.raises(ConfigurationError, match=f"^{variable} {problem}") as caught:
        require_app_keys(settings(**{variable: value}))
    assert "KIS_REST_URL" in caught.value.remedy
    require_app_keys(settings(**{variable: value}, **ELSEWHERE))


def test_key_and_secret_exchanged_are_told_so():
    with pytest.raises(
        ConfigurationError, match="KIS_APP_KEY holds an app secret, and KIS_APP_SECRET an app"
    ):
        require_app_keys(settings(KIS_APP_KEY=APP_SECRET, KIS_APP_SECRET=APP_KEY))


def test_the_reserve_is_judged_by_its_own_names():
    broken = OTHER | {"KIS_RESERVE_APP_SECRET": "r" * 179}
    with pytest.raises(ConfigurationError, match=r"^KIS_RESERVE_APP_SECRET has 179 characters"):
        require_app_keys(settings(**broken))


@pytest.mark.parametrize("missing", ["KIS_APP_KEY", "KIS_APP_SECRET"])
@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_missing_or_blank_value_is_not_set(missing, blank):
    with pytest.raises(ConfigurationError, match=f"^{missing} is not set"):
        require_app_keys(settings(**{missing: blank}))


async def test_no_request_is_made_with_a_key_that_cannot_be_one(broker, shifted_clock, tmp_path):
    """Whichever program asks for a token or an approval key, the pipeline for one: it fails before."""
    broken = broker.settings(KIS_APP_SECRET=f'"{APP_SECRET}"')
    with pytest.raises(ConfigurationError, match="KIS_APP_SECRET has a quotation mark"):
        check_shape(broken)
    async with http_client(broker.url) as http:
        store = TokenStore(
            tmp_path / "cache.json", broken, KisOAuth(http, broken, shifted_clock), shifted_clock
        )
        for ask in (store.access_token, store.approval_key):
            with pytest.raises(ConfigurationError, match="KIS_APP_SECRET has a quotation mark"):
                await ask()
    assert broker.requests == []
