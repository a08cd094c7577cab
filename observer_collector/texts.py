"""Small texts that go into lines and manifests.

Invariant: whatever the broker sends, these texts can be encoded as UTF-8.
"""

from __future__ import annotations

import json
from typing import Any

from observer_core.journal import is_plain

# A key names a symbol, 4 to 9 characters; what is longer names nothing.
LONGEST_KEY = 16


def label(text: str) -> str:
    """Returns a text as a channel or key of a line; empty where it can be none."""
    return text if len(text) <= LONGEST_KEY and is_plain(text) else ""


def compact_json(value: Any) -> str:
    """Returns JSON without blanks, readable where it can be."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        # A JSON escape of the broker can name half of a surrogate pair.
        return json.dumps(value, separators=(",", ":"))
    return text
