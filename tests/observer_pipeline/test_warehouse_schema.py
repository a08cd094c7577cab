"""The morning's preparation of PostgreSQL, run as Dagster runs it."""

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege

from observer.stack.postgres import SUPERUSER


def prepare(deployment):
    job = deployment.defs.resolve_job_def("prepare_warehouse")
    return job.execute_in_process(instance=deployment.instance, raise_on_error=False)


def test_the_morning_makes_what_a_writer_needs_for_the_day(deployment):
    """The second morning finds everything; the checks show bound and observation."""
    first = prepare(deployment)
    assert first.success
    [made] = first.asset_materializations_for_node("warehouse_schema")
    # Today and ten trading days, six tables.
    assert made.metadata["partitions_made"].value == 11 * 6
    assert made.metadata["last_day"].value == "2026-10-01"
    checks = {one.check_name: one for one in first.get_asset_check_evaluations()}
    assert all(one.passed for one in checks.values())
    assert checks["partitions_ahead"].metadata["observed"].value == "0 missing"
    [again] = prepare(deployment).asset_materializations_for_node("warehouse_schema")
    assert (again.metadata["partitions_made"].value, again.metadata["versions_applied"].value) == (0, "none")


def test_rights_that_were_lost_come_back_and_a_strangers_table_hinders_nothing(deployment, postgres):
    """What an administrator keeps in our schema is his to grant; our own tables get their rights again."""
    assert prepare(deployment).success
    database = deployment.environment["DB_NAME"]
    with postgres.connection(database, user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute("REVOKE ALL ON observer.gaps FROM observer_reader")
        cursor.execute("CREATE TABLE observer.foreign_table (x int)")
    assert prepare(deployment).success
    with postgres.connection(database, user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege('observer_reader', 'observer.gaps', 'SELECT')")
        assert cursor.fetchone() == (True,)


def test_a_role_that_does_not_own_the_tables_is_told_so(deployment, postgres):
    """No stack trace: what is missing, and who can mend it."""
    database = deployment.environment["DB_NAME"]
    assert prepare(deployment).success
    with postgres.connection(database, user=SUPERUSER) as session, session.cursor() as cursor:
        cursor.execute(f"CREATE ROLE writer_of_{database} LOGIN PASSWORD 'of a test' IN ROLE observer_writer")
    deployment.set_clock(deployment.at(7, 45, day=deployment.day.replace(day=30)))
    deployment.set_environment(DB_USER=f"writer_of_{database}", DB_PASSWORD="of a test")
    run = prepare(deployment)
    assert not run.success
    [failed] = [event for event in run.all_events if event.is_step_failure]
    assert "does not own the tables" in failed.step_failure_data.error.message
    with pytest.raises(InsufficientPrivilege), psycopg2.connect(
        host=deployment.environment["DB_HOST"], port=deployment.environment["DB_PORT"], dbname=database,
        user=f"writer_of_{database}", password="of a test",
    ) as session, session.cursor() as cursor:  # fmt: skip
        cursor.execute("DROP TABLE observer.gaps")
