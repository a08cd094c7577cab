"""HLM-006 to HLM-011: the values fit the deployment that they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from observer_contracts.declaration import dagster
from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import Place, field_name
from observer_contracts.helm.charts import Chart
from observer_contracts.helm.pods import (
    LAUNCHER,
    RUN_CONTAINER,
    RUN_POD,
    configuration_given,
    declared_mounts,
    run_pod,
)
from observer_contracts.helm.values import HelmValues, Layered
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, warned

_SCHEME = "postgresql+psycopg2"
# The specification's node runs two beside collector and database, of which each may take 4 GiB.
_GIB_A_RUN = 12
_SECRET_NAMES = re.compile(r"password|token|secret|api_?key|app_?key|credential", re.IGNORECASE)
# Names of Secrets and switches, not secrets.
_NO_SECRETS = re.compile(
    r"SecretName$|SecretKey$|PasswordSecret$|ConfigSecret$|^envSecrets$|^imagePullSecrets$|^secret|Token$"
)
_CONTEXT = {"runAsNonRoot": True, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False}


def no_secrets(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """HLM-006: no password stands in a file; the chart takes it from the declared Secret."""
    for layered in _charts(evidence):
        found = False
        for place, value in _texts(layered.values, ()):
            name = str(place[-1])
            if value and _SECRET_NAMES.search(name) and not _NO_SECRETS.search(name):
                found = True
                expected = "secrets in a Secret only"
                yield failed(
                    str(layered.chart), expected, f"{field_name(place)} has a value", layered.where(*place)
                )
        place = (
            ("global", "postgresqlSecretName") if layered.chart is Chart.SYSTEM else ("postgresqlSecretName",)
        )
        given = layered.at(*place) or layered.at("global", "postgresqlSecretName")
        expected = f"{field_name(place)}: {declaration.secret.name}"
        where = layered.where(*place)
        if given != declaration.secret.name:
            found = True
            yield failed(str(layered.chart), expected, shown(str(given or "")), where)
        if layered.chart is Chart.SYSTEM and layered.at("generatePostgresqlPasswordSecret") is not False:
            found = True
            observed = (
                "the chart makes a Secret from postgresql.postgresqlPassword, `test` where it is not given"
            )
            yield failed(str(layered.chart), "generatePostgresqlPasswordSecret: false", observed, where)
        if not found:
            yield passed(str(layered.chart), expected, "as expected, and no other secret", where)


def storage_of_the_contract(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """HLM-008: Dagster's tables are in the deployment's PostgreSQL, by psycopg2, in a database of its own."""
    layered = _system(evidence)
    if layered is None:
        return
    database = declaration.database
    wanted: dict[Place, Any] = {
        ("postgresql", "enabled"): False,
        ("postgresql", "postgresqlHost"): database.service,
        ("postgresql", "postgresqlUsername"): database.user,
        ("postgresql", "service", "port"): database.port,
        ("postgresql", "postgresqlScheme"): _SCHEME,
    }
    yield from _compared(layered, wanted)
    if layered.at("postgresql", "postgresqlDatabase") == database.name:
        where = layered.where("postgresql", "postgresqlDatabase")
        observed = f"{database.name}, where our own tables are"
        yield failed(
            str(layered.chart), "a database of Dagster's own", observed, where, remedy="Write `dagster`."
        )


def restricted(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """HLM-009: every pod of charts and launcher is restricted, and only the read-only page is public."""
    for layered in _charts(evidence):
        wrong = False
        for pod, container in _contexts(layered):
            for place, expected in _lacking(layered, pod, container, declaration):
                wrong = True
                observed = shown(str(layered.at(*place)))
                yield failed(
                    str(layered.chart), f"{field_name(place)}: {expected}", observed, layered.where(*place)
                )
        for place, expected, observed in _exposed(layered):
            wrong = True
            yield failed(str(layered.chart), expected, observed, layered.where(*place))
        for place, expected, observed, remedy in _wider_than_needed(declaration, layered):
            wrong = True
            yield warned(str(layered.chart), expected, observed, layered.where(*place), remedy=remedy)
        if not wrong:
            yield passed(str(layered.chart), "restricted pods", "all of them", layered.files[-1].where())


def runs_have_the_contract(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """HLM-010: runs get the collector's environment, volumes and place, and an account without rights."""
    layered = _system(evidence)
    if layered is None:
        return
    secrets = [item.get("name") for _, item in layered.items(*LAUNCHER, "envSecrets")]
    findings = [
        _expected(
            layered, (*LAUNCHER, "envSecrets"), declaration.secret.name, declaration.secret.name in secrets
        ),
        configuration_given(declaration, evidence, run_pod(layered)),
        _expected(
            layered,
            (*RUN_POD, "enableServiceLinks"),
            "false",
            layered.at(*RUN_POD, "enableServiceLinks") is False,
        ),
        _account(layered),
    ]
    yield from findings
    yield from declared_mounts(declaration, run_pod(layered), writing=True)
    yield from _own_variables(declaration, layered)
    namespace = layered.at(*LAUNCHER, "jobNamespace")
    expected = f"{declaration.namespace}, or nothing"
    yield _expected(
        layered, (*LAUNCHER, "jobNamespace"), expected, namespace in (None, "", declaration.namespace)
    )


def _own_variables(declaration: Declaration, layered: Layered) -> Iterator[Finding]:
    """What the pod of a run says of itself, as the collector's does (ENV-006)."""
    place = (*RUN_CONTAINER, "env")
    entries = {item.get("name"): item for _, item in layered.items(*place)}
    for fact in declaration.pod_variables:
        entry = entries.get(fact.name, {})
        field = ((entry.get("valueFrom") or {}).get("fieldRef") or {}).get("fieldPath")
        fits = field == fact.field if fact.field else entry.get("value") == fact.value
        source = f"the field {fact.field}" if fact.field else fact.value
        expected, where = f"{field_name(place)}: {fact.name} = {source}", layered.where(*place)
        yield (passed if fits else failed)(
            str(layered.chart), expected, "as expected" if fits else "another value or none", where
        )


def run_mounts(layered: Layered) -> dict[str, str]:
    """Returns by path which claim a run finds there, if any: the launcher joins its list and the pod's."""
    pod = run_pod(layered)
    claims = {
        name: str((item.get("persistentVolumeClaim") or {}).get("claimName", ""))
        for name, (_, item) in pod.volumes.items()
    }
    return {path: claims.get(str(item.get("name")), "") for path, (_, item) in pod.mounts.items()}


def bounded(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """HLM-011: runs are watched, counted and ended; what nobody asked for is off."""
    layered = _system(evidence)
    if layered is None:
        return
    needed: tuple[tuple[Place, str, bool], ...] = (
        (("dagsterDaemon", "runMonitoring", "enabled"), "true", True),
        (("dagsterDaemon", "runRetries", "retryOnAssetOrOpFailure"), "false", False),
        (("concurrency", "enabled"), "true", True),
        (("retention", "enabled"), "true", True),
        (("telemetry", "enabled"), "false", False),
        (("additionalInstanceConfig", "nux", "enabled"), "false", False),
        (("rbacEnabled",), "false: the chart's role allows everything with pods and Jobs", False),
        (("serviceAccount", "create"), "false: accounts and roles are in deploy/", False),
    )
    for place, expected, value in needed:
        yield _expected(layered, place, expected, layered.at(*place) is value)
    longest = layered.at("dagsterDaemon", "runMonitoring", "maxRuntimeSeconds")
    yield _expected(layered, ("dagsterDaemon", "runMonitoring", "maxRuntimeSeconds"), "an end", bool(longest))
    place = (*LAUNCHER, "runK8sConfig", "jobSpecConfig", "ttlSecondsAfterFinished")
    kept = layered.at(*place)
    lasts = isinstance(kept, int) and kept > 0
    yield _expected(layered, place, "seconds, after which a finished run's pod and Job go", lasts)
    yield from _one_at_a_time(layered, declaration.cluster.memory_gib)


def _one_at_a_time(layered: Layered, node_gib: int) -> Iterator[Finding]:
    """How many runs there are, and which of them never run beside each other."""
    place: Place = ("concurrency", "runs", "maxConcurrentRuns")
    most = layered.at(*place)
    room = max(2, node_gib // _GIB_A_RUN)
    what = f"1 to {room}, for a node of {node_gib} GiB (node_memory_gib in contracts.yaml)"
    yield _expected(layered, place, what, isinstance(most, int) and 1 <= most <= room)
    if most == 1:
        return
    place = ("concurrency", "runs", "tagConcurrencyLimits")
    limits = {item.get("key"): item.get("limit") for _, item in layered.items(*place)}
    what = f"{dagster.DAY_TAG} with limit 1: two runs of a trading day write the same files"
    yield _expected(layered, place, what, limits.get(dagster.DAY_TAG) == 1)
    place = ("concurrency", "pools", "defaultLimit")
    what = "1: the broker's REST limit is one account's"
    yield _expected(layered, place, what, layered.at(*place) == 1)


def _charts(evidence: Evidence) -> tuple[Layered, ...]:
    values: HelmValues | None = evidence.values
    return values.charts if values else ()


def _system(evidence: Evidence) -> Layered | None:
    values: HelmValues | None = evidence.values
    return values.of(Chart.SYSTEM) if values else None


def _expected(layered: Layered, place: Place, what: str, fits: bool) -> Finding:
    verdict, where = (passed if fits else failed), layered.where(*place)
    value = layered.at(*place)
    observed = "as expected" if fits else "nothing" if value is None else shown(str(value))
    return verdict(str(layered.chart), f"{field_name(place)}: {what}", observed, where)


def _compared(layered: Layered, wanted: dict[Place, Any]) -> Iterator[Finding]:
    for place, value in wanted.items():
        yield _expected(layered, place, str(value).lower(), layered.at(*place) == value)


def _account(layered: Layered) -> Finding:
    """The launcher's own account may make Jobs; a run that had it could make pods with any mount."""
    place = (*RUN_POD, "serviceAccountName")
    account, own = layered.at(*place), layered.at("serviceAccount", "name")
    return _expected(layered, place, "an account of the runs' own", bool(account) and account != own)


def _texts(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*place, key))
        if isinstance(value.get("value"), str) and _SECRET_NAMES.search(str(value.get("name", ""))):
            yield (*place, "value", "password"), value["value"]
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*place, index))
    elif isinstance(value, str) and place:
        yield place, value


def _contexts(layered: Layered) -> Iterator[tuple[Place, Place]]:
    """Yields the places of the pod's and the container's security context."""
    parts: list[Place] = [place for place, _ in layered.code_locations()]
    if layered.chart is Chart.SYSTEM:
        parts += [("dagsterWebserver",), ("dagsterDaemon",)]
        yield (*RUN_POD, "securityContext"), (*LAUNCHER, "securityContext")
    for part in parts:
        yield (*part, "podSecurityContext"), (*part, "securityContext")


def _lacking(
    layered: Layered, pod: Place, container: Place, declaration: Declaration
) -> Iterator[tuple[Place, str]]:
    own = declaration.collector.context
    wanted: dict[str, Any] = _CONTEXT | {"runAsUser": own.user, "runAsGroup": own.group}
    for key, value in wanted.items():
        if layered.at(*container, key) != value:
            yield (*container, key), str(value).lower()
    if layered.at(*container, "capabilities", "drop") != ["ALL"]:
        yield (*container, "capabilities", "drop"), "[ALL]"
    if layered.at(*pod, "seccompProfile", "type") not in ("RuntimeDefault", "Localhost"):
        yield (*pod, "seccompProfile", "type"), "RuntimeDefault"
    if layered.at(*pod, "fsGroup") != own.file_system_group:
        yield (*pod, "fsGroup"), str(own.file_system_group)


def _exposed(layered: Layered) -> Iterator[tuple[Place, str, str]]:
    """Dagster has no login: whoever reaches the webserver that is not read-only can run anything."""
    if layered.at("ingress", "enabled"):
        observed = "the chart's Ingress always leads to the webserver that can change things too"
        yield ("ingress", "enabled"), "ingress.enabled: false", observed
    kind = layered.at("dagsterWebserver", "service", "type")
    if layered.chart is Chart.SYSTEM and kind not in (None, "ClusterIP"):
        yield (
            ("dagsterWebserver", "service", "type"),
            "dagsterWebserver.service.type: ClusterIP",
            shown(str(kind)),
        )


def _wider_than_needed(declaration: Declaration, layered: Layered) -> Iterator[tuple[Place, str, str, str]]:
    """What works, and gives more away than anybody needs."""
    parts: list[Place] = [place for place, _ in layered.code_locations()]
    if layered.chart is Chart.SYSTEM:
        parts += [("dagsterWebserver",), ("dagsterDaemon",)]
        place: Place = ("dagsterWebserver", "enableReadOnly")
        real = declaration.broker.environment == declaration.broker.default
        if real and layered.at(*place) is not True:
            observed = "everybody who looks has the page that can change things"
            yield (
                place,
                f"{field_name(place)}: true",
                observed,
                "Set it; with paper trading nothing asks for it.",
            )
    for part in parts:
        place = (*part, "envSecrets")
        if declaration.secret.name in [item.get("name") for _, item in layered.items(*place)]:
            expected = f"{field_name(place)}: not {declaration.secret.name}, which only runs read"
            observed = "the broker's keys and the database's password are in a pod that asks for neither"
            yield place, expected, observed, "Name the keys that it needs in env, by secretKeyRef."
