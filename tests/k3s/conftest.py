"""What is asked for is looked at once, before any test: one line says what is not there."""

import os

import pytest
from k3s_target import Target, TargetError, require_answer, target_of

_TARGET = pytest.StashKey[Target | None]()


def pytest_configure(config: pytest.Config) -> None:
    """Stops with that line instead of failing in every test."""
    try:
        found = target_of(os.environ)
        if found is not None:
            require_answer(found)
    except TargetError as error:
        raise pytest.UsageError(f"k3s-test: {error}") from None
    config.stash[_TARGET] = found


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    """The cluster and the overlay; without a cluster the test is skipped, in CI too: none can be had."""
    found = request.config.stash[_TARGET]
    if found is None:
        pytest.skip("no cluster: make k3s-test KUBECONFIG=FILE names one")
    return found
