"""Reaching is tried with real sockets, and each way of failing has its own name."""

import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

from observer_contracts.evidence.runtime import network
from observer_contracts.evidence.runtime.observations import Reach
from observer_contracts.evidence.seeing import HttpAnswer, Unseen


class Collector(http.server.BaseHTTPRequestHandler):
    """Answers as a collector does, or as something else."""

    def do_GET(self) -> None:
        if self.path == "/hang up":
            self.connection.close()
            return
        status, body = {
            "/ready": (503, b'{"ready": false, "reason": "external: no answer"}'),
            "/list": (200, b"[1]"),
        }.get(self.path, (200, b"not json"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_an_open_port_is_reached(port: int) -> None:
    """A listener on the loopback address."""
    assert network.reach("test", "127.0.0.1", port).reach is Reach.REACHED


def test_a_closed_port_is_refused() -> None:
    """A port that was bound and given back."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    assert network.reach("test", "127.0.0.1", number).reach is Reach.REFUSED


def test_a_port_without_answer_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener whose queue is full takes no further connection; no answer is not a refusal."""
    monkeypatch.setattr(network, "_CONNECT_SECONDS", 0.2)
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        assert network.reach("test", "127.0.0.1", full.getsockname()[1]).reach is Reach.UNANSWERED


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (socket.EAI_NONAME, Reach.NO_SUCH_NAME),
        (socket.EAI_NODATA, Reach.NO_SUCH_NAME),
        (socket.EAI_AGAIN, Reach.NAME_UNANSWERED),
        (socket.EAI_FAIL, Reach.NAME_UNANSWERED),
    ],
)
def test_a_name_that_does_not_exist_is_no_missing_answer(
    monkeypatch: pytest.MonkeyPatch, error: int, expected: Reach
) -> None:
    """getaddrinfo(3): EAI_NONAME says that there is no such name, EAI_AGAIN that nobody answered."""

    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(error, "refused")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert network.reach("test", "postgres", 5432).reach is expected


def test_a_resolver_that_hangs_does_not_hang_the_verification(monkeypatch: pytest.MonkeyPatch) -> None:
    """getaddrinfo has no time-out of its own."""
    held = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        held.wait(30)
        return []

    monkeypatch.setattr(network, "_RESOLVE_SECONDS", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    assert network.reach("test", "postgres", 5432).reach is Reach.NAME_UNANSWERED
    held.set()


def test_answers_are_read(port: int) -> None:
    """Status and JSON mapping; anything else has no fields."""
    assert network.ask(port, "/ready") == HttpAnswer(503, {"ready": False, "reason": "external: no answer"})
    assert network.ask(port, "/list") == HttpAnswer(200, {})
    assert network.ask(port, "/health") == HttpAnswer(200, {})


def test_nobody_listens() -> None:
    """A collector that has not started is no evidence against it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    answer = network.ask(number, "/health")
    assert isinstance(answer, Unseen)
    assert "has not started" in answer.reason
