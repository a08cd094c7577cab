"""What the readers may do with a cluster.

Invariant: every request to the API goes through this interface. A status that the API answers is an
`Answer`, also when it says no; that there is no answer is a `Silence`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

_OK, _FORBIDDEN, _MISSING, _UNAUTHORIZED = 200, 403, 404, 401


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API, or of something that it leads to.

    Attributes:
        status: HTTP status.
        content: The body as JSON; None where it is none.
    """

    status: int
    content: Any = None

    @property
    def good(self) -> bool:
        return _OK <= self.status < 300

    @property
    def missing(self) -> bool:
        return self.status == _MISSING

    @property
    def from_the_api(self) -> bool:
        """Whether the API itself says no, as opposed to a pod behind it."""
        return isinstance(self.content, dict) and self.content.get("kind") == "Status"

    @property
    def reason(self) -> str:
        """Why it is no good answer, in words."""
        words = {_FORBIDDEN: "forbidden", _MISSING: "not found", _UNAUTHORIZED: "not logged in"}
        return f"{words.get(self.status, 'the API answered')} ({self.status})"


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer.

    Attributes:
        reason: Why, as far as it can be told; without addresses of proxies or tokens.
    """

    reason: str


class ClusterAccess(Protocol):
    """A cluster's API."""

    @property
    def server(self) -> str:
        """The address of the API."""

    @property
    def inside(self) -> bool:
        """Whether this process runs in a pod of the cluster."""

    def read(self, path: str, query: Mapping[str, str] | None = None) -> Answer | Silence:
        """Asks for a resource."""

    def delete(self, path: str) -> Answer | Silence:
        """Deletes a resource."""

    def run(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> str | Silence:
        """Runs a command in a container and returns what it prints."""
