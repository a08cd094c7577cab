"""No secret passes the logs."""

import json
import logging
from pathlib import Path

import pytest

from observer_core.logs import HIDDEN, configure, hide, logger, redact
from observer_core.settings import ServiceSettings

SECRET = "s3cr3t-value-of-a-key"


@pytest.fixture(autouse=True)
def restore_logging() -> object:
    root = logging.getLogger()
    before = root.handlers, root.level
    yield None
    root.handlers, root.level = before


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "collector.log").read_text().splitlines()]


def test_a_registered_secret_is_hidden_wherever_it_stands(tmp_path: Path) -> None:
    """In the event, in a field, in a nested field, in an exception and in foreign log lines."""
    hide([SECRET])
    configure(ServiceSettings.load({}), program="collector", folder=tmp_path)
    log = logger("test")
    log.info(f"refused {SECRET}", detail=[SECRET], nested={"x": SECRET})
    try:
        raise ValueError(SECRET)
    except ValueError:
        log.exception("failed")
    logging.getLogger("foreign").warning("token=%s", SECRET)
    text = (tmp_path / "collector.log").read_text()
    assert SECRET not in text
    assert text.count(HIDDEN) >= 5


def test_secret_fields_are_hidden_by_their_name(tmp_path: Path) -> None:
    """Even when the value was never registered."""
    configure(ServiceSettings.load({}), program="collector", folder=tmp_path)
    logger("test").info("connected", approval_key="unregistered", access_token="other", channel="H0STCNT0")
    (line,) = lines(tmp_path)
    assert line["approval_key"] == HIDDEN
    assert line["access_token"] == HIDDEN
    assert line["channel"] == "H0STCNT0"
    assert line["program"] == "collector"
    assert line["level"] == "info"


def test_nothing_is_left_of_a_secret_that_holds_another() -> None:
    hide([f"{SECRET}-of-{number}-more" for number in range(20)] + [SECRET])
    assert {redact(f"{SECRET}-of-{number}-more") for number in range(20)} == {HIDDEN}


def test_short_values_hide_nothing() -> None:
    """A one-letter password must not blank every line."""
    hide(["a"])
    assert redact("a day") == "a day"


def test_a_line_with_half_a_surrogate_pair_is_written(tmp_path: Path) -> None:
    """It may come out of somebody's JSON file, and the line is what tells of it."""
    configure(ServiceSettings.load({}), program="collector", folder=tmp_path)
    logger("test").info("refused", name="\ud800x")
    (line,) = (tmp_path / "collector.log").read_text().splitlines()
    assert "\\ud800x" in line
