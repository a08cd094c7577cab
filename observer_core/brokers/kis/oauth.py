"""Asking the broker for a token and an approval key (broker reference, 2.2 and 2.3).

Invariant: one call is one request; who may call when is decided by the token store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
from pydantic import SecretStr

from observer_core.brokers.kis.transport import exchange, incomplete
from observer_core.clock import KST, Clock
from observer_core.settings import KisSettings

_TOKEN_PATH = "/oauth2/tokenP"
_APPROVAL_PATH = "/oauth2/Approval"
_APPROVAL_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class IssuedCredential:
    """A token or approval key as the broker gave it.

    Attributes:
        value: The secret.
        issued_at: When the broker first gave it: a repeated request returns an old token.
        expires_at: When it ends.
    """

    value: SecretStr = field(repr=False)
    issued_at: datetime
    expires_at: datetime


class KisOAuth:
    """The two OAuth endpoints for one app key.

    Args:
        http: Client with the broker's address.
        settings: App key and secret.
        clock: Time of an approval key's issue, which the broker does not tell.
    """

    def __init__(self, http: httpx.AsyncClient, settings: KisSettings, clock: Clock) -> None:
        self._http = http
        self._settings = settings
        self._clock = clock

    async def issue_access_token(self) -> IssuedCredential:
        """Asks for a REST token; within 6 hours the broker returns the same one.

        Raises:
            NetworkError: No answer.
            BrokerError: The broker refused, or answered without a token.
        """
        answer = await exchange(
            self._http,
            "POST",
            _TOKEN_PATH,
            headers={"content-type": "application/json; charset=UTF-8"},
            body=self._body("appsecret"),
        )
        try:
            value = answer.body["access_token"]
            ends = answer.body["access_token_token_expired"]
            # Korean time, written without a zone.
            expires_at = datetime.strptime(ends, "%Y-%m-%d %H:%M:%S").replace(tzinfo=KST)
            lifetime = timedelta(seconds=int(answer.body["expires_in"]))
        except (KeyError, TypeError, ValueError) as error:
            raise incomplete(_TOKEN_PATH, f"token ({type(error).__name__})") from error
        if not (isinstance(value, str) and value):
            raise incomplete(_TOKEN_PATH, "access_token")
        return IssuedCredential(SecretStr(value), expires_at - lifetime, expires_at)

    async def issue_approval_key(self) -> IssuedCredential:
        """Asks for a websocket key; each answer is a new one, valid for 24 hours.

        Raises:
            NetworkError: No answer.
            BrokerError: The broker refused, or answered without a key.
        """
        now = self._clock.now()
        answer = await exchange(
            self._http,
            "POST",
            _APPROVAL_PATH,
            headers={"content-type": "application/json; utf-8"},
            body=self._body("secretkey"),
        )
        value = answer.body.get("approval_key")
        if not (isinstance(value, str) and value):
            raise incomplete(_APPROVAL_PATH, "approval_key")
        return IssuedCredential(SecretStr(value), now, now + _APPROVAL_LIFETIME)

    def _body(self, secret_name: str) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "appkey": self._settings.app_key.get_secret_value(),
            secret_name: self._settings.app_secret.get_secret_value(),
        }
