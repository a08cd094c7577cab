"""Randomness that depends on names only.

Invariant: the numbers behind a part of the market depend on the seed and on the names of that part,
never on the order in which parts are asked for, on the wall clock or on who listens.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0x9E3779B97F4A7C15)


def digest(seed: int, *names: object) -> bytes:
    """Returns 16 bytes that stand for a seed and names."""
    text = "\x1f".join(str(part) for part in (seed, *names))
    return blake2b(text.encode(), digest_size=16).digest()


def generator(seed: int, *names: object) -> np.random.Generator:
    """Returns the generator of one named part of the market."""
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest(seed, *names), "little")))


def word(seed: int, *names: object) -> np.uint64:
    """Returns one 64-bit number for a seed and names."""
    return np.uint64(int.from_bytes(digest(seed, *names)[:8], "little"))


def scramble(words: Words) -> Words:
    """Returns evenly spread numbers, one per input (the finaliser of SplitMix64)."""
    mixed = words + _STEP
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    spread: Words = mixed ^ (mixed >> np.uint64(31))
    return spread


def fractions(words: Words) -> NDArray[np.float64]:
    """Returns numbers in [0, 1), one per input."""
    return (scramble(words) >> np.uint64(11)).astype(np.float64) * 2.0**-53
