"""Settings that change while the collector runs."""

import json
import os

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


@pytest.mark.parametrize("kind", ["fifo", "device", "folder"])
def test_what_is_no_file_is_told_and_holds_nobody(desk, kind):
    """Nobody writes to the pipe: opening it as a file would stop the event loop for good."""
    if kind == "fifo":
        os.mkfifo(desk.path)
    elif kind == "device":
        desk.path.symlink_to("/dev/zero")
    else:
        desk.path.mkdir()
    desk.reloading.look()
    desk.reloading.look()
    assert "cannot be read: it is no file" in desk.reloading.problem
    desk.path.rmdir() if kind == "folder" else desk.path.unlink()
    desk.write({"OBSERVER_TRIGGER_SYMBOLS": "2"})
    assert [one.trigger_symbols for one in desk.applied] == [2]
    assert desk.reloading.problem is None


def test_a_file_nested_too_deeply_is_told_and_ends_nothing(desk):
    desk.write("[" * 60_000)
    assert "nested too deeply" in desk.reloading.problem
    assert desk.applied == []


def test_a_file_that_is_too_long_is_not_taken_in_part(desk):
    desk.write(json.dumps({"OBSERVER_TRIGGER_SYMBOLS": "0"}) + " " * 70_000)
    assert "longer than" in desk.reloading.problem
    assert desk.applied == []


def test_a_file_that_cannot_be_read_is_not_a_removed_one(desk):
    """A folder in its place keeps the set in force and is told; the file is taken again once it is back."""
    desk.write({"OBSERVER_TRIGGER_SYMBOLS": "0"})
    desk.path.unlink()
    desk.path.mkdir()
    desk.reloading.look()
    desk.reloading.look()
    assert "cannot be read" in desk.reloading.problem
    assert [settings.trigger_symbols for settings in desk.applied] == [0]
    desk.path.rmdir()
    desk.write({"OBSERVER_TRIGGER_SYMBOLS": "0"})
    assert desk.reloading.problem is None
    desk.path.unlink()
    desk.reloading.look()
    assert desk.applied[-1] == BASE
