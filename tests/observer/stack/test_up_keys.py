"""Which broker `make up` takes, and which keys it refuses before it starts anything."""

import pytest

from observer.stack.up import is_simulated
from observer_core.errors import ConfigurationError

KEYS = {"KIS_APP_KEY": "PS" + "k" * 34, "KIS_APP_SECRET": "s3cr" * 45}


def test_without_keys_the_broker_is_simulated_and_with_keys_it_is_the_real_one() -> None:
    assert is_simulated({})
    assert not is_simulated(KEYS)


@pytest.mark.parametrize("given", list(KEYS))
def test_half_of_the_credentials_is_refused(given: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{given} is set, but not the other half"):
        is_simulated({given: KEYS[given]})


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("KIS_APP_KEY", "PS" + "k" * 30, "has 32 characters"),
        ("KIS_APP_KEY", "   ", "is not set"),
        ("KIS_APP_SECRET", "s3cr" * 44 + "s3 r", "has a blank"),
        ("KIS_RESERVE_APP_KEY", "PS" + "r" * 34, "Only one of"),
    ],
)
def test_keys_that_the_broker_cannot_have_issued_are_refused(variable: str, value: str, problem: str) -> None:
    """A real broker is meant: nothing is simulated in its place, and nothing starts."""
    with pytest.raises(ConfigurationError, match=problem) as caught:
        is_simulated(KEYS | {variable: value})
    assert variable in str(caught.value)
    assert value.strip() == "" or value not in str(caught.value)
