"""What may be secret, and how it is put away while it is read.

Invariant: the content of a Secret becomes its lengths before anybody sees the object, and a value
under a name that may be secret is never shown.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from observer_contracts.evidence.yaml_documents import Fields

HIDDEN = "(hidden)"

_SECRET_NAME = re.compile(
    r"(PASS(WORD|WD|PHRASE)?|SECRET|TOKEN|CREDENTIAL|APP_?KEY|API_?KEY|PRIVATE|SIGNING|WEBHOOK|DSN|_KEY$|_URL$|_URI$|HTS_ID)",
    re.IGNORECASE,
)


class Length(int):
    """The length in bytes of a value that was put away."""


def may_be_secret(name: str) -> bool:
    """Tells whether a value under this name must not be shown."""
    return bool(_SECRET_NAME.search(name))


def conceal(fields: Fields) -> Fields:
    """Replaces the values of a Secret by their lengths, in place, and returns it.

    `stringData` wins over `data`, as it does in the API server. A value that is not base64 has the
    length -1.
    """
    for block in ("data", "stringData"):
        values = fields.get(block)
        if not isinstance(values, Fields):
            fields.pop(block, None)
            continue
        for key, value in list(values.items()):
            values[key] = Length(_length(value, encoded=block == "data"))
    return fields


def _length(value: Any, *, encoded: bool) -> int:
    if value is None:
        return 0
    text = str(value)
    if not encoded:
        return len(text.encode())
    try:
        return len(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError):
        return -1
