"""The pipeline's image, run as the code location from its rendered pod spec."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubelet import Engine, Node, Pod

pytestmark = pytest.mark.timeout(900)

CONTAINER = "code-location"
JOBS = {"refresh_reference", "compact_hours", "close_day", "verify_contracts"}


@pytest.fixture
def code_location(  # noqa: PLR0917 - pytest gives fixtures by name
    engine: Engine, network: str, database: Pod, pipeline_image: str, tmp_path: Path, rendered: Any
) -> Iterator[Pod]:
    """The container of the component `collector-sidecar`, without the collector, which needs a broker."""
    objects = rendered(tmp_path / "overlay", component="collector-sidecar")
    template = copy.deepcopy(objects.need("Deployment", "observer")["spec"]["template"])
    del template["spec"]["initContainers"]
    template["spec"]["containers"] = [
        container for container in template["spec"]["containers"] if container["name"] == CONTAINER
    ]
    engine.run("tag", pipeline_image, template["spec"]["containers"][0]["image"])
    node = Node(engine, tmp_path / "node", network, objects)
    pod = node.pod("Deployment", "observer", template=template)
    try:
        pod.start()
        pod.wait_until_ready()
        yield pod
    finally:
        node.clear()


def test_the_code_location_loads_and_reaches_its_database(code_location: Pod) -> None:
    """Non-root on a read-only root: gRPC answers, the jobs are there, the tables are reached."""
    assert "Started Dagster code server" in code_location.logs(CONTAINER)
    status, listed = code_location.exec(
        CONTAINER, "dagster", "job", "list", "-m", "observer_pipeline.definitions"
    )
    assert status == 0, listed
    assert {line.removeprefix("Job: ") for line in listed.splitlines() if line.startswith("Job: ")} >= JOBS
    migrated = (
        "import os; from observer_core import settings, warehouse;"
        "given = {'DB_USER': 'observer-role', 'DB_PASSWORD': os.environ['DAGSTER_PG_PASSWORD']};"
        "engine = warehouse.connect(settings.DatabaseSettings.load({**os.environ, **given}));"
        "print('missing:', warehouse.migrate(engine), engine.url.host)"
    )
    status, said = code_location.exec(CONTAINER, "python3", "-c", migrated)
    assert (status, said.strip()) == (0, "missing: [] postgres")
    assert code_location.exec(CONTAINER, "python3", "-c", "open('/opt/observer/x', 'w')")[0] == 1
    status, version = code_location.exec(CONTAINER, "pg_dump", "--version")
    assert (status, version.startswith("pg_dump (PostgreSQL) 15.")) == (0, True)
