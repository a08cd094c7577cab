"""Reading JSON that somebody else may have written or damaged.

Invariant: content that cannot be read is a ValueError, whatever is wrong with it. `json.loads` ends with a
RecursionError where brackets lie too deep, and such a file must not end a process that recovers or records.
"""

from __future__ import annotations

import json
from typing import Any


def parse_json(content: bytes | str) -> Any:
    """Returns what a JSON text says.

    Args:
        content: The text; UTF-8 where it is bytes.

    Raises:
        ValueError: It is no JSON, no UTF-8, or nested too deeply to be read.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply to be read") from None
