"""Tokens and approval keys (broker reference, section 2).

Invariant: whatever the simulator accepts it has issued, and it goes on accepting it after a restart
until it expires or is revoked. Rules and time are those of the simulated clock.
"""

from __future__ import annotations

import base64
import hmac
import json
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any

from observer_core.clock import kst_datetime
from observer_core.clock.base import NANOSECONDS
from observer_simulator.market.seeds import digest

LIFE_SECONDS = 86_400

_SAME_TOKEN_NS = 6 * 3_600 * NANOSECONDS
_TOKEN_PAUSE_NS = 60 * NANOSECONDS


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer of the broker.

    Attributes:
        status: HTTP status.
        code: The broker's code.
        text: The broker's text.
    """

    status: int
    code: str
    text: str


BAD_APP_KEY = Refusal(403, "EGW00103", "유효하지 않은 AppKey입니다.")
NO_APP_KEY = Refusal(403, "EGW00102", "AppKey가 없습니다.")
BAD_APP_SECRET = Refusal(403, "EGW00105", "유효하지 않은 AppSecret입니다.")
NO_APP_SECRET = Refusal(403, "EGW00104", "AppSecret이 없습니다.")
BAD_REQUEST = Refusal(403, "EGW00101", "유효하지 않은 요청입니다.")
BAD_TOKEN = Refusal(500, "EGW00121", "유효하지 않은 token 입니다.")
EXPIRED_TOKEN = Refusal(500, "EGW00123", "기간이 만료된 token 입니다.")
TOKEN_TOO_SOON = Refusal(403, "EGW00133", "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)")


@dataclass(frozen=True, slots=True)
class Issued:
    """A token or approval key with its life, in nanoseconds since the Unix epoch, and whose it is."""

    value: str
    issued_ns: int
    app_key: str = ""

    @property
    def expires_ns(self) -> int:
        return self.issued_ns + LIFE_SECONDS * NANOSECONDS


@dataclass(slots=True)
class _Memory:
    tokens: list[Issued] = field(default_factory=list)
    approvals: list[Issued] = field(default_factory=list)
    last_answer_ns: int | None = None
    issued: int = 0


class Credentials:
    """The desk that issues and checks them, for one app key and a second one that opens sessions.

    Args:
        app_key: The app key that is let in.
        app_secret: Its secret.
        seed: Seed of what is issued.
        reserve: A second app key and its secret; None where there is none.
    """

    def __init__(
        self, app_key: str, app_secret: str, seed: int, *, reserve: tuple[str, str] | None = None
    ) -> None:
        self.app_key = app_key
        self._secrets = {app_key: app_secret} | ({} if reserve is None else dict([reserve]))
        self._seed = seed
        self._memory = _Memory()

    def check_pair(self, app_key: object, app_secret: object) -> Refusal | None:
        """Returns why a pair of app key and secret is refused, or None."""
        if not app_key:
            return NO_APP_KEY
        if app_key not in self._secrets:
            return BAD_APP_KEY
        if not app_secret:
            return NO_APP_SECRET
        return None if app_secret == self._secrets[str(app_key)] else BAD_APP_SECRET

    def token(self, now_ns: int) -> Issued | Refusal:
        """Issues a token, or the same one within six hours of its issue; one answer a minute."""
        memory = self._memory
        if memory.last_answer_ns is not None and now_ns - memory.last_answer_ns < _TOKEN_PAUSE_NS:
            return TOKEN_TOO_SOON
        memory.last_answer_ns = now_ns
        if memory.tokens and now_ns - memory.tokens[-1].issued_ns < _SAME_TOKEN_NS:
            return memory.tokens[-1]
        memory.tokens = [known for known in memory.tokens if known.expires_ns > now_ns]
        memory.tokens.append(Issued(self._token_text(now_ns), now_ns))
        return memory.tokens[-1]

    def approval(self, now_ns: int, app_key: str = "") -> Issued:
        """Issues an approval key of an app key; earlier ones stay valid until they expire."""
        memory = self._memory
        memory.issued += 1
        value = uuid.UUID(bytes=digest(self._seed, "approval", memory.issued, now_ns), version=4)
        memory.approvals = [known for known in memory.approvals if known.expires_ns > now_ns]
        memory.approvals.append(Issued(str(value), now_ns, app_key))
        return memory.approvals[-1]

    def check_token(self, value: str, now_ns: int) -> Refusal | None:
        """Returns why a token is refused, or None."""
        known = next((token for token in self._memory.tokens if token.value == value), None)
        if known is None:
            return BAD_TOKEN
        return None if now_ns < known.expires_ns else EXPIRED_TOKEN

    def approved(self, value: str, now_ns: int) -> str | None:
        """Returns the app key whose session an approval key opens; None where it opens none."""
        valid = (known for known in self._memory.approvals if now_ns < known.expires_ns)
        return next((known.app_key for known in valid if known.value == value), None)

    def revoke(self, value: object) -> bool:
        """Forgets a token; returns whether there was one."""
        before = len(self._memory.tokens)
        self._memory.tokens = [token for token in self._memory.tokens if token.value != value]
        return len(self._memory.tokens) < before

    def as_dict(self) -> dict[str, Any]:
        """Returns what was issued, for the state file."""
        return asdict(self._memory)

    def restore(self, saved: dict[str, Any]) -> None:
        """Continues from `as_dict`."""
        self._memory = _Memory(
            tokens=[Issued(**token) for token in saved["tokens"]],
            approvals=[Issued(**key) for key in saved["approvals"]],
            last_answer_ns=saved["last_answer_ns"],
            issued=saved["issued"],
        )

    def _token_text(self, now_ns: int) -> str:
        """A JWT of the documented form: HS512, three parts."""
        self._memory.issued += 1
        issued_at = now_ns // NANOSECONDS
        identity = uuid.UUID(bytes=digest(self._seed, "token", self._memory.issued, now_ns), version=4)
        claims = {
            "sub": "token",
            "aud": str(identity),
            "prdt_cd": "",
            "iss": "unogw",
            "exp": issued_at + LIFE_SECONDS,
            "iat": issued_at,
        }
        parts = [_base64(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "HS512"}, claims)]
        signature = hmac.digest(digest(self._seed, "signature"), ".".join(parts).encode(), "sha512")
        return ".".join([*parts, _base64(signature)])


def expiry_text(issued: Issued) -> str:
    """Returns the end of a token's life as the broker writes it: Korean time without a zone."""
    return f"{kst_datetime(issued.expires_ns):%Y-%m-%d %H:%M:%S}"


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
