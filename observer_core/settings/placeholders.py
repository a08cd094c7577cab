"""What templates, guides and tired people write where a value belongs.

Invariant: a pattern has to cover the whole text, so that a real value with such a word in it is none.
"""

from __future__ import annotations

import re

_PLACEHOLDER = re.compile(
    r"<.*>|\$[({]?[A-Z_]+[)}]?|x{3,}|\*{3,}|\.{3}|change[-_ ]?(me|it)|replace[-_ ]?(me|it|this)"
    r"|(my|your)[-_ ].*|placeholder|example|secret|password|todo|tbd|none|null",
    re.IGNORECASE,
)


def is_placeholder(text: str) -> bool:
    """Returns whether a text stands for a value that nobody has filled in."""
    return _PLACEHOLDER.fullmatch(text.strip()) is not None
