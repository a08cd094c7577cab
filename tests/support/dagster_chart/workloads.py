"""The objects of the two releases: ConfigMaps, Services and Deployments."""

import json
from typing import Any

import yaml

from dagster_chart.instance import instance_configuration, service_account
from dagster_chart.values import Release

Object = dict[str, Any]


def system_objects(values: dict[str, Any], release: Release) -> list[Object]:
    """Returns what the chart `dagster` makes."""
    servers = [
        {"grpc_server": {"host": one["host"], "port": one["port"], "location_name": one["name"]}}
        for one in values["dagsterWebserver"]["workspace"]["servers"]
    ]
    shared = {
        "DAGSTER_HOME": values["global"]["dagsterHome"],
        "DAGSTER_K8S_INSTANCE_CONFIG_MAP": f"{release.name}-instance",
        "DAGSTER_K8S_PG_PASSWORD_SECRET": values["global"]["postgresqlSecretName"],
        "DAGSTER_K8S_PIPELINE_RUN_NAMESPACE": release.namespace,
        "DAGSTER_K8S_PIPELINE_RUN_ENV_CONFIGMAP": f"{release.name}-pipeline-env",
    }
    found = [
        _config_map(
            release, "instance", {"dagster.yaml": yaml.safe_dump(instance_configuration(values, release))}
        ),
        _config_map(release, "workspace-yaml", {"workspace.yaml": yaml.safe_dump({"load_from": servers})}),
        _config_map(release, "webserver-env", shared),
        _config_map(release, "daemon-env", shared),
        _config_map(release, "pipeline-env", shared),
        _daemon(values, release),
    ]
    for read_only in (False, True) if values["dagsterWebserver"]["enableReadOnly"] else (False,):
        found += _webserver(values, release, read_only=read_only)
    return found


def code_objects(values: dict[str, Any], release: Release) -> list[Object]:
    """Returns what the chart `dagster-user-deployments` makes of its one deployment."""
    [deployment] = values["deployments"]
    full = f"{release.name}-dagster-user-deployments"
    name, image = deployment["name"], _image(deployment["image"])
    shared = {
        "DAGSTER_HOME": values["dagsterHome"],
        "DAGSTER_K8S_PIPELINE_RUN_NAMESPACE": release.namespace,
        "DAGSTER_K8S_PIPELINE_RUN_ENV_CONFIGMAP": f"{full}-pipeline-env",
    }
    assert not deployment["includeConfigInLaunchedRuns"]["enabled"], "the container context is not mirrored"
    health = {"exec": {"command": ["dagster", "api", "grpc-health-check", "-p", str(deployment["port"])]}}
    labels = {"component": "user-deployments", "deployment": name}
    container = {
        "name": "dagster-user-deployments",
        "securityContext": deployment["securityContext"],
        "imagePullPolicy": deployment["image"]["pullPolicy"],
        "image": image,
        "args": [
            "dagster",
            "api",
            "grpc",
            "-h",
            "0.0.0.0",
            "-p",
            str(deployment["port"]),
            *deployment["dagsterApiGrpcArgs"],
        ],
        "env": [
            {"name": "DAGSTER_CURRENT_IMAGE", "value": image},
            _password(values["postgresqlSecretName"]),
            *deployment["env"],
        ],
        "envFrom": _env_from(
            f"{full}-user-deployments-shared-env", f"{full}-{name}-user-env", given=deployment
        ),
        "resources": deployment["resources"],
        "ports": [{"name": "grpc", "containerPort": deployment["port"], "protocol": "TCP"}],
        **{
            probe: {key: value for key, value in deployment[probe].items() if key != "enabled"} | health
            for probe in ("readinessProbe", "livenessProbe", "startupProbe")
        },
        "volumeMounts": deployment["volumeMounts"],
    }
    spec = {
        "imagePullSecrets": values["imagePullSecrets"],
        "serviceAccountName": values["serviceAccount"]["name"],
        "automountServiceAccountToken": True,
        "securityContext": deployment["podSecurityContext"],
        "containers": [container],
        "nodeSelector": deployment["nodeSelector"],
        "volumes": deployment["volumes"],
    }
    made = _deployment(
        Release(release.name, release.namespace), full + "-" + name, "dagster-user-deployments", labels, spec
    )
    made["spec"] |= {"replicas": deployment["replicaCount"], "strategy": deployment["deploymentStrategy"]}
    return [
        _config_map(Release(full, release.namespace), "user-deployments-shared-env", shared),
        _config_map(Release(full, release.namespace), f"{name}-user-env", {}),
        made,
        _service(
            release, name, "dagster-user-deployments", labels, port=deployment["port"], port_name="grpc"
        ),
    ]


def _webserver(values: dict[str, Any], release: Release, *, read_only: bool) -> list[Object]:
    given, suffix = values["dagsterWebserver"], "-read-only" if read_only else ""
    port = given["service"]["port"]
    command = f"dagster-webserver -h 0.0.0.0 -p {port} -w /dagster-workspace/workspace.yaml"
    options = {
        "dbStatementTimeout": "db-statement-timeout",
        "dbPoolRecycle": "db-pool-recycle",
        "dbPoolMaxOverflow": "db-pool-max-overflow",
        "logLevel": "log-level",
        "logFormat": "log-format",
    }
    command += "".join(f" --{option} {given[key]}" for key, option in options.items() if given.get(key))
    labels = {"component": f"dagster-webserver{suffix}"}
    container = {
        "command": ["/bin/bash", "-c", command + (" --read-only" if read_only else "")],
        "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
    }
    spec = _pod(values, release, given, "webserver-env", container)
    name = f"{release.name}-webserver{suffix}"
    made = _deployment(release, name, "dagster", labels, spec)
    made["spec"]["replicas"] = given["replicaCount"]
    return [made, _service(release, name, "dagster", labels, port=port, port_name="http")]


def _daemon(values: dict[str, Any], release: Release) -> Object:
    given = values["dagsterDaemon"]
    log_format = f" --log-format {given['logFormat']}" if given.get("logFormat") else ""
    command = f"dagster-daemon run -w /dagster-workspace/workspace.yaml{log_format}"
    spec = _pod(values, release, given, "daemon-env", {"command": ["/bin/bash", "-c", command]})
    labels = {"component": "dagster-daemon", "deployment": "daemon"}
    made = _deployment(release, f"{release.name}-daemon", "dagster", labels, spec)
    made["spec"]["replicas"] = 1
    return made


def _pod(
    values: dict[str, Any], release: Release, given: dict[str, Any], own: str, container: Object
) -> Object:
    subcharts = values["dagster-user-deployments"]
    assert subcharts["enabled"], "without it there is no workspace"
    assert not subcharts["enableSubchart"], "the init container of the subchart is not mirrored"
    assert not given["checkDbReadyInitContainer"], "its image is not ours"
    home = values["global"]["dagsterHome"]
    probes = {
        probe: {key: value for key, value in given[probe].items() if key != "enabled"}
        for probe in ("readinessProbe", "livenessProbe", "startupProbe")
        if given.get(probe) and given[probe].get("enabled", True)
    }
    main = {
        "name": "dagster",
        "securityContext": given["securityContext"],
        "imagePullPolicy": given["image"]["pullPolicy"],
        "image": _image(given["image"]),
        "env": [_password(values["global"]["postgresqlSecretName"]), *given["env"]],
        "envFrom": _env_from(f"{release.name}-{own}", given=given),
        "volumeMounts": [
            {"name": "dagster-instance", "mountPath": f"{home}/dagster.yaml", "subPath": "dagster.yaml"},
            {"name": "dagster-workspace-yaml", "mountPath": "/dagster-workspace/"},
            *given["volumeMounts"],
        ],
        "resources": given["resources"],
        **probes,
        **container,
    }
    return {
        "imagePullSecrets": values["imagePullSecrets"],
        "serviceAccountName": service_account(values, release),
        "automountServiceAccountToken": True,
        "securityContext": given["podSecurityContext"],
        "initContainers": given.get("extraPrependedInitContainers") or [],
        "containers": [main, *(given.get("extraContainers") or [])],
        "nodeSelector": given.get("nodeSelector") or {},
        "volumes": [
            {"name": "dagster-instance", "configMap": {"name": f"{release.name}-instance"}},
            {"name": "dagster-workspace-yaml", "configMap": {"name": f"{release.name}-workspace-yaml"}},
            *given["volumes"],
        ],
    }


def _image(given: dict[str, Any]) -> str:
    return (
        f"{given['repository']}@{given['digest']}"
        if given.get("digest")
        else f"{given['repository']}:{given['tag']}"
    )


def _password(secret: str) -> Object:
    reference = {"name": secret, "key": "postgresql-password"}
    return {"name": "DAGSTER_PG_PASSWORD", "valueFrom": {"secretKeyRef": reference}}


def _env_from(*own: str, given: dict[str, Any]) -> list[Object]:
    return [
        *({"configMapRef": {"name": name}} for name in own),
        *({"configMapRef": one} for one in given.get("envConfigMaps") or ()),
        *({"secretRef": one} for one in given.get("envSecrets") or ()),
    ]


def _selector(release: Release, chart: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": chart, "app.kubernetes.io/instance": release.name}


def _metadata(release: Release, name: str, labels: dict[str, str] | None = None) -> Object:
    return {"name": name, "namespace": release.namespace} | ({"labels": labels} if labels else {})


def _config_map(release: Release, suffix: str, data: dict[str, str]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(release, f"{release.name}-{suffix}"),
        "data": data,
    }


def _deployment(release: Release, name: str, chart: str, labels: dict[str, str], spec: Object) -> Object:
    selector = _selector(release, chart) | labels
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(release, name, selector),
        "spec": {
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": selector}, "spec": json.loads(json.dumps(spec))},
        },
    }


def _service(
    release: Release, name: str, chart: str, labels: dict[str, str], *, port: int, port_name: str
) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(release, name, _selector(release, chart)),
        "spec": {
            "type": "ClusterIP",
            "ports": [{"port": port, "targetPort": port_name, "protocol": "TCP", "name": port_name}],
            "selector": _selector(release, chart) | labels,
        },
    }
