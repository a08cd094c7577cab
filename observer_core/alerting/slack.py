"""The JSON that Slack's incoming webhooks take, and Mattermost's and others with them.

Invariant: texts of a broker or of an error are never read as markup or as a mention of everybody, and hold
no secret that the process knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from observer_core.logs import redact


class Colour(StrEnum):
    """Slack's names of the bar beside an attachment."""

    GOOD = "good"
    WARNING = "warning"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One thing that is told.

    Attributes:
        fallback: What a client shows that knows no attachments.
        colour: How bad it is.
        title: Its name.
        link: Where to read on.
        text: What was seen.
        fields: Title, value, and whether two may stand in a line.
        at_seconds: When, in seconds since the Unix epoch.
    """

    fallback: str
    colour: Colour
    title: str
    link: str
    text: str
    fields: Sequence[tuple[str, str, bool]]
    at_seconds: int


def slack_message(text: str, attachments: Sequence[Attachment]) -> dict[str, Any]:
    """Returns a message.

    Args:
        text: Its first line, which is also the notification.
        attachments: What is told, in order.
    """
    return {"text": _escaped(text), "attachments": [_attachment(one) for one in attachments]}


def _attachment(one: Attachment) -> dict[str, Any]:
    return {
        "fallback": _escaped(one.fallback),
        "color": one.colour.value,
        "title": one.title,
        "title_link": one.link,
        "text": _escaped(redact(one.text)),
        "fields": [
            {"title": title, "value": _escaped(value), "short": short} for title, value, short in one.fields
        ],
        "ts": one.at_seconds,
    }


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
