"""The page as a whole, and what a browser may do with it.

Invariant: the page is complete in itself. A browser that obeys its policy loads nothing, sends nothing
elsewhere, runs the one script that is in it and no other, and shows it in no frame. Style and script never
change while the process lives, so their digests stand in the policy.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any
from urllib.parse import quote

from observer_collector.http.page import cards, charts, tables
from observer_collector.http.page.language import Language, Speech
from observer_collector.http.page.markup import Markup, element, join
from observer_core.probes import METRICS_PATH

_NAMES = {Language.ENGLISH: "English", Language.KOREAN: "한국어"}
_COLOURS = {True: "#0a6b3d", False: "#b3261e"}


def _asset(name: str) -> Markup:
    content = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    # Inside its element nothing is escaped; what would end the element is a fault of ours.
    assert "</" not in content, f"{name} would end its own element"
    return Markup(content)


def _digest(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


_STYLE, _SCRIPT = _asset("status.css"), _asset("status.js")

POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src {_digest(_STYLE)}",
        f"script-src {_digest(_SCRIPT)}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def page(status: Mapping[str, Any], say: Speech) -> str:
    """Returns the page.

    Args:
        status: What `/status` answers in JSON.
        say: The language.
    """
    body = element("body", _banner(say), _header(status, say), _main(status, say), _footer(say))
    return "<!doctype html>\n" + element("html", _head(status, say), body, lang=say.language.value)


def _head(status: Mapping[str, Any], say: Speech) -> Markup:
    sign = "●" if status["ready"] else "✕"
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{sign} {say('Ready' if status['ready'] else 'Not ready')} – {status['name']}"),
        element("link", rel="icon", href=_icon(ready=status["ready"])),
        element("noscript", element("meta", http_equiv="refresh", content="10")),
        element("style", _STYLE),
        element("script", _SCRIPT, type="module"),
    )


def _icon(*, ready: bool) -> str:
    shape = '<circle cx="8" cy="8" r="7"/>' if ready else '<path d="M8 1l7 14H1z"/>'
    drawing = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="{_COLOURS[ready]}">{shape}</svg>'
    )
    return f"data:image/svg+xml,{quote(drawing)}"


def _banner(say: Speech) -> Markup:
    """Returns what the script shows when the collector does not answer any more."""
    since = (element("span", "", id="stale-age"), " ", say("s"), " ", say("ago"))
    words = (element("strong", "▲ ", say("The collector does not answer.")), " ",
             say("What stands below is old; last answer:"), " ")  # fmt: skip
    return element("div", *words, *since, id="stale", role="alert", hidden=True)


def _header(status: Mapping[str, Any], say: Speech) -> Markup:
    links = [
        element(
            "a", name, href=f"?format=html&lang={language.value}", lang=language.value,
            hreflang=language.value, aria_current="true" if language is say.language else None,
        )
        for language, name in _NAMES.items()
    ]  # fmt: skip
    return element(
        "header",
        element("h1", say("Observer collector")),
        element("nav", *links, aria_label=say("Language")),
        cards.verdict(status, say),
        id="head",
    )


def _main(status: Mapping[str, Any], say: Speech) -> Markup:
    # A standby and a process that recovers the journal have no intake yet.
    if "session" in status:
        shown = [
            cards.market, cards.session, cards.records, cards.process, cards.upkeep, charts.latency,
            charts.rates, cards.journal, tables.slots, tables.holes,
        ]  # fmt: skip
    else:
        shown = [cards.market, cards.process, cards.upkeep]
    parts = [part(status, say) for part in shown]
    return element("main", join(parts), id="page", data_time=status["time"])


def _footer(say: Speech) -> Markup:
    return element(
        "footer",
        element("p", say("This page renews itself every two seconds.")),
        element(
            "p",
            element("a", say("The same as JSON"), href="?format=json"), " · ",
            element("a", say("Metrics"), href=METRICS_PATH),
        ),
    )  # fmt: skip
