"""The ConfigMap `dagster-instance`: the dagster.yaml that all of Dagster's processes and runs have."""

from typing import Any

from dagster_chart.values import Release

_RUN_K8S_CONFIG = {
    "containerConfig": "container_config",
    "podSpecConfig": "pod_spec_config",
    "podTemplateSpecMetadata": "pod_template_spec_metadata",
    "jobSpecConfig": "job_spec_config",
    "jobMetadata": "job_metadata",
}
_MONITORING = {
    "startTimeoutSeconds": "start_timeout_seconds",
    "maxResumeRunAttempts": "max_resume_run_attempts",
    "pollIntervalSeconds": "poll_interval_seconds",
    "maxRuntimeSeconds": "max_runtime_seconds",
    "freeSlotsAfterRunEndSeconds": "free_slots_after_run_end_seconds",
}


def instance_configuration(values: dict[str, Any], release: Release) -> dict[str, Any]:
    """Returns the content of dagster.yaml."""
    storage = {"config": {"postgres_db": _postgres(values)}}
    daemon = values["dagsterDaemon"]
    return {
        "scheduler": {"module": "dagster._core.scheduler", "class": "DagsterDaemonScheduler"},
        "schedule_storage": {
            "module": "dagster_postgres.schedule_storage",
            "class": "PostgresScheduleStorage",
        }
        | storage,
        "run_launcher": _launcher(values, release),
        "run_storage": {"module": "dagster_postgres.run_storage", "class": "PostgresRunStorage"} | storage,
        "event_log_storage": {"module": "dagster_postgres.event_log", "class": "PostgresEventLogStorage"}
        | storage,
        "run_coordinator": _coordinator(daemon["runCoordinator"]),
        "compute_logs": _compute_logs(values["computeLogManager"]),
        **_run_monitoring(daemon["runMonitoring"]),
        **_run_retries(daemon["runRetries"]),
        "sensors": _threads(daemon["sensors"]),
        "schedules": _threads(daemon["schedules"]),
        "telemetry": {"enabled": values["telemetry"]["enabled"]},
        **_retention(values["retention"]),
        **({"concurrency": _concurrency(values)} if values["concurrency"].get("enabled") else {}),
        **(values.get("additionalInstanceConfig") or {}),
    }


def _postgres(values: dict[str, Any]) -> dict[str, Any]:
    given = values["postgresql"]
    assert given["enabled"] is False, "the chart's own PostgreSQL is not mirrored"
    scheme = {"scheme": given["postgresqlScheme"]} if given.get("postgresqlScheme") else {}
    return {
        "username": given["postgresqlUsername"],
        "password": {"env": "DAGSTER_PG_PASSWORD"},
        "hostname": given["postgresqlHost"],
        "db_name": given["postgresqlDatabase"],
        "port": given["service"]["port"],
        "params": given["postgresqlParams"],
        **scheme,
    }


def _launcher(values: dict[str, Any], release: Release) -> dict[str, Any]:
    assert values["runLauncher"]["type"] == "K8sRunLauncher"
    given = values["runLauncher"]["config"]["k8sRunLauncher"]
    image = given.get("image")
    optional = {
        "kubeconfig_file": given.get("kubeconfigFile"),
        "image_pull_secrets": values.get("imagePullSecrets"),
        "job_image": f"{image['repository']}:{image['tag']}" if image else None,
        "env_secrets": [one["name"] for one in given["envSecrets"]],
        "env_vars": given.get("envVars"),
        "volume_mounts": given["volumeMounts"],
        "volumes": given["volumes"],
        "labels": given.get("labels"),
        "resources": given.get("resources"),
        "scheduler_name": given.get("schedulerName"),
        "security_context": given.get("securityContext"),
        "fail_pod_on_run_failure": given.get("failPodOnRunFailure"),
        "run_k8s_config": {
            _RUN_K8S_CONFIG[key]: value for key, value in (given.get("runK8sConfig") or {}).items()
        },
    }
    config = {
        "load_incluster_config": given["loadInclusterConfig"],
        "job_namespace": given.get("jobNamespace") or release.namespace,
        "image_pull_policy": given["imagePullPolicy"],
        "service_account_name": service_account(values, release),
        "dagster_home": {"env": "DAGSTER_HOME"},
        "instance_config_map": {"env": "DAGSTER_K8S_INSTANCE_CONFIG_MAP"},
        "postgres_password_secret": {"env": "DAGSTER_K8S_PG_PASSWORD_SECRET"},
        "env_config_maps": [
            {"env": "DAGSTER_K8S_PIPELINE_RUN_ENV_CONFIGMAP"},
            *(one["name"] for one in given["envConfigMaps"]),
        ],
        **{key: value for key, value in optional.items() if value},
    }
    return {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": config}


def service_account(values: dict[str, Any], release: Release) -> str:
    """Returns the account of webserver and daemon, and of runs that name none themselves."""
    return values["global"]["serviceAccountName"] or values["serviceAccount"]["name"] or release.name


def _coordinator(given: dict[str, Any]) -> dict[str, Any]:
    assert given["type"] == "QueuedRunCoordinator"
    queued = given["config"]["queuedRunCoordinator"]
    names = {"dequeueIntervalSeconds": "dequeue_interval_seconds"}
    config = {names[key]: value for key, value in queued.items() if value}
    return {"module": "dagster._core.run_coordinator", "class": "QueuedRunCoordinator"} | (
        {"config": config} if config else {}
    )


def _compute_logs(given: dict[str, Any]) -> dict[str, Any]:
    assert given["type"] == "NoOpComputeLogManager"
    return {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}


def _run_monitoring(given: dict[str, Any]) -> dict[str, Any]:
    if not given.get("enabled"):
        return {}
    known = {name: given[key] for key, name in _MONITORING.items() if given.get(key)}
    return {"run_monitoring": {"enabled": True, **known}}


def _run_retries(given: dict[str, Any]) -> dict[str, Any]:
    if not given.get("enabled"):
        return {}
    names = {"maxRetries": "max_retries", "retryOnAssetOrOpFailure": "retry_on_asset_or_op_failure"}
    known = {name: given[key] for key, name in names.items() if given.get(key) is not None}
    return {"run_retries": {"enabled": True, **known}}


def _threads(given: dict[str, Any]) -> dict[str, Any]:
    return {"use_threads": given["useThreads"], "num_workers": given["numWorkers"]}


def _retention(given: dict[str, Any]) -> dict[str, Any]:
    if not given["enabled"]:
        return {}
    kinds = {key: {"purge_after_days": given[key]["purgeAfterDays"]} for key in ("schedule", "sensor")}
    return {"retention": kinds}


def _concurrency(values: dict[str, Any]) -> dict[str, Any]:
    """Fails where the template calls `fail`: the same thing said twice."""
    given = values["concurrency"]
    queued = values["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert not {"maxConcurrentRuns", "tagConcurrencyLimits"} & set(queued)
    pools = {
        "defaultLimit": "default_limit",
        "granularity": "granularity",
        "opGranularityRunBuffer": "op_granularity_run_buffer",
    }
    runs = {"maxConcurrentRuns": "max_concurrent_runs", "tagConcurrencyLimits": "tag_concurrency_limits"}
    found = {}
    for key, names in (("pools", pools), ("runs", runs)):
        said = {name: given[key][own] for own, name in names.items() if given.get(key, {}).get(own)}
        if said:
            found[key] = said
    return found
