"""Finding a byte in many.

Invariant: every place of it counts, wherever a piece ends. Pieces fit the processor's nearer caches:
what numpy makes of one on the way is not taken from the system and given back. Smaller ones are no faster,
and each step of each piece asks for the interpreter, which other threads want as well.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_PIECE_BYTES = 1024 * 1024
_WORD = 8


def count_of(content: npt.NDArray[np.uint8], byte: int) -> int:
    """Returns how often a byte occurs."""
    pieces = range(0, len(content), _PIECE_BYTES)
    return sum(int(np.count_nonzero(content[start : start + _PIECE_BYTES] == byte)) for start in pieces)


def places_of(content: npt.NDArray[np.uint8], byte: int) -> npt.NDArray[np.int64]:
    """Returns where a byte occurs, in order."""
    pieces = range(0, len(content), _PIECE_BYTES)
    found = (_places(content[start : start + _PIECE_BYTES] == byte) + start for start in pieces)
    return np.concatenate([np.zeros(0, np.int64), *found])


def _places(found: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Returns where something is true; words of eight are looked at first, as most have nothing in them."""
    if len(found) % _WORD:
        return np.flatnonzero(found)
    words = np.flatnonzero(found.view(np.uint64) != 0)
    word, place = np.nonzero(found.reshape(-1, _WORD)[words])
    return words[word] * _WORD + place
