"""What can be seen of a sealed value without its key."""

import base64

import pytest

from observer_contracts.evidence.sealed import sealed_length


@pytest.mark.parametrize("value", ["", "x", "observer", "s" * 180, "비밀"])
def test_the_length_of_the_value_is_seen(seal, value: str) -> None:
    """The length in bytes is that of the value, from 0 on."""
    assert sealed_length(seal(value)) == len(value.encode())


@pytest.mark.parametrize(
    "blob", ["", "x", "AgBxZm9v", None, 5, "!!!", base64.b64encode(b"\x01\x00" + b"x" * 271).decode()]
)
def test_a_malformed_blob_has_no_length(blob: object) -> None:
    """Cut, foreign or empty blobs are not taken for sealed values."""
    assert sealed_length(blob) is None
