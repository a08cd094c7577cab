"""The code location loads quickly, quietly, and without what only a run needs."""

import json
import subprocess
import sys

import dagster as dg
import pytest

from observer_pipeline.definitions import build_defs

ONLY_FOR_RUNS = (
    "polars", "pyarrow", "pandas", "numpy", "matplotlib", "PIL", "sqlalchemy", "alembic", "psycopg2",
    "dagster_k8s", "kubernetes", "observer_simulator", "observer_collector",
)  # fmt: skip

# Sockets are closed to the process: nothing is asked of a network while loading.
LOADING = """
import json, pathlib, socket, sys, time

def refuse(*_, **__):
    raise RuntimeError("the network was used while loading")

socket.socket.connect = refuse
begin = time.perf_counter()
from observer_pipeline.definitions import defs
seconds = time.perf_counter() - begin
import dagster
dagster.Definitions.validate_loadable(defs)
print(json.dumps({
    "modules": sorted(sys.modules),
    "seconds": seconds,
    "megabytes": int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20,
}))
"""


@pytest.mark.parametrize(
    "variables",
    [
        {"OBSERVER_CLOCK": "real"},
        {"OBSERVER_CLOCK": "shared:/nowhere/clock"},
        {"OBSERVER_CLOCK": "real", "OBSERVER_WIDE_BACKFILLS": "1"},
    ],
    ids=["real", "virtual", "wide backfills"],
)
def test_the_location_loads_without_warnings_network_and_heavy_libraries(
    variables, tmp_path, record_property
):
    """No mount, no database and no clock file exist, and every warning is an error."""
    loaded = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOADING],
        capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **variables},
    )  # fmt: skip
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stderr == ""
    found = json.loads(loaded.stdout)
    # Shown in the report and not asserted: the machine may be busy.
    record_property("seconds", found["seconds"])
    record_property("megabytes", found["megabytes"])
    assert not set(ONLY_FOR_RUNS) & set(found["modules"])


def test_a_resource_can_be_replaced():
    other = dg.ResourceDefinition.hardcoded_resource("other")
    definitions = build_defs(clock="real", resource_overrides={"deployment": other})
    assert definitions.resources["deployment"] is other


def test_a_run_is_one_process():
    assert build_defs(clock="real").executor is dg.in_process_executor
