"""What the official Dagster charts 1.13 make of our values, where no chart can be fetched.

It mirrors the templates that our values reach, and nothing else: `configmap-instance.yaml` with its
helpers (`_postgresql`, `_run-launcher`, `_run-coordinator`, `_concurrency`, `_compute-log-manager`,
`_scheduler`), `configmap-workspace.yaml`, the `*-env` ConfigMaps, `_deployment-webserver.tpl`,
`deployment-daemon.yaml`, and of the user deployments `deployment-user.yaml` and `service-user.yaml`. Read
in the stored files of dagster-io/dagster (helm/dagster). A value that no mirrored template reads is not
here; a template that does not fit ours raises.
"""

from dagster_chart.instance import instance_configuration
from dagster_chart.values import Release, merged
from dagster_chart.workloads import code_objects, system_objects

__all__ = ["Release", "code_objects", "instance_configuration", "merged", "system_objects"]
