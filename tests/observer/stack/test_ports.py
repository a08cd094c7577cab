"""Choosing ports."""

import socket

import pytest

from observer.stack import ports
from observer_core.errors import ConfigurationError


@pytest.fixture
def taken():
    with socket.socket() as listener:
        listener.bind((ports.LOOPBACK, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_default_gives_way_to_the_next_free_port(taken: int) -> None:
    """Nobody asked for it, so any port will do."""
    assert ports.choose(taken, requested=None, variable="X") > taken


def test_a_requested_port_that_is_taken_is_refused_by_name(taken: int) -> None:
    """The message tells port, variable and remedy."""
    with pytest.raises(ConfigurationError, match=rf"Port {taken} \(OBSERVER_UP_DAGSTER_PORT\)") as raised:
        ports.choose(1, requested=taken, variable="OBSERVER_UP_DAGSTER_PORT")
    assert "OBSERVER_UP_DAGSTER_PORT" in raised.value.remedy


def test_a_port_promised_to_another_program_is_not_given_twice() -> None:
    """Two programs of one stack do not get the same port, although neither listens yet."""
    [free] = ports.ephemeral()
    assert ports.choose(free, requested=None, variable="X", taken=[free]) != free


def test_ephemeral_ports_differ() -> None:
    """Six programs get six ports."""
    assert len(set(ports.ephemeral(6))) == 6
