"""The pods that Dagster's charts and run launcher make, and what each of them must reach.

Invariant: labels are those of the charts and of the launcher's own code, which a test compares; no manifest
of the deployment has these pods, but its policies select them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CODE_PORT = 3030
# What the code location serves: a module, and the name of the definitions in it.
CODE_MODULE, CODE_ATTRIBUTE = "observer_pipeline.definitions", "defs"
# The database of Dagster's own tables, which the server makes beside ours.
DATABASE = "dagster"
# Of webserver and daemon, which start and end runs; of runs and code location, which ask the API for nothing.
CONTROL_ACCOUNT, RUN_ACCOUNT = "dagster", "dagster-runs"
# Carried by every run of a trading day.
DAY_TAG = "dagster/partition"
# Group, resource and verbs that the run launcher asks for (tests/deploy/launcher counts its calls).
LAUNCHER_RIGHTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("batch", "jobs", ("create", "list", "delete")),
    ("batch", "jobs/status", ("get",)),
    ("", "pods", ("list", "delete")),
    ("", "events", ("list",)),
    ("", "pods/log", ("get",)),
)


@dataclass(frozen=True, slots=True)
class PodFact:
    """A kind of pods that others make.

    Attributes:
        name: What people see of its name.
        labels: The labels that policies can select it by.
        asks_code: Whether it asks the code location.
        purposes: Which declared targets outside of Dagster it must reach, by the beginning of their purpose.
        only_with: The ServiceAccount without which there are none; empty for pods that are always there.
    """

    name: str
    labels: Mapping[str, str]
    asks_code: bool
    purposes: tuple[str, ...]
    only_with: str = ""


_COMMON = ("name resolution", "database")
_NAME, _COMPONENT = "app.kubernetes.io/name", "component"

CODE = PodFact(
    "observer-pipeline",
    {_NAME: "dagster-user-deployments", _COMPONENT: "user-deployments"},
    asks_code=False,
    purposes=(*_COMMON, "master files and webhooks"),
)
PODS = (
    PodFact(
        "dagster-daemon",
        {_NAME: "dagster", _COMPONENT: "dagster-daemon"},
        asks_code=True,
        purposes=(*_COMMON, "API server"),
    ),
    PodFact(
        "dagster-webserver",
        {_NAME: "dagster", _COMPONENT: "dagster-webserver"},
        asks_code=True,
        purposes=(*_COMMON, "API server"),
    ),
    # It shows and changes nothing, so that it asks the API for nothing.
    PodFact(
        "dagster-webserver-read-only",
        {_NAME: "dagster", _COMPONENT: "dagster-webserver-read-only"},
        asks_code=True,
        purposes=_COMMON,
    ),
    CODE,
    PodFact(
        "dagster-run",
        {_NAME: "dagster", "app.kubernetes.io/component": "run_worker"},
        asks_code=False,
        purposes=(*_COMMON, "broker REST", "master files and webhooks"),
    ),
    # The component `wide-backfills`: a run that makes the pods of its steps.
    PodFact(
        "dagster-run-backfill",
        {_NAME: "dagster", "app.kubernetes.io/component": "run_worker", "dagster/job": "backfill_days"},
        asks_code=False,
        purposes=(*_COMMON, "API server"),
        only_with="dagster-backfills",
    ),
    PodFact(
        "dagster-step",
        {_NAME: "dagster", "app.kubernetes.io/component": "step_worker"},
        asks_code=False,
        purposes=(*_COMMON, "broker REST", "master files and webhooks"),
        only_with="dagster-backfills",
    ),
)
