"""How old the newest copies are that have left the node.

Invariant: neither target nor Dagster is asked, so that the age grows, and is told, whatever of the two has
failed. Instants are the machine's, as the backup works by no virtual clock; what is not known has no sample.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from observer_core.backup.outcome import read_outcome
from observer_core.errors import ConfigurationError
from observer_core.settings import BackupSettings, Paths

_NANOSECONDS = 1_000_000_000


def names_target() -> bool:
    """Returns whether the environment names a backup target; a name that is none stops no recording."""
    try:
        return bool(BackupSettings.load().target)
    except ConfigurationError:
        return False


def backup_metrics(paths: Paths, *, configured: bool) -> Iterator[Metric]:
    """Yields what the last runs of the backup have achieved.

    Args:
        paths: The layout.
        configured: Whether there is a target.
    """
    outcome = read_outcome(paths)
    yield GaugeMetricFamily(
        "observer_backup_configured", "1 where a backup target is named", value=configured
    )
    yield _instant(
        "observer_backup_last_shipment_timestamp_seconds",
        "When a shipment last had left nothing on the node alone",
        outcome.shipped_ns,
    )
    yield _instant(
        "observer_backup_newest_segment_timestamp_seconds",
        "When the newest segment at the target was sealed",
        outcome.sealed_ns,
    )
    dumps = GaugeMetricFamily(
        "observer_backup_last_dump_timestamp_seconds",
        "When the last good dump of a database was begun",
        labels=["database"],
    )
    for database, made_ns in sorted(outcome.dumps.items()):
        dumps.add_metric([database], made_ns / _NANOSECONDS)
    yield dumps


def _instant(name: str, description: str, instant_ns: int) -> Metric:
    family = GaugeMetricFamily(name, description)
    if instant_ns:
        family.add_metric([], instant_ns / _NANOSECONDS)
    return family
