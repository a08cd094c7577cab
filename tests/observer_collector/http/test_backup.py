"""The age of the copies, as Prometheus asks for it."""

import pytest

from observer_collector.http.backup import backup_metrics, names_target
from observer_core.backup.outcome import note_dump, note_shipment
from observer_core.settings import Paths, PathSettings


def _samples(mounts, *, configured):
    paths = Paths(PathSettings.load(mounts))
    found = {}
    for family in backup_metrics(paths, configured=configured):
        for sample in family.samples:
            found[sample.name, *sample.labels.values()] = sample.value
    return found


@pytest.mark.parametrize("configured", [True, False])
def test_where_nothing_has_left_no_age_is_claimed(mounts, configured):
    assert _samples(mounts, configured=configured) == {("observer_backup_configured",): configured}


def test_the_instants_are_those_that_the_runs_have_noted(mounts):
    paths = Paths(PathSettings.load(mounts))
    note_shipment(paths, shipped_ns=1_700_000_000_500_000_000, sealed_ns=1_600_000_000_000_000_000)
    note_dump(paths, "observer", 1_500_000_000_000_000_000)
    note_dump(paths, "dagster", 1_400_000_000_000_000_000)
    assert _samples(mounts, configured=True) == {
        ("observer_backup_configured",): 1,
        ("observer_backup_last_shipment_timestamp_seconds",): 1_700_000_000.5,
        ("observer_backup_newest_segment_timestamp_seconds",): 1_600_000_000,
        ("observer_backup_last_dump_timestamp_seconds", "observer"): 1_500_000_000,
        ("observer_backup_last_dump_timestamp_seconds", "dagster"): 1_400_000_000,
    }


@pytest.mark.parametrize(
    ("target", "named"), [("", False), ("/backup", True), ("s3://b/p", True), ("backup", False)]
)
def test_a_name_that_is_no_target_stops_no_recording(monkeypatch, target, named):
    monkeypatch.setenv("OBSERVER_BACKUP_TARGET", target)
    assert names_target() is named
