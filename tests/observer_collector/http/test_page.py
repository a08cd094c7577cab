"""The status page without a browser: its languages, its markup, its policy."""

import ast
import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import aiohttp
import pytest

from observer_collector.http import page as package
from observer_collector.http.page.document import POLICY, page
from observer_collector.http.page.korean import KOREAN, REASONS
from observer_collector.http.page.language import speech_of
from observer_collector.http.page.markup import Markup, element, join
from observer_collector.http.status import ROLES
from observer_collector.session.connection import ConnectionState
from observer_collector.session.slot import SlotState
from observer_collector.slots.plan import Cause
from observer_core.accounting import Severity
from observer_core.accounting.healing import HealingOutcome
from observer_core.brokers.kis.catalogue import Kind
from observer_core.journal import JournalState
from observer_core.market.calendar import Phase
from observer_core.settings.paths import Track

FOLDER = Path(package.__path__[0])
STATES = (ConnectionState, SlotState, Cause, Severity, HealingOutcome, Kind, JournalState, Phase, Track)
HEADS = re.compile(r"heads = \((.*?)\)", re.DOTALL)


def said():
    """Returns every text that the page's code says, and the values of every state it can show."""
    texts = {value.value for states in STATES for value in states} | set(ROLES)
    for path in FOLDER.glob("*.py"):
        source = path.read_text()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                texts |= {one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)}
        for heads in HEADS.findall(source):
            texts |= set(re.findall(r'"([^"]+)"', heads))
    return texts


def test_everything_is_said_in_korean():
    """A text without its Korean one, or a Korean one that nothing says, is a fault."""
    # Answers of a backfill that are no outcome of healing, units, and keys of the status itself.
    more = {"first", "reserve", "waiting", "not_filled", "refused", "failed", "d", "h", "min", "s"}
    keys = {"key", "kind", "cause", "outcome", "severity", "state", "role", "phase", "data_due", "ready"}
    assert said() - keys - set(KOREAN) == set()
    assert set(KOREAN) - said() - more == set()
    assert all(re.search(r"[가-힣/]|VI", text) for text in KOREAN.values())


def test_every_reason_of_readiness_has_its_beginning_in_korean():
    source = Path(package.__path__[0]).parent.joinpath("readiness.py").read_text()
    reasons = re.findall(r'Readiness\(\w+, f?"([^"]+)"|return f?"([^"]+)"', source)
    found = [reason or other for reason, other in reasons]
    assert len(found) > 8
    for reason in found:
        assert any(reason.startswith(begin) for begin in REASONS), reason
    say = speech_of("ko", "")
    assert say.reason("external: EGW00103 no") == "외부 문제: EGW00103 no"
    assert say.reason("no universe for 2026-09-15") == "유니버스가 없음: 2026-09-15"


def test_a_text_becomes_markup_only_by_being_escaped():
    name = '"><script>alert(1)</script>&'
    made = element("a", name, join([name, Markup("<b>b</b>")]), title=name, hidden=True, id=None)
    escaped = "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;"
    assert made == f'<a title="{escaped}" hidden>{escaped}{escaped}<b>b</b></a>'


STANDBY = {
    "name": "pod-<1>", "version": "0.1.0", "role": "standby", "ready": True,
    "reason": "standby: another process is the writer", "writer": {"name": "pod-<0>", "pid": 7},
    "time": "2026-09-15T09:00:00+09:00", "virtual_time": False, "phase": "continuous",
    "market": {"phase": "continuous", "data_due": True, "data_from": "2026-09-15T08:30:00+09:00",
               "data_to": "2026-09-15T20:00:00+09:00"},
    "token_expires_at": None, "token_issued_at": None, "token_age_seconds": None,
    "volumes": {"data": {"name": "data", "size_bytes": 1000, "free_bytes": 99}},
    "contracts": {
        "verified": True, "reason": "", "verified_at": "2026-09-15T08:59:00+09:00", "worst": "FAIL",
        "broken": [{"rule": "VOL-001", "object": "a<b", "observed": "missing"}],
    },
}  # fmt: skip


class Elements(HTMLParser):
    """Checks that elements are closed in their order."""

    def __init__(self):
        super().__init__()
        self.open, self.texts = [], []

    def handle_starttag(self, tag, attributes):
        assert "style" not in dict(attributes)
        assert not any(name.startswith("on") for name, _ in attributes)
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_standby_has_a_page_as_well(language):
    """It names the writer, the little disk that is left and the broken contract, and has no slots."""
    reader = Elements()
    reader.feed(page(STANDBY, speech_of(language, "")))
    assert reader.open == []
    texts = " ".join(reader.texts)
    for words in ("pod-<1>", "pod-<0>", "VOL-001 a<b: missing", "99 B"):
        assert words in texts
    assert "▲" in texts
    assert "H0STCNT0" not in texts


def test_style_and_script_are_those_of_the_policy():
    """The digests that the policy names are those of what stands in the page."""
    text = page(STANDBY, speech_of("en", ""))
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in POLICY
    assert "unsafe" not in POLICY
    assert POLICY.startswith("default-src 'none'")


async def test_each_form_is_told_apart_by_its_headers(world, collector):
    """JSON where nothing is said, a page for browsers, and what is asked for by name before all else."""
    async with world(start="07:20:00") as market, collector(market) as running:
        await running.eventually(lambda found: found["role"] == "writer")
        address = f"http://127.0.0.1:{running.settings.service.port}/status"
        async with aiohttp.ClientSession() as http:
            for query, accept, kind in (
                ("", None, "application/json"),
                ("", "text/html,*/*;q=0.8", "text/html"),
                ("?format=json", "text/html", "application/json"),
                ("?format=html", "application/json", "text/html"),
                ("?format=yaml", "application/json", "application/json"),
            ):
                headers = {} if accept is None else {"Accept": accept}
                async with http.get(address + query, headers=headers) as answer:
                    assert (answer.status, answer.content_type) == (200, kind)
                    assert answer.headers["Vary"].startswith("Accept")
                    if kind == "text/html":
                        assert answer.headers["Content-Security-Policy"] == POLICY
                        assert answer.headers["Content-Encoding"] in ("gzip", "deflate")
                        assert "no-store" in answer.headers["Cache-Control"]
