"""From bytes to text.

Invariant: the answer is text that a person could have typed, or an error that says why it is not.
"""

from __future__ import annotations

import codecs

from observer_core.errors import InputError

# The longer mark first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encoding_of(content: bytes) -> str:
    """Returns the codec named by the byte order mark, or UTF-8 without one."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return name
    return "utf-8"


def decode(content: bytes, file: str) -> str:
    """Decodes a file of text, UTF-8 or by its byte order mark, with any line ends.

    Raises:
        InputError: It is not text.
    """
    encoding = encoding_of(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file} is not text in {encoding.removesuffix('-sig').upper()}: byte {error.start} cannot be "
            f"decoded.",
            remedy="Give a text file in UTF-8.",
        ) from None
    if "\x00" in text:
        raise InputError(f"{file} is binary: it has zero bytes.", remedy="Give a text file in UTF-8.")
    return text.replace("\r\n", "\n")
