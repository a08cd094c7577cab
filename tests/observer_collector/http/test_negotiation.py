"""Who gets which form of an answer."""

import pytest

from observer_collector.http.negotiation import HTML, JSON, preferred_language, preferred_type

# Accept headers as their programs send them.
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CHROMIUM = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (FIREFOX, HTML),
        (CHROMIUM, HTML),
        ("text/*", HTML),
        ("text/html;q=0.5, application/json;q=0.4", HTML),
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/json, text/plain, */*", JSON),
        ("text/html;q=0.4, application/json;q=0.5", JSON),
        ("text/html;q=0", JSON),
        ("*/*, text/html;q=0", JSON),
        ("text/html;q=broken", JSON),
        (",;=;,q=", JSON),
    ],
)
def test_browsers_get_a_page_and_programs_get_json(header, wanted):
    assert preferred_type(header) == wanted


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"),
        ("en-US,en;q=0.9,ko;q=0.8", "en"),
        ("KO", "ko"),
        ("fr-FR,ko;q=0.3,en;q=0.2", "ko"),
        ("fr", "en"),
        ("", "en"),
        ("*", "en"),
        ("en;q=0, *", "ko"),
    ],
)
def test_the_language_that_a_reader_prefers(header, wanted):
    assert preferred_language(header, ("en", "ko")) == wanted
