"""With which app key the broker is connected.

Invariant: the first key, unless the broker has just said that its session exists: the slot of a process that
was killed stays in use for minutes (OPSP8996). Then the reserve is tried at once, and once; whatever ends its
connection, the first key is the next one. A key has its own approval, its own budget of connects and its own
lock, because the broker counts sessions and connects by key.
"""

from __future__ import annotations

from pydantic import SecretStr

from observer_collector.lock import WriterLock
from observer_collector.session.commands import EndCause
from observer_collector.session.connect_budget import ConnectBudget
from observer_core.brokers.kis.rest_errors import OnRefusal
from observer_core.brokers.kis.tokens import TokenStore
from observer_core.logs import hide, logger

_log = logger(__name__)


class AppKey:
    """One app key's way to a session.

    Args:
        name: `first` or `reserve`.
        tokens: Source of its approval key.
        budget: Its connects of the last hour.
        lock: Its lock where this process does not hold it anyway; it is held while the key is in use.
    """

    def __init__(
        self, name: str, tokens: TokenStore, budget: ConnectBudget, *, lock: WriterLock | None = None
    ) -> None:
        self.name = name
        self.budget = budget
        self.tokens = tokens
        self._lock = lock
        self._refused: SecretStr | None = None

    async def approval_key(self) -> SecretStr:
        """Returns an approval key, another one than the broker refused.

        Raises:
            ExternalError: The broker gives none now.
            StorageError: The cache cannot be written or stays locked.
        """
        if self._refused is None:
            key = await self.tokens.approval_key()
        else:
            key = await self.tokens.replace_approval_key(self._refused)
            self._refused = None
        hide([key])
        return key

    def refuse(self, key: SecretStr) -> None:
        """States that the broker did not accept an approval key."""
        self._refused = key

    def take(self) -> bool:
        """Returns whether this process may use the key: nobody else on this volume does."""
        return self._lock is None or self._lock.try_acquire()

    def give_back(self) -> None:
        """Lets another process use it."""
        if self._lock is not None:
            self._lock.release()


class AppKeys:
    """The app keys of one collector.

    Args:
        first: The key of the REST interface as well.
        reserve: The key for the time in which the first one's session lingers; None where there is none.
    """

    def __init__(self, first: AppKey, reserve: AppKey | None = None) -> None:
        self._first = first
        self.reserve = reserve
        self.current = first

    def listen(self, on_refusal: OnRefusal) -> None:
        """Has every refusal of a token or an approval key told."""
        for key in (self._first, self.reserve):
            if key is not None:
                key.tokens.on_refusal = on_refusal

    def ended(self, cause: EndCause) -> bool:
        """Takes why a connection ended or did not come about; returns whether another key is due at once."""
        if self.current is not self._first:
            self.current.give_back()
            self.current = self._first
            return False
        if cause is not EndCause.IN_USE or self.reserve is None or not self.reserve.take():
            return False
        self.current = self.reserve
        _log.warning("The app key's session is in use at the broker; the reserve key takes over.")
        return True
