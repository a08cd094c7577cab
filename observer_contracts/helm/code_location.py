"""HLM-012: the code location answers where Dagster asks, and sees the collector's files.

Invariant: what the workspace asks for is looked for among the code locations of the values and the Services
of the manifests beside them; where neither was given, only what the declaration says of it is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from observer_contracts.declaration import dagster
from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import Place, field_name
from observer_contracts.helm.charts import Chart
from observer_contracts.helm.pods import code_pods, configuration_given, declared_mounts, read_whole
from observer_contracts.helm.values import HelmValues, Layered
from observer_contracts.model import Finding
from observer_contracts.rules.findings import candidates, failed, passed, shown

_MODULE, _ATTRIBUTE = ("-m", "--module-name"), ("-a", "--attribute")


def code_location_answers(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """HLM-012: workspace, port, module, environment and mounts of the code location fit each other."""
    values: HelmValues | None = evidence.values
    for layered in values.charts if values else ():
        if layered.chart is Chart.SYSTEM:
            yield from _workspace(layered, evidence)
        for place, _ in layered.code_locations():
            yield _served(layered, place)
            yield _listens(layered, place)
            yield _keeps_to_itself(layered, place)
        for pod in code_pods(layered):
            yield configuration_given(declaration, evidence, pod)
            yield from declared_mounts(declaration, pod, writing=False)


def _workspace(layered: Layered, evidence: Evidence) -> Iterator[Finding]:
    """Each server is a Service: the chart's, named after the code location, or one of the manifests."""
    answering = _answering(evidence)
    for place, server in layered.items("dagsterWebserver", "workspace", "servers"):
        asked = (str(server.get("host", "")), server.get("port"))
        address = f"{asked[0]}:{asked[1]}"
        expected = f"{field_name(place)}: a Service that leads to the code location"
        where = layered.where(*place, "host")
        if asked in answering:
            yield passed(str(layered.chart), expected, address, where)
        elif not _told(evidence) and asked[1] == dagster.CODE_PORT:
            observed = f"{address}; what answers there is in no given file"
            yield passed(str(layered.chart), expected, observed, where)
        else:
            hint = candidates(address, [f"{host}:{port}" for host, port in answering])
            remedy = "Write name and port of the code location's Service, or give the file that makes it."
            observed = f"nothing answers at {shown(address)}. {hint}".strip()
            yield failed(str(layered.chart), expected, observed, where, remedy=remedy)


def _told(evidence: Evidence) -> bool:
    values: HelmValues | None = evidence.values
    charts = values.charts if values else ()
    return read_whole(evidence) is not None or any(layered.code_locations() for layered in charts)


def _answering(evidence: Evidence) -> set[tuple[str, object]]:
    values: HelmValues | None = evidence.values
    charts = values.charts if values else ()
    deployments = [item for layered in charts for _, item in layered.code_locations()]
    found: set[tuple[str, object]] = {(str(item.get("name")), item.get("port")) for item in deployments}
    if not deployments:
        # The release of its own, whose values were not given.
        found.add((dagster.CODE.name, dagster.CODE_PORT))
    manifests = read_whole(evidence)
    for service in manifests.of("Service") if manifests else []:
        found |= {(service.name, item.get("port")) for _, item in service.items("spec", "ports")}
    return found


def _served(layered: Layered, place: Place) -> Finding:
    """The arguments name the module that holds the definitions."""
    key = "codeServerArgs" if layered.at(*place, "codeServerArgs") else "dagsterApiGrpcArgs"
    given = layered.at(*place, key)
    words = [str(word) for word in given] if isinstance(given, list) else []
    module, attribute = _after(words, _MODULE), _after(words, _ATTRIBUTE)
    fits = module == dagster.CODE_MODULE and attribute in ("", dagster.CODE_ATTRIBUTE)
    expected = f"{field_name((*place, key))}: -m {dagster.CODE_MODULE} -a {dagster.CODE_ATTRIBUTE}"
    verdict = passed if fits else failed
    return verdict(str(layered.chart), expected, shown(" ".join(words)), layered.where(*place, key))


def _after(words: Sequence[str], options: tuple[str, ...]) -> str:
    return next((after for word, after in pairwise(words) if word in options), "")


def _listens(layered: Layered, place: Place) -> Finding:
    """The policies open one port (NET-002)."""
    port = layered.at(*place, "port")
    expected = f"{field_name((*place, 'port'))}: {dagster.CODE_PORT}, which the NetworkPolicies open"
    verdict = passed if port == dagster.CODE_PORT else failed
    return verdict(str(layered.chart), expected, shown(str(port)), layered.where(*place, "port"))


def _keeps_to_itself(layered: Layered, place: Place) -> Finding:
    """What the chart copies into runs is added to what the launcher gives them, the account included."""
    switch: Place = (*place, "includeConfigInLaunchedRuns", "enabled")
    found = layered.at(*switch)
    verdict = passed if found is False else failed
    observed = (
        "as expected" if found is False else shown(str(found)) if found is not None else "not set: true"
    )
    return verdict(str(layered.chart), f"{field_name(switch)}: false", observed, layered.where(*switch))
