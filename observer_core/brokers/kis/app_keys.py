"""Whether app key and app secret can be what the broker has issued (broker reference, 2.1).

Invariant: refused is only what the broker cannot have issued, by the variable's name; no message has a value
in it. An app key has 36 characters and an app secret 180. Another broker, one whose address the operator has
named, may issue other ones: there only what nobody issues is refused.
"""

from __future__ import annotations

from pydantic import SecretStr

from observer_core.errors import ConfigurationError
from observer_core.settings import KisSettings
from observer_core.settings.placeholders import is_placeholder

_KEY_LENGTH, _SECRET_LENGTH = 36, 180
_QUOTES = "\"'`"


def require_app_keys(settings: KisSettings) -> None:
    """Checks the app key, and the reserve where there is one.

    Raises:
        ConfigurationError: A key or secret is missing or has another shape than the broker's, only half of
            the reserve is set, or the reserve is no second key.
    """
    for variable, value in (("KIS_APP_KEY", settings.app_key), ("KIS_APP_SECRET", settings.app_secret)):
        if not value.get_secret_value():
            raise ConfigurationError(
                f"{variable} is not set.",
                remedy=f"Set {variable}; `make up` simulates the broker where it is not set.",
            )
    reserve = settings.reserve_app_key.get_secret_value()
    if bool(reserve) != bool(settings.reserve_app_secret.get_secret_value()):
        raise ConfigurationError(
            "Only one of KIS_RESERVE_APP_KEY and KIS_RESERVE_APP_SECRET is set.", remedy="Set both, or none."
        )
    if reserve and reserve == settings.app_key.get_secret_value():
        raise ConfigurationError(
            "KIS_RESERVE_APP_KEY is KIS_APP_KEY, which has one session only.",
            remedy="Set the reserve to a key of its own, or leave it out.",
        )
    check_shape(settings)
    if settings.reserve is not None:
        check_shape(settings.reserve, prefix="KIS_RESERVE")


def check_shape(settings: KisSettings, *, prefix: str = "KIS") -> None:
    """Checks an app key and its secret that are set.

    Args:
        settings: The pair, and the broker's address.
        prefix: What the names of its variables begin with.

    Raises:
        ConfigurationError: One of them is nothing that the broker issues.
    """
    key, secret = (f"{prefix}_APP_KEY", settings.app_key), (f"{prefix}_APP_SECRET", settings.app_secret)
    lengths = _length(settings.app_key), _length(settings.app_secret)
    is_brokers_own = not settings.rest_url
    if is_brokers_own and lengths == (_SECRET_LENGTH, _KEY_LENGTH):
        raise ConfigurationError(
            f"{key[0]} holds an app secret, and {secret[0]} an app key.", remedy="Exchange the two."
        )
    for (variable, value), length in ((key, _KEY_LENGTH), (secret, _SECRET_LENGTH)):
        problem = _problem(value.get_secret_value(), length if is_brokers_own else None)
        if problem:
            raise _refused(variable, problem, length, is_brokers_own=is_brokers_own)


def _length(value: SecretStr) -> int:
    return len(value.get_secret_value())


def _problem(value: str, length: int | None) -> str:
    """Returns what is wrong with a value; empty where nothing is."""
    if is_placeholder(value):
        return "is a placeholder"
    if any(character.isspace() for character in value):
        return "has a blank or a line end in it"
    if any(quote in value for quote in _QUOTES):
        return "has a quotation mark in it"
    if not (value.isascii() and value.isprintable()):
        return "has a character in it that no request can carry"
    if length is not None and len(value) != length:
        return f"has {len(value)} characters"
    return ""


def _refused(variable: str, problem: str, length: int, *, is_brokers_own: bool) -> ConfigurationError:
    remedy = "Copy it once more from the broker's page, whole, without quotation marks and blanks."
    if is_brokers_own:
        remedy += " Where the broker has issued another length, name its address in KIS_REST_URL as well."
    return ConfigurationError(
        f"{variable} {problem}; the broker issues {length} letters, digits and signs in one piece.",
        remedy=remedy,
    )
