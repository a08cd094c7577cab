"""The access token of a Kiwoom app key (Kiwoom reference, section 2).

Invariant: over all processes that share the cache file, at most one token request is made in 61 seconds,
whatever its outcome. Kiwoom gives the same token while it is valid, so a refused one is asked for anew
once, and if it comes back, nobody asks again before the pause is over. It is never revoked: every process
has the same one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
from pydantic import SecretStr

from observer_core.brokers.kiwoom.answers import broker_error, incomplete
from observer_core.brokers.kiwoom.transport import exchange, rest_url
from observer_core.brokers.token_cache import Entry, Failure, TokenCache, digest
from observer_core.clock import KST, Clock
from observer_core.errors import BrokerError, BrokerRetryableError, ConfigurationError
from observer_core.logs import hide
from observer_core.settings import KiwoomSettings

# An earlier request gives the same token with the same end, so there is no point in asking earlier.
RENEW_AHEAD = timedelta(minutes=1)
_KIND = "access_token"
_PATH = "/oauth2/token"
_LIFETIME = timedelta(hours=24)
_SPACING = timedelta(seconds=61)
_REFUSED_AGAIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class KiwoomTokenState:
    """The access token without its secret.

    Attributes:
        fingerprint: Digest of the app key and its host.
        expires_at: When it ends.
    """

    fingerprint: str
    expires_at: datetime


class KiwoomTokens:
    """The token of one app key, shared by all processes through the cache file.

    Args:
        path: The cache file (`Paths.token_cache`).
        settings: App key, secret and environment.
        http: Client with the broker's address.
        clock: Time of validity and spacing.
    """

    def __init__(self, path: Path, settings: KiwoomSettings, http: httpx.AsyncClient, clock: Clock) -> None:
        hide((settings.app_key, settings.app_secret))
        self._settings = settings
        self._http = http
        self._clock = clock
        self.fingerprint = digest(f"kiwoom\n{rest_url(settings)}\n{settings.app_key.get_secret_value()}")
        self._cache = TokenCache(path, self.fingerprint)

    async def access_token(self, *, refused: SecretStr | None = None) -> SecretStr:
        """Returns a token that is valid now, from the cache if it can be.

        Args:
            refused: A token that the broker did not accept; another one is returned.

        Raises:
            ConfigurationError: The app key or secret is not set.
            BrokerCredentialError: The broker refuses key, secret or host, or gave the refused token again.
            BrokerRetryableError: The broker was asked a moment ago, or had a passing fault.
            NetworkError: The broker gave no answer.
            StorageError: The cache cannot be written or stays locked.
        """
        if not self._settings.is_configured:
            raise ConfigurationError(
                "KIWOOM_APP_KEY or KIWOOM_APP_SECRET is not set.",
                remedy="Set both, or leave this source of symbols out.",
            )
        entry = self._cache.read(_KIND).without(refused)
        if entry.value is not None and self._is_fresh(entry):
            return entry.value
        async with self._cache.locked():
            # Another process may have renewed it while this one waited for the lock.
            entry = self._cache.read(_KIND).without(refused)
            if entry.value is not None and self._is_fresh(entry):
                return entry.value
            return await self._renew(entry)

    def state(self) -> KiwoomTokenState | None:
        """Returns what the cache says about the token; None where it has none."""
        entry = self._cache.read(_KIND)
        if entry.value is None or entry.expires_at is None:
            return None
        return KiwoomTokenState(self.fingerprint, entry.expires_at)

    async def _renew(self, entry: Entry) -> SecretStr:
        """Asks the broker once, with the lock held, and keeps the outcome."""
        now = self._clock.now()
        self._check_block(entry, now)
        pending = replace(entry, blocked_until=now + _SPACING, failure=None)
        # Kept before the request: a process that dies in it must not be followed by a second one.
        self._cache.write(_KIND, pending)
        try:
            value, expires_at = await self._ask()
        except BrokerError as error:
            failure = Failure(error.code, error.text, error.status)
            self._cache.write(_KIND, replace(pending, failure=failure))
            raise
        hide([value])
        if digest(value.get_secret_value()) == pending.refused or expires_at <= now:
            failure = Failure("8005", "a token that is not accepted was given again", 200)
            until = now + _REFUSED_AGAIN
            self._cache.write(_KIND, replace(pending, value=None, blocked_until=until, failure=failure))
            raise broker_error(failure.code, failure.message, status=failure.status)
        # The broker does not tell when it first gave the token.
        given = replace(pending, value=value, issued_at=expires_at - _LIFETIME, expires_at=expires_at)
        self._cache.write(_KIND, given)
        return value

    async def _ask(self) -> tuple[SecretStr, datetime]:
        body = {
            "grant_type": "client_credentials",
            "appkey": self._settings.app_key.get_secret_value(),
            "secretkey": self._settings.app_secret.get_secret_value(),
        }
        answer = await exchange(self._http, _PATH, headers={}, body=body)
        value, ends = answer.body.get("token"), answer.body.get("expires_dt")
        if not (isinstance(value, str) and value and isinstance(ends, str)):
            raise incomplete(_PATH, "token")
        try:
            # Korean time, written without a zone: read as local time it is nine hours wrong elsewhere.
            expires_at = datetime.strptime(ends, "%Y%m%d%H%M%S").replace(tzinfo=KST)
        except ValueError as error:
            raise incomplete(_PATH, "expires_dt") from error
        return SecretStr(value), expires_at

    def _check_block(self, entry: Entry, now: datetime) -> None:
        until = entry.blocked_until
        # A block further ahead was written under another clock.
        if until is None or not now < until <= now + _REFUSED_AGAIN:
            return
        if entry.failure is not None:
            failure = entry.failure
            raise broker_error(failure.code, failure.message, status=failure.status)
        raise BrokerRetryableError(
            "asked a moment ago",
            f"Kiwoom's token may be asked for again at {until.astimezone(KST):%H:%M:%S}",
            remedy="It is retried then.",
        )

    def _is_fresh(self, entry: Entry) -> bool:
        return entry.expires_at is not None and self._clock.now() < entry.expires_at - RENEW_AHEAD
