"""The page's two languages.

Invariant: the English text is the key, so that the code reads as the page does, and every key has its Korean
text (tested). What the broker, the operating system or a log says stays as it is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from observer_collector.http.negotiation import preferred_language
from observer_collector.http.page.korean import KOREAN, REASONS


class Language(StrEnum):
    """The languages, English first."""

    ENGLISH = "en"
    KOREAN = "ko"


@dataclass(frozen=True, slots=True)
class Speech:
    """What is said in one language.

    Attributes:
        language: Which.
        texts: English text -> its text; empty for English.
        reasons: How a reason of readiness begins -> its text; empty for English.
    """

    language: Language
    texts: Mapping[str, str]
    reasons: Mapping[str, str]

    def __call__(self, english: str) -> str:
        """Returns a text of the page."""
        return self.texts.get(english, english)

    def reason(self, english: str) -> str:
        """Returns a reason of readiness; what follows its first words stays as it was said."""
        for begin, said in self.reasons.items():
            if english.startswith(begin):
                return said + english.removeprefix(begin)
        return english


_SPEECHES = {
    Language.ENGLISH: Speech(Language.ENGLISH, {}, {}),
    Language.KOREAN: Speech(Language.KOREAN, KOREAN, REASONS),
}


def speech_of(asked: str | None, header: str) -> Speech:
    """Returns the language that was asked for by name, else the one that `Accept-Language` prefers."""
    if asked in list(Language):
        return _SPEECHES[Language(asked)]
    return _SPEECHES[Language(preferred_language(header, list(Language)))]
