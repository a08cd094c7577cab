"""A target belongs to one deployment; for another one nothing is written, shown or given back."""

import io
import shutil
from datetime import date

import pytest

from observer_core.backup.dumps import stored_dumps
from observer_core.backup.opening import require_target
from observer_core.backup.outcome import Outcome, read_outcome
from observer_core.backup.ownership import owner_of, take_over
from observer_core.backup.restoring import restore_files
from observer_core.backup.shipping import ship, standing
from observer_core.backup.verifying import verify
from observer_core.errors import BackupTargetError, ConfigurationError
from observer_core.settings import BackupSettings

from .conftest import make_paths

PRODUCTION, STAGING = "observer-prod", "observer-staging"
DAY = date(2026, 9, 22)


@pytest.fixture
def target_of(target_settings):
    """Opens the one target as the settings of a deployment do; without a name as outside of a cluster."""

    def opened(deployment: str = ""):
        return require_target(target_settings.model_copy(update={"deployment": deployment}))

    return opened


@pytest.fixture
def node(tmp_path):
    """Makes nodes, empty or with one file that must leave."""

    def make(name: str, *, file: bytes = b""):
        paths = make_paths(tmp_path / name)
        if file:
            paths.universe(DAY).write_bytes(file)
        return paths

    return make


def objects(target) -> dict[str, int]:
    return {stored.key: stored.bytes for stored in target.listing("")}


@pytest.mark.parametrize("file", [b"staging's", b""], ids=["a node with data", "an empty node"])
def test_a_second_deployment_is_refused_by_everything_and_changes_nothing(
    node, target_of, target_settings, clock, file
):
    """Two overlays with one line in their backup.env: the error names both, the target, and what to do."""
    ship(node("production", file=b"production's"), target_of(PRODUCTION), clock)
    before = objects(target_of(PRODUCTION))
    paths, target = node("staging", file=file), target_of(STAGING)
    for refused in (
        lambda: ship(paths, target, clock),
        lambda: stored_dumps(paths, target),
        lambda: verify(paths, target, thorough=False),
        lambda: restore_files(paths, target),
    ):
        with pytest.raises(ConfigurationError) as raised:
            refused()
        assert f"{target_settings.target} belongs to the deployment observer-prod" in raised.value.message
        assert "this one is observer-staging" in raised.value.message
        remedy = raised.value.remedy
        assert "prefix of its own in OBSERVER_BACKUP_TARGET" in remedy
        assert "OBSERVER_BACKUP_DEPLOYMENT=observer-prod" in remedy
        assert "`observer backup take-over --from observer-prod`" in remedy
    seen = standing(paths, target, clock.now_ns())
    assert (seen.owner, seen.left) == (PRODUCTION, 0)
    assert "this one is observer-staging" in seen.problem
    assert objects(target) == before
    assert read_outcome(paths) == Outcome()
    assert not paths.backup.exists() or not list(paths.backup.glob("ledger-*"))
    assert paths.universe(DAY).exists() == bool(file)


def test_an_empty_node_of_the_same_deployment_goes_on_where_the_lost_one_ended(node, target_of, clock):
    """Its namespace is all that it shares with the lost one."""
    lost = node("lost", file=b"production's")
    ship(lost, target_of(PRODUCTION), clock)
    shutil.rmtree(lost.data.parent)
    new = node("new")
    assert verify(new, target_of(PRODUCTION), thorough=True).faults == ()
    assert restore_files(new, target_of(PRODUCTION)).restored == 1
    assert new.universe(DAY).read_bytes() == b"production's"
    again = ship(new, target_of(PRODUCTION), clock)
    assert (again.sent, again.found) == (0, 0)


def test_a_target_of_an_older_version_is_read_by_anybody_and_is_the_first_shippers(node, target_of, clock):
    paths = node("production", file=b"production's")
    ship(paths, target_of(PRODUCTION), clock)
    target_of(PRODUCTION).remove("owner.json")
    assert restore_files(node("drill"), target_of("drill")).restored == 1
    assert owner_of(target_of(PRODUCTION)) is None
    assert ship(paths, target_of(PRODUCTION), clock).sent == 0
    assert owner_of(target_of(STAGING)) == PRODUCTION
    with pytest.raises(ConfigurationError, match="belongs to the deployment observer-prod"):
        ship(node("staging", file=b"staging's"), target_of(STAGING), clock)


def test_who_looks_makes_nothing_at_a_target_that_is_nobodys(node, target_of, clock):
    seen = standing(node("production", file=b"production's"), target_of(PRODUCTION), clock.now_ns())
    assert (seen.owner, seen.problem, len(seen.waiting)) == ("", "", 1)
    assert objects(target_of(PRODUCTION)) == {}


def test_a_renamed_deployment_takes_its_target_over_and_sends_nothing_twice(node, target_of, clock):
    paths = node("production", file=b"production's")
    ship(paths, target_of(PRODUCTION), clock)
    with pytest.raises(ConfigurationError, match=r"does not belong to somebody: it belongs to observer-prod"):
        take_over(paths, target_of("market"), former="somebody")
    assert take_over(paths, target_of("market"), former=PRODUCTION) == "market"
    assert owner_of(target_of(PRODUCTION)) == "market"
    assert ship(paths, target_of("market"), clock).sent == 0
    assert take_over(paths, target_of("market"), former=PRODUCTION) == "market", "it may be repeated"
    with pytest.raises(ConfigurationError, match="belongs to the deployment market"):
        ship(node("production as before", file=b"x"), target_of(PRODUCTION), clock)


def test_what_is_nobodys_is_not_taken_over_from_anybody(node, target_of):
    with pytest.raises(ConfigurationError, match="belongs to nobody"):
        take_over(node("production"), target_of(PRODUCTION), former=STAGING)
    assert objects(target_of(PRODUCTION)) == {}


def test_of_two_that_begin_at_once_the_one_that_is_not_the_owner_is_refused_in_the_same_run(
    node, target_of, clock
):
    """Staging's name arrives after production has read its own one back."""
    target, put = target_of(PRODUCTION), target_of(PRODUCTION).put

    def overtaken(key, source):
        put(key, source)
        if key == "target.json":
            put("owner.json", io.BytesIO(b'{"format": 1, "deployment": "observer-staging"}'))

    target.put = overtaken
    paths = node("production", file=b"production's")
    with pytest.raises(ConfigurationError, match="belongs to the deployment observer-staging"):
        ship(paths, target, clock)
    assert read_outcome(paths) == Outcome(), "no shipment is claimed"
    assert not list(target.listing("catalogue/"))
    staging = node("staging", file=b"staging's")
    assert ship(staging, target_of(STAGING), clock).sent == 1
    assert restore_files(new := node("new"), target_of(STAGING)).faults == []
    assert new.universe(DAY).read_bytes() == b"staging's"


def test_a_name_that_the_target_does_not_keep_is_the_targets_fault(node, target_of, clock):
    target, put = target_of(PRODUCTION), target_of(PRODUCTION).put
    target.put = lambda key, source: None if key == "owner.json" else put(key, source)
    with pytest.raises(BackupTargetError, match=r"owner.json was written to .*, and is not there"):
        ship(node("production", file=b"x"), target, clock)
    assert objects(target) == {}


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"null"])
def test_an_owner_that_cannot_be_read_is_no_owner_and_no_permission(node, target_of, clock, content):
    paths, target = node("production", file=b"x"), target_of(PRODUCTION)
    target.put("owner.json", io.BytesIO(content))
    with pytest.raises(BackupTargetError, match=r"owner.json of .* cannot be read"):
        ship(paths, target, clock)
    assert set(objects(target)) == {"owner.json"}


class TestOutsideOfACluster:
    """Nobody has named the deployment: the node itself says who it is."""

    def test_a_second_node_with_data_is_refused(self, node, target_of, clock):
        first = node("first", file=b"first's")
        ship(first, target_of(), clock)
        second = node("second", file=b"second's")
        for refused in (ship, standing_problem, restored):
            with pytest.raises(ConfigurationError, match=f"this one is .*:{second.data}"):
                refused(second, target_of(), clock)
        assert owner_of(target_of()).endswith(f":{first.data}")

    def test_an_empty_node_is_what_it_has_restored(self, node, target_of, clock):
        """A drill, or a new machine: no variable beyond those of the target."""
        lost = node("lost", file=b"lost")
        ship(lost, target_of(), clock)
        new = node("new")
        assert verify(new, target_of(), thorough=True).faults == ()
        assert restore_files(new, target_of()).restored == 1
        new.universe(date(2026, 9, 23)).write_bytes(b"the next day")
        assert ship(new, target_of(), clock).sent == 1
        assert owner_of(target_of()).endswith(f":{lost.data}")

    def test_an_empty_node_that_has_only_looked_is_still_another(self, node, target_of, clock):
        ship(node("first", file=b"first's"), target_of(), clock)
        second = node("second")
        verify(second, target_of(), thorough=True)
        assert standing(second, target_of(), clock.now_ns()).problem == ""
        second.universe(DAY).write_bytes(b"second's")
        with pytest.raises(ConfigurationError, match=f"this one is .*:{second.data}"):
            ship(second, target_of(), clock)

    def test_a_node_keeps_its_name_when_its_folders_move(self, node, target_of, clock, tmp_path):
        first = node("first", file=b"first's")
        ship(first, target_of(), clock)
        moved = node("moved")
        shutil.copytree(first.data, moved.data, dirs_exist_ok=True)
        shutil.copytree(first.settings.snapshot_dir, moved.settings.snapshot_dir, dirs_exist_ok=True)
        assert ship(moved, target_of(), clock).sent == 0

    def test_a_node_that_is_named_later_takes_its_own_target_over(self, node, target_of, clock):
        paths = node("first", file=b"first's")
        ship(paths, target_of(), clock)
        with pytest.raises(ConfigurationError, match="this one is observer-prod"):
            ship(paths, target_of(PRODUCTION), clock)
        take_over(paths, target_of(PRODUCTION), former=owner_of(target_of()))
        assert ship(paths, target_of(PRODUCTION), clock).sent == 0


def standing_problem(paths, target, clock) -> None:
    problem = standing(paths, target, clock.now_ns()).problem
    if problem:
        raise ConfigurationError(problem)


def restored(paths, target, clock) -> None:
    restore_files(paths, target)


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, ""),
        ({"POD_NAMESPACE": "observer-prod"}, "observer-prod"),
        ({"POD_NAMESPACE": "observer-prod", "OBSERVER_BACKUP_DEPLOYMENT": " "}, "observer-prod"),
        ({"POD_NAMESPACE": "drill", "OBSERVER_BACKUP_DEPLOYMENT": "observer-prod"}, "observer-prod"),
        ({"OBSERVER_BACKUP_DEPLOYMENT": "obs-prod-arm"}, "obs-prod-arm"),
    ],
)
def test_a_deployment_is_its_namespace_unless_it_is_named(environment, name):
    assert BackupSettings.load(environment).deployment == name
