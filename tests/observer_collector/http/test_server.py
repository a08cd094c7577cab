"""What the HTTP answers do with strange texts."""

from aiohttp.test_utils import TestClient, TestServer

from observer_collector.http import server
from observer_core.clock import RealClock


async def test_a_page_with_half_a_surrogate_pair_is_shown(monkeypatch):
    """A symbol's name or a variable's may hold one; the page shows it escaped."""
    monkeypatch.setattr(server, "page", lambda status, say: f"<p>{status['name']}</p>")
    answers = server.Answers(readiness=None, status=lambda: {"name": "\ud800x 삼성"}, metrics=None)
    async with TestClient(TestServer(server.application(RealClock(), answers))) as client:
        answer = await client.get("/status", headers={"Accept": "text/html"})
        assert answer.status == 200
        assert await answer.text() == "<p>\\ud800x 삼성</p>"
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
