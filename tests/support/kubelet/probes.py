"""Asking a container how it is, as the kubelet asks.

Invariant: liveness and readiness are silent until the startup probe has succeeded; readiness is asked at
once then, and each probe in its own period after that. A number of failures in a row counts, not a single
one.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kubelet.manifests import Fields, NotTranslatedError, only

Asking = Callable[[Fields], bool]


def http_answers(address: str, port: int, path: str, timeout: float) -> bool:
    """Tells whether a GET answers with a status from 200 to 399 within the timeout."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"User-Agent": "kube-probe/1.34"})
        return 200 <= connection.getresponse().status < 400
    except OSError:
        return False
    finally:
        connection.close()


@dataclass
class Probe:
    """One probe of a container, and what it has found.

    Attributes:
        fields: The probe of the pod spec; None where there is none, which is success.
        passed: The state: failure until the first success for startup and readiness, success for liveness.
    """

    fields: Fields | None
    passed: bool
    _successes: int = 0
    _failures: int = 0
    _next: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if self.fields is None:
            self.passed = True
            return
        only(self.fields, "probe", "httpGet", "tcpSocket", "exec", "periodSeconds", "timeoutSeconds",
             "failureThreshold", "successThreshold", "initialDelaySeconds")  # fmt: skip
        if "tcpSocket" in self.fields:
            raise NotTranslatedError("probe: tcpSocket")
        self._next += self.fields.get("initialDelaySeconds", 0)

    @property
    def exhausted(self) -> bool:
        """Whether it has failed as often as the pod spec allows."""
        return self.fields is not None and self._failures >= self.fields.get("failureThreshold", 3)

    def ask_now(self) -> None:
        """Forgets the period once."""
        self._next = time.monotonic()

    def poll(self, ask: Asking) -> None:
        """Asks if it is time to."""
        if self.fields is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self.fields.get("periodSeconds", 10)
        if ask(self.fields):
            self._successes, self._failures = self._successes + 1, 0
        else:
            self._successes, self._failures = 0, self._failures + 1
        if self._successes >= self.fields.get("successThreshold", 1):
            self.passed = True
        elif self.exhausted:
            self.passed = False


class Probes:
    """The three probes of one container."""

    def __init__(self, container: Fields) -> None:
        self._startup = Probe(container.get("startupProbe"), passed=False)
        self._readiness = Probe(container.get("readinessProbe"), passed=False)
        self._liveness = Probe(container.get("livenessProbe"), passed=True)

    def poll(self, ask: Asking) -> None:
        """Asks whatever is due."""
        if not self._startup.passed:
            self._startup.poll(ask)
            if not self._startup.passed:
                return
            self._readiness.ask_now()
        self._liveness.poll(ask)
        self._readiness.poll(ask)

    @property
    def ready(self) -> bool:
        return self._startup.passed and self._readiness.passed

    @property
    def must_restart(self) -> bool:
        """Whether the kubelet would kill the container."""
        return self._startup.exhausted or (self._liveness.exhausted and not self._liveness.passed)
