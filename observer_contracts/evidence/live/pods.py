"""The collector's pods, and what they answer.

Invariant: a pod is asked through the API's proxy; where the API forbids that, it is asked directly, but from
inside of the cluster only: elsewhere its address may belong to somebody else. What the API says instead of
the pod is no answer of the pod.
"""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.live.access import Answer, Silence
from observer_contracts.evidence.live.observations import Live
from observer_contracts.evidence.objects import KubernetesObject, items_at
from observer_contracts.evidence.seeing import HttpAnswer, Unseen, json_fields
from observer_core.probes import STATUS_PATH

if TYPE_CHECKING:
    from observer_contracts.evidence.live.reader import Reading

_DIRECT_SECONDS = 2.0
_LARGEST_ANSWER = 1024 * 1024


def pods_of(live: Live, name: str, kind: str) -> list[KubernetesObject]:
    """Returns the pods that a workload's selector matches and that are not about to end."""
    workload = live.find(kind, name)
    return matching(live.of("Pod"), workload) if workload else []


def matching(pods: list[KubernetesObject], workload: KubernetesObject) -> list[KubernetesObject]:
    """Returns those of the pods that a workload's selector matches and that are not about to end."""
    wanted = workload.mapping("spec", "selector", "matchLabels")
    return [
        pod
        for pod in pods
        if wanted
        and pod.namespace == workload.namespace
        and not pod.value("metadata", "deletionTimestamp")
        and wanted.items() <= pod.mapping("metadata", "labels").items()
    ]


def is_ready(pod: KubernetesObject) -> bool:
    """Tells whether a pod has the condition `Ready`."""
    conditions = items_at(pod.fields, "status", "conditions")
    return any(item.get("type") == "Ready" and item.get("status") == "True" for _, item in conditions)


def ask_pods(
    reading: Reading, declaration: Declaration, live: Live
) -> dict[tuple[str, str], HttpAnswer | Unseen]:
    """Asks each pod of the collector how it is."""
    answers: dict[tuple[str, str], HttpAnswer | Unseen] = {}
    http_fact, collector = declaration.http, declaration.collector
    for pod in pods_of(live, collector.name, collector.kind):
        for path in (http_fact.health, http_fact.ready, STATUS_PATH):
            answers[pod.name, path] = _ask(reading, pod, http_fact.port, path)
    return answers


def _ask(reading: Reading, pod: KubernetesObject, port: int, path: str) -> HttpAnswer | Unseen:
    proxy = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}:{port}/proxy{path}"
    answer = reading.ask(proxy)
    if isinstance(answer, Answer) and not answer.from_the_api:
        fields = answer.content if isinstance(answer.content, dict) else {}
        return HttpAnswer(answer.status, fields)
    directly = _ask_directly(pod.text("status", "podIP"), port, path) if reading.access.inside else None
    if directly is not None:
        return directly
    return Unseen(answer.reason if isinstance(answer, Silence) else f"the API's proxy: {answer.reason}")


def _ask_directly(address: str, port: int, path: str) -> HttpAnswer | None:
    if not address:
        return None
    connection = http.client.HTTPConnection(address, port, timeout=_DIRECT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return HttpAnswer(answer.status, json_fields(answer.read(_LARGEST_ANSWER)))
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
