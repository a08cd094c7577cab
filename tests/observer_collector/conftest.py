"""A market, a broker and a collector on one virtual clock, over real sockets."""

from pathlib import Path

import pytest
from collector_world import (
    Collector,
    CollectorProcess,
    World,
    by_channel,
    free_port,
    instant,
    make_mounts,
    sealed_lines,
    write_universe,
)

from observer_core.market.calendar import MarketCalendar


@pytest.fixture
def world(tmp_path):
    """Makes a world; an asynchronous context manager."""
    return lambda start="08:29:00", speed=200, **options: World(tmp_path, start, speed, options)


@pytest.fixture
def collector():
    return Collector


@pytest.fixture
def collector_process():
    return CollectorProcess


@pytest.fixture
def journal_of():
    return sealed_lines


@pytest.fixture
def counts_of():
    return by_channel


@pytest.fixture
def at():
    return instant


@pytest.fixture
def mounts(tmp_path):
    return make_mounts(tmp_path)


@pytest.fixture
def universe_file():
    return write_universe


@pytest.fixture
def calendar():
    return MarketCalendar()


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def repository():
    return Path(__file__).parents[2]
