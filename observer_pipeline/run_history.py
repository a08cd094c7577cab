"""Which runs Dagster may forget.

Invariant: a run goes only when it has ended long ago and holds nothing that is still shown: neither the last
materialization nor the last observation of any asset and partition. Deleting a run deletes its events, and a
day whose last materialization went would look as if it had never been made. (Ticks have their own retention
in dagster.yaml; the last evaluation of a check is kept in a table of its own.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_SHOWN = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_OBSERVATION}
# A run is a dozen statements; the first night of an old deployment must not take the database for itself.
MOST_A_NIGHT = 2_000


@dataclass(frozen=True, slots=True)
class OldRun:
    """A run that is old enough, and what becomes of it.

    Attributes:
        run_id: Its id.
        job: Its job.
        holds: What it is the last to tell of, as `asset` or `asset partition`; it goes without any.
    """

    run_id: str
    job: str
    holds: tuple[str, ...]

    @property
    def goes(self) -> bool:
        """Whether nothing is lost with it."""
        return not self.holds


@dataclass(frozen=True, slots=True)
class Purge:
    """What a night of purging saw and did.

    Attributes:
        runs: The old runs, oldest first.
        gone: Ids of those that were deleted; none in a rehearsal.
        in_all: Runs that Dagster knew before.
    """

    runs: tuple[OldRun, ...]
    gone: tuple[str, ...]
    in_all: int

    @property
    def due(self) -> int:
        """Runs that may go."""
        return sum(run.goes for run in self.runs)

    @property
    def jobs(self) -> Mapping[str, tuple[int, int]]:
        """Job -> old runs, and those of them that may go."""
        old, due = Counter(run.job for run in self.runs), Counter(run.job for run in self.runs if run.goes)
        return {job: (old[job], due[job]) for job in sorted(old)}


def purge_runs(
    instance: dg.DagsterInstance, *, before: datetime, rehearse: bool, most: int = MOST_A_NIGHT
) -> Purge:
    """Deletes the runs that nobody needs any more.

    Args:
        instance: Dagster's storage.
        before: Runs that were created later stay.
        rehearse: Whether to look only.
        most: Runs that one call deletes; the next night goes on.
    """
    in_all = instance.get_runs_count()
    runs = tuple(_old_runs(instance, before))
    due = [run.run_id for run in runs if run.goes][:most]
    gone = [] if rehearse else due
    for run_id in gone:
        instance.delete_run(run_id)
    return Purge(runs, tuple(gone), in_all)


def _old_runs(instance: dg.DagsterInstance, before: datetime) -> Iterator[OldRun]:
    records = instance.get_run_records(
        dg.RunsFilter(statuses=_ENDED, created_before=before), order_by="id", ascending=True
    )
    tellers = _Tellers(instance)
    for record in records:
        run = record.dagster_run
        yield OldRun(run.run_id, run.job_name, tellers.only_of(run.run_id))


class _Tellers:
    """Which run was the last to tell of an asset and partition.

    Args:
        instance: Dagster's storage.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._known: dict[tuple[dg.DagsterEventType, dg.AssetKey, str | None], str] = {}

    def only_of(self, run_id: str) -> tuple[str, ...]:
        """Returns what a run was the last to tell of, in words."""
        found = set()
        for entry in self._instance.all_logs(run_id, of_type=_SHOWN):
            event = entry.dagster_event
            if event is None or event.asset_key is None:
                continue
            if self._last(event.event_type, event.asset_key, event.partition) == run_id:
                name = event.asset_key.to_user_string()
                found.add(f"{name} {event.partition}" if event.partition else name)
        return tuple(sorted(found))

    def _last(self, kind: dg.DagsterEventType, key: dg.AssetKey, partition: str | None) -> str:
        known = self._known.get((kind, key, partition))
        if known is None:
            wanted = dg.AssetRecordsFilter(key, asset_partitions=[partition] if partition else None)
            materialized = kind is dg.DagsterEventType.ASSET_MATERIALIZATION
            fetch = (
                self._instance.fetch_materializations if materialized else self._instance.fetch_observations
            )
            known = fetch(wanted, limit=1).records[0].run_id
            self._known[kind, key, partition] = known
        return known
