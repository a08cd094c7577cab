"""The settings against the specification's tables, written out here by hand."""

from pathlib import Path

import pytest

from observer_core.errors import ConfigurationError, MissingMountError
from observer_core.settings import (
    CollectorSettings,
    KisSettings,
    Layer,
    Paths,
    PathSettings,
    Settings,
    variables,
)
from observer_core.settings.all_groups import GROUPS

ROOT = "/opt/platform/runtime/observer"

# Section 1-2 and 3-1 of the specification.
CONFIG_MAP = {
    "LOG_LEVEL": "INFO",
    "LOG_FORMAT": "json",
    "SERVICE_PORT": "8000",
    "DB_HOST": "postgres",
    "DB_PORT": "5432",
    "DB_NAME": "observer",
    "OBSERVER_LOG_DIR": f"{ROOT}/logs",
    "OBSERVER_DATA_DIR": f"{ROOT}/data",
    "OBSERVER_CONFIG_DIR": f"{ROOT}/config",
    "OBSERVER_SYSTEM_LOG_DIR": f"{ROOT}/logs/system",
    "OBSERVER_MAINTENANCE_LOG_DIR": f"{ROOT}/logs/maintenance",
    "OBSERVER_SNAPSHOT_DIR": f"{ROOT}/universe",
    "KIS_TOKEN_CACHE_DIR": f"{ROOT}/data/cache",
    "OBSERVER_STANDALONE": "1",
    "PYTHONUNBUFFERED": "1",
}


def test_the_fifteen_config_map_keys_have_the_specified_defaults() -> None:
    """Contract 1 and 2: the code's default is the ConfigMap's value."""
    declared = {v.name: v.default for v in variables(*GROUPS) if v.layer is Layer.CONFIG_MAP}
    assert declared == CONFIG_MAP


def test_a_pod_without_any_variable_runs_on_the_specified_paths() -> None:
    """The defaults are what an empty environment gives."""
    settings = Settings.load({})
    assert str(settings.paths.data_dir) == f"{ROOT}/data"
    assert str(settings.paths.token_cache_dir) == f"{ROOT}/data/cache"
    assert settings.database.host == "postgres"
    assert settings.service.port == 8000
    assert settings.service.standalone is True


def test_each_variable_reaches_its_field() -> None:
    """A value from the environment replaces the default."""
    settings = Settings.load(
        {"OBSERVER_LOG_DIR": "/l", "SERVICE_PORT": "9", "OBSERVER_STANDALONE": "0", "KIS_APP_KEY": "k\n"}
    )
    assert settings.paths.system_log_dir == Path("/l/system")
    assert settings.service.port == 9
    assert settings.service.standalone is False
    assert settings.kis.app_key.get_secret_value() == "k"


def test_an_explicit_folder_wins_over_its_mount() -> None:
    """A folder follows its mount only where it was not set itself."""
    settings = PathSettings.load({"OBSERVER_DATA_DIR": "/d", "KIS_TOKEN_CACHE_DIR": "/elsewhere"})
    assert settings.token_cache_dir == Path("/elsewhere")


def test_lists_are_written_with_commas() -> None:
    """As people write them in a ConfigMap."""
    settings = Settings.load({"OBSERVER_PINNED_SYMBOLS": "005930, 000660,"})
    assert settings.collector.pinned_symbols == ("005930", "000660")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("DB_PORT", "many"), ("LOG_LEVEL", "LOUD"), ("OBSERVER_REGISTRATIONS", "42"), ("KIS_ENVIRONMENT", "x")],
)
def test_a_wrong_value_is_named_with_its_variable(variable: str, value: str) -> None:
    """The message holds variable, value and remedy."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.load({variable: value})
    assert variable in str(caught.value)
    assert value in str(caught.value)
    assert caught.value.remedy


def test_secrets_are_never_shown() -> None:
    """Neither text nor representation of the settings holds a secret."""
    secret = "very-secret-value"
    settings = Settings.load(dict.fromkeys(("DB_PASSWORD", "KIS_APP_KEY", "KIS_APP_SECRET"), secret))
    assert secret not in repr(settings)
    assert secret not in str(settings.kis)


def test_a_missing_mount_names_its_variable(tmp_path: Path) -> None:
    """No program creates a mount."""
    for name in ("data", "config", "universe"):
        (tmp_path / name).mkdir()
    paths = Paths(
        PathSettings.load(
            {
                "OBSERVER_DATA_DIR": str(tmp_path / "data"),
                "OBSERVER_LOG_DIR": str(tmp_path / "logs"),
                "OBSERVER_CONFIG_DIR": str(tmp_path / "config"),
                "OBSERVER_SNAPSHOT_DIR": str(tmp_path / "universe"),
            }
        )
    )
    with pytest.raises(MissingMountError, match="OBSERVER_LOG_DIR"):
        paths.require_mounts()
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("group", "variable", "value"),
    [
        (CollectorSettings, "OBSERVER_COMPRESS_AFTER_HOURS", "inf"),
        (CollectorSettings, "OBSERVER_COMPRESS_AFTER_HOURS", "1e300"),
        (CollectorSettings, "OBSERVER_VI_POLL_SECONDS", "inf"),
        (CollectorSettings, "OBSERVER_RANKING_POLL_SECONDS", "1e300"),
        (CollectorSettings, "OBSERVER_SLOT_MARGIN", "inf"),
        (CollectorSettings, "OBSERVER_DWELL_SECONDS", "inf"),
        (CollectorSettings, "OBSERVER_TRIGGER_SECONDS", "inf"),
        (CollectorSettings, "OBSERVER_TRIGGER_VOLUME_RATIO", "inf"),
        (CollectorSettings, "OBSERVER_TRIGGER_PRICE_MOVE", "nan"),
        (CollectorSettings, "OBSERVER_FSYNC_INTERVAL_MS", "1" + "0" * 400),
        (CollectorSettings, "OBSERVER_SWING_INTERVAL_SECONDS", "1" + "0" * 30),
        (KisSettings, "KIS_REQUESTS_PER_SECOND", "inf"),
        (KisSettings, "KIS_REQUESTS_PER_SECOND", "1e-300"),
        (KisSettings, "KIS_RATE_SHARE", "1e-300"),
    ],
)
def test_an_endless_number_is_refused_by_its_name(group, variable, value) -> None:
    """Not by a traceback out of some computation with it."""
    with pytest.raises(ConfigurationError, match=variable):
        group.load({variable: value})


def test_no_number_among_the_settings_may_be_infinite() -> None:
    """Whatever number with a fraction is declared, in whatever group."""
    for group in GROUPS:
        for field in group.model_fields.values():
            if isinstance(field.default, float):
                with pytest.raises(ConfigurationError, match=str(field.validation_alias)):
                    group.load({str(field.validation_alias): "nan"})


def test_no_limit_of_requests_is_still_the_share() -> None:
    assert KisSettings.load({"KIS_REQUESTS_PER_SECOND": "0"}).requests_per_second == 0
