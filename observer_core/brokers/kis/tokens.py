"""Who may ask the broker for a token, and when (broker reference, 2.2, 2.3 and 3.4).

Invariant: over all processes that share the cache file, at most one request is under way, at most
one token request is made in 61 seconds, whatever its outcome, and a refused token is asked for anew
once: if the broker returns the same one, nobody asks again before its six hours are over; until then
that one is tried anew a minute after each refusal, since the broker may accept it again. A refusal is
remembered while it blocks, so that everybody fails at once and with its reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from observer_core.brokers.kis.app_keys import check_shape
from observer_core.brokers.kis.endpoints import fingerprint_of
from observer_core.brokers.kis.oauth import IssuedCredential, KisOAuth
from observer_core.brokers.kis.rest_errors import TOKEN_TOO_OFTEN, OnRefusal, broker_error
from observer_core.brokers.kis.transport import NotConnectedError
from observer_core.brokers.token_cache import Entry, Failure, TokenCache, digest
from observer_core.clock import KST, Clock
from observer_core.errors import BrokerError, BrokerRetryableError, ConfigurationError, ExternalError
from observer_core.logs import hide, logger
from observer_core.settings import KisSettings

RENEW_AHEAD = timedelta(minutes=10)
_TOKEN_SPACING = timedelta(seconds=61)
_APPROVAL_SPACING = timedelta(seconds=1)
_SAME_TOKEN_FOR = timedelta(hours=6)
_SHORTEST_PAUSE = timedelta(minutes=10)
_REST = timedelta(minutes=1)
# A block further ahead was written under another clock.
_LONGEST_PAUSE = _SAME_TOKEN_FOR + timedelta(hours=1)

_log = logger(__name__)


class TokenPauseError(BrokerRetryableError):
    """The broker was asked a moment ago; it is not asked again yet.

    Args:
        what: `access token` or `approval key`.
        until: When it may be asked again.
    """

    def __init__(self, what: str, until: datetime) -> None:
        super().__init__(TOKEN_TOO_OFTEN, "")
        self.until = until
        local = until.astimezone(KST)
        self.message = f"The {what} was asked for a moment ago; the next request may go at {local:%H:%M:%S}."
        self.remedy = "It is retried then; the broker allows one token request a minute."


@dataclass(frozen=True, slots=True)
class TokenState:
    """A token or approval key without its secret.

    Attributes:
        fingerprint: Digest of the app key and its environment.
        issued_at: When the broker gave it.
        expires_at: When it ends.
    """

    fingerprint: str
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Credential:
    name: str
    spacing: timedelta
    issue: Callable[[], Awaitable[IssuedCredential]]


class TokenStore:
    """Token and approval key of one app key, shared by all processes through the cache file.

    Args:
        path: The cache file (`Paths.token_cache`).
        settings: App key, secret and environment.
        oauth: Asks the broker.
        clock: Time of validity and spacing.

    Attributes:
        on_refusal: Takes each refusal of the broker, not those that are remembered.
    """

    def __init__(self, path: Path, settings: KisSettings, oauth: KisOAuth, clock: Clock) -> None:
        hide((settings.app_key, settings.app_secret, settings.hts_id))
        self._settings = settings
        self._clock = clock
        self.fingerprint = fingerprint_of(settings)
        self._cache = TokenCache(path, self.fingerprint)
        self._token = _Credential("access_token", _TOKEN_SPACING, oauth.issue_access_token)
        self._approval = _Credential("approval_key", _APPROVAL_SPACING, oauth.issue_approval_key)
        self.on_refusal: OnRefusal = lambda _name, _error: None

    async def access_token(self) -> SecretStr:
        """Returns a token that is valid now, from the cache if it can be.

        Raises:
            ConfigurationError: The app key or secret is not set, or nothing that the broker issues.
            BrokerCredentialError: The broker refuses key, secret or token; asking again does not help.
            BrokerRetryableError: The broker cannot be asked yet, or had a passing fault.
            NetworkError: The broker gave no answer.
            StorageError: The cache cannot be written or stays locked.
        """
        return await self._obtain(self._token, refused=None)

    async def replace_access_token(self, refused: SecretStr) -> SecretStr:
        """Returns another token than one the broker did not accept.

        Raises:
            BrokerCredentialError: The broker returned the refused token again; it is not asked before its
                six hours are over, and `access_token` gives that one once a minute has passed.
            ExternalError: As for `access_token`.
        """
        return await self._obtain(self._token, refused=refused)

    async def renew_ahead(self, until: datetime) -> bool:
        """Renews the access token now if it would end before an instant, and if another can be had.

        Within six hours of its issue the broker returns the same token: then there is nothing to renew.

        Args:
            until: The instant that the token shall outlast.

        Returns:
            Whether there is a token that outlasts it, or none that could be had now.

        Raises:
            ConfigurationError: The app key or secret is not set, or nothing that the broker issues.
            ExternalError: As for `access_token`.
            StorageError: The cache cannot be written or stays locked.
        """
        self._require_keys()
        if not self._renewable(self._cache.read(self._token.name), until):
            return True
        async with self._cache.locked():
            entry = self._cache.read(self._token.name)
            if self._renewable(entry, until):
                await self._renew(self._token, entry)
        return self._outlasts(self._cache.read(self._token.name), until)

    async def approval_key(self) -> SecretStr:
        """Returns a websocket key younger than its 24 hours; raises as `access_token`."""
        return await self._obtain(self._approval, refused=None)

    async def replace_approval_key(self, refused: SecretStr) -> SecretStr:
        """Returns another key than one the broker did not accept (OPSP0011); raises as `access_token`."""
        return await self._obtain(self._approval, refused=refused)

    def token_state(self) -> TokenState | None:
        """Returns what the cache says about the access token; None where it has none."""
        return self._state(self._token)

    def approval_state(self) -> TokenState | None:
        """Returns what the cache says about the approval key; None where it has none."""
        return self._state(self._approval)

    def _state(self, credential: _Credential) -> TokenState | None:
        entry = self._cache.read(credential.name)
        if entry.value is None or entry.issued_at is None or entry.expires_at is None:
            return None
        if entry.doubtful and not self._is_to_be_tried(entry):
            return None
        return TokenState(self.fingerprint, entry.issued_at, entry.expires_at)

    async def _obtain(self, credential: _Credential, *, refused: SecretStr | None) -> SecretStr:
        entry = self._cache.read(credential.name).without(refused)
        if entry.value is not None and self._is_fresh(entry):
            return entry.value
        self._require_keys()
        async with self._cache.locked():
            # Another process may have renewed it while this one waited for the lock.
            known = self._cache.read(credential.name)
            entry = known.without(refused)
            if entry.value is not None and self._is_fresh(entry):
                return entry.value
            if entry is not known and known.doubtful:
                self._cache.write(credential.name, replace(known, rests_until=self._clock.now() + _REST))
            try:
                return await self._renew(credential, entry)
            except ExternalError as error:
                if entry.value is None or entry.doubtful or not self._is_alive(entry):
                    raise
                _log.warning(
                    "Renewal failed; the old one is still valid.", what=credential.name, error=str(error)
                )
                return entry.value

    async def _renew(self, credential: _Credential, entry: Entry) -> SecretStr:
        """Asks the broker once, with the lock held, and keeps the outcome."""
        now = self._clock.now()
        self._check_block(credential, entry, now)
        pending = replace(entry, blocked_until=now + credential.spacing, failure=None)
        # Kept before the request: a process that dies in it must not be followed by a second one.
        self._cache.write(credential.name, pending)
        try:
            issued = await credential.issue()
        except NotConnectedError:
            self._cache.write(credential.name, replace(entry, blocked_until=None, failure=None))
            raise
        except BrokerError as error:
            failure = Failure(error.code, error.text, error.status)
            self._cache.write(credential.name, replace(pending, failure=failure))
            self.on_refusal(credential.name, error)
            raise
        hide([issued.value])
        self._check_alive(credential, pending, issued, now)
        self._cache.write(
            credential.name,
            replace(
                pending,
                value=issued.value,
                issued_at=issued.issued_at,
                expires_at=issued.expires_at,
                rests_until=None,
            ),
        )
        return issued.value

    def _check_block(self, credential: _Credential, entry: Entry, now: datetime) -> None:
        until = entry.blocked_until
        if until is None or not now < until <= now + _LONGEST_PAUSE:
            return
        if entry.failure is not None:
            failure = entry.failure
            raise broker_error(failure.code, failure.message, status=failure.status)
        raise TokenPauseError(credential.name.replace("_", " "), until)

    def _check_alive(
        self, credential: _Credential, pending: Entry, issued: IssuedCredential, now: datetime
    ) -> None:
        """Refuses a value that the broker itself will not accept, and blocks until it can give another.

        One that has not ended is kept: a broker that refused it by mistake takes it again.
        """
        expired = issued.expires_at <= now
        if digest(issued.value.get_secret_value()) != pending.refused and not expired:
            return
        until = max(issued.issued_at + _SAME_TOKEN_FOR, now + _SHORTEST_PAUSE)
        tried = "" if expired else "it is tried each minute, and "
        failure = Failure(
            "EGW00121",
            f"a token that is no longer valid was given again; {tried}asked again at "
            f"{until.astimezone(KST):%H:%M}",
            200,
        )
        kept = replace(
            pending,
            value=None if expired else issued.value,
            issued_at=issued.issued_at,
            expires_at=issued.expires_at,
            blocked_until=until,
            failure=failure,
            rests_until=now + _REST,
        )
        self._cache.write(credential.name, kept)
        raise broker_error(failure.code, failure.message, status=failure.status)

    def _require_keys(self) -> None:
        if not (self._settings.app_key.get_secret_value() and self._settings.app_secret.get_secret_value()):
            raise ConfigurationError(
                "KIS_APP_KEY or KIS_APP_SECRET is not set.",
                remedy="Set both, or run the simulator by leaving both empty with `make up`.",
            )
        check_shape(self._settings)

    def _renewable(self, entry: Entry, until: datetime) -> bool:
        if entry.issued_at is not None and self._clock.now() < entry.issued_at + _SAME_TOKEN_FOR:
            return False
        return not self._outlasts(entry, until)

    @staticmethod
    def _outlasts(entry: Entry, until: datetime) -> bool:
        return entry.value is not None and entry.expires_at is not None and entry.expires_at > until

    def _is_fresh(self, entry: Entry) -> bool:
        if entry.doubtful and not self._is_to_be_tried(entry):
            return False
        return entry.expires_at is not None and self._clock.now() < entry.expires_at - RENEW_AHEAD

    def _is_to_be_tried(self, entry: Entry) -> bool:
        """Returns whether a doubtful value has rested, and no other can be had yet."""
        now, rests, blocked = self._clock.now(), entry.rests_until, entry.blocked_until
        # A rest further ahead was written under another clock.
        resting = rests is not None and now < rests <= now + _REST
        return not resting and blocked is not None and now < blocked <= now + _LONGEST_PAUSE

    def _is_alive(self, entry: Entry) -> bool:
        return entry.expires_at is not None and self._clock.now() < entry.expires_at
