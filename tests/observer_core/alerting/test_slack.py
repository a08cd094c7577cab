"""The message that every alert is."""

from pydantic import SecretStr

from observer_core.alerting import Attachment, Colour, slack_message
from observer_core.logs import hide


def test_texts_are_no_markup_and_hold_no_secret():
    hide([SecretStr("a-very-secret-word")])
    one = Attachment("<!channel>", Colour.DANGER, "title", "https://x.test", "a-very-secret-word & <@U1>",
                     [("Why", "<b>", False)], 7)  # fmt: skip
    message = slack_message("<!here> now", [one])
    attachment = message["attachments"][0]
    assert message["text"] == "&lt;!here&gt; now"
    assert attachment["fallback"] == "&lt;!channel&gt;"
    assert "a-very-secret-word" not in attachment["text"]
    assert attachment["text"].endswith("&amp; &lt;@U1&gt;")
    assert attachment["fields"] == [{"title": "Why", "value": "&lt;b&gt;", "short": False}]
    assert (attachment["color"], attachment["ts"]) == ("danger", 7)
