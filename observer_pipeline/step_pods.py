"""The executor of wide backfills: each step of a run is a pod of its own.

Invariant: a step's pod is the run launcher's, with its image, environment, volumes and security; the job's
own tags do not reach it, so that the account that may make pods is the run's alone. Steps follow each other
as in one process: `day_close` takes the hours' files away, and what reads a day must not run beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import dagster as dg

from observer_core.errors import ConfigurationError

# Of the component `wide-backfills` in deploy/: it may make the pods of steps, which may do nothing.
RUN_ACCOUNT = "dagster-backfills"

RUN_POD = {"pod_spec_config": {"service_account_name": RUN_ACCOUNT, "automount_service_account_token": True}}

# Any step may read a whole day. These write it as well, and sort: they find no room where it is not free.
WRITERS = ("compaction", "bars", "day_close")
_EXECUTOR = {
    "max_concurrent": 1,
    "step_k8s_config": {"container_config": {"resources": {"limits": {"memory": "4Gi"}}}},
    "per_step_k8s_config": {
        name: {"container_config": {"resources": {"requests": {"memory": "1536Mi"}}}} for name in WRITERS
    },
}


@dg.executor(
    name="pod_for_each_step",
    config_schema={},
    requirements=[
        dg.ExecutorRequirement.RECONSTRUCTABLE_JOB,
        dg.ExecutorRequirement.NON_EPHEMERAL_INSTANCE,
    ],
)
def pod_for_each_step(context: dg.InitExecutorContext) -> dg.Executor:
    """Returns `dagster_k8s.k8s_job_executor` with the settings of this module.

    Raises:
        ConfigurationError: Runs of this deployment are no pods.
    """
    # Code location and steps do without it: it loads the client of Kubernetes, 60 MB.
    from dagster_k8s import K8sRunLauncher, k8s_job_executor  # noqa: PLC0415

    launcher = context.instance.run_launcher
    if not isinstance(launcher, K8sRunLauncher):
        raise ConfigurationError(
            f"This job starts a pod for each step, and runs here are started by {type(launcher).__name__}.",
            remedy="Ask for `close_day`, which does the same in one process; unset OBSERVER_WIDE_BACKFILLS.",
        )
    # Neither can be None: the decorator has made the one, and the settings of the other are constants.
    create = cast("Callable[[dg.InitExecutorContext], dg.Executor]", k8s_job_executor.executor_creation_fn)
    settled = cast("dict[str, Any]", k8s_job_executor.configured(_EXECUTOR).apply_config_mapping({}).value)
    return create(context._replace(executor_config=settled["config"]))
