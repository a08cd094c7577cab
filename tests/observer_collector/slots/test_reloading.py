"""Settings that change while the collector runs."""

import json

import pytest

from observer_collector.slots.reloading import Reloading
from observer_core.errors import ConfigurationError
from observer_core.settings import CollectorSettings

BASE = CollectorSettings.load({"OBSERVER_PINNED_SYMBOLS": "005930", "OBSERVER_TRIGGER_SYMBOLS": "3"})


class Desk:
    def __init__(self, path):
        self.path = path
        self.applied = []
        self.reloading = Reloading(path, BASE, self.apply)

    def apply(self, settings):
        if settings.trigger_symbols > 40:
            raise ConfigurationError("OBSERVER_TRIGGER_SYMBOLS is too large")
        self.applied.append(settings)

    def write(self, content):
        self.path.write_text(content if isinstance(content, str) else json.dumps(content))
        self.reloading.look()


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "collector.json")


def test_without_a_file_nothing_changes(desk):
    desk.reloading.look()
    assert (desk.applied, desk.reloading.problem) == ([], None)


def test_a_variable_changes_and_the_others_stay(desk):
    desk.write({"OBSERVER_PINNED_SYMBOLS": "000660,035420"})
    (settings,) = desk.applied
    assert settings.pinned_symbols == ("000660", "035420")
    assert settings.trigger_symbols == 3
    desk.reloading.look()
    assert len(desk.applied) == 1


def test_a_removed_file_brings_the_environment_back(desk):
    desk.write({"OBSERVER_TRIGGER_SYMBOLS": "0"})
    desk.path.unlink()
    desk.reloading.look()
    assert desk.applied[-1] == BASE


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ({"OBSERVER_TRIGGER_SYMBOLS": 3}, "values are texts"),
        ({"OBSERVER_SHARD": "1"}, "OBSERVER_SHARD"),
        ({"KIS_APP_KEY": "x"}, "KIS_APP_KEY"),
        ({"OBSERVER_TRIGGER_SYMBOLS": "many"}, "OBSERVER_TRIGGER_SYMBOLS"),
        ({"OBSERVER_TRIGGER_SYMBOLS": "41"}, "OBSERVER_TRIGGER_SYMBOLS"),
    ],
)
def test_what_is_wrong_is_not_taken_and_said(desk, content, why):
    """As a whole or not at all; a corrected file is taken."""
    desk.write(content)
    assert desk.applied == []
    assert why in desk.reloading.problem
    desk.write({"OBSERVER_TRIGGER_SYMBOLS": "2"})
    assert [one.trigger_symbols for one in desk.applied] == [2]
    assert desk.reloading.problem is None
