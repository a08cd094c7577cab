"""The rules about Services and probes."""

from __future__ import annotations

from observer_contracts.catalogue.looking import CRITICAL, HIGH, MEDIUM, manifests
from observer_contracts.model import Contract, Rule
from observer_contracts.rules import probe, same_contract, service

SERVICE_AND_PROBE_RULES: tuple[Rule, ...] = (
    Rule(
        "SVC-001",
        "Every Service leads to pods",
        Contract.SERVICE,
        CRITICAL,
        why="A Service without endpoints refuses every connection.",
        remedy="Correct the selector or the target port.",
        look="kubectl -n observer-prod get endpointslices",
        checks=manifests(service.selectors_match),
    ),
    Rule(
        "SVC-002",
        "A StatefulSet's Service is there and headless",
        Contract.SERVICE,
        MEDIUM,
        why="The pods of the StatefulSet have no names of their own.",
        remedy="Restore the headless Service under the name in serviceName.",
        look="kubectl -n observer-prod get service",
        checks=manifests(service.stateful_sets_have_services),
    ),
    Rule(
        "SVC-003",
        "No Service is reachable from outside",
        Contract.SERVICE,
        MEDIUM,
        why="A node port opens collector or database to everybody who reaches the node.",
        remedy="Use type ClusterIP, and a port-forward or an Ingress with authentication for people.",
        look="kubectl -n observer-prod get service",
        checks=manifests(service.inside_only),
    ),
    Rule(
        "SVC-004",
        "No generated variable of a Service looks like a setting",
        Contract.SERVICE,
        HIGH,
        incident="I-12",
        why="The Service `observer` puts OBSERVER_PORT=tcp://… and seven more into every pod, among the "
        "settings.",
        remedy="Set enableServiceLinks: false in the pod.",
        look="kubectl -n observer-prod exec deploy/observer -- env",
        checks=manifests(service.no_service_links),
    ),
    Rule(
        "SVC-005",
        "SERVICE_PORT, the container's port and the Service's port are one chain",
        Contract.SERVICE,
        CRITICAL,
        why="Probes and scrapes ask a port on which nobody listens: the pod is restarted for ever.",
        remedy="Set the end that is named to the declared port.",
        look="kubectl -n observer-prod port-forward svc/observer 8000:8000",
        checks=manifests(service.http_chain),
    ),
    Rule(
        "SVC-006",
        "Operators and monitoring reach a pod that is not ready",
        Contract.SERVICE,
        HIGH,
        incident="I-02",
        why="A Service gives ready pods only: the pod to look at is the one without metrics and without "
        "alerts.",
        remedy="Set publishNotReadyAddresses: true in the Service that is named.",
        look="kubectl -n observer-prod get service observer-operators -o yaml",
        checks=manifests(service.operators_see_every_pod),
    ),
    Rule(
        "PRB-001",
        "The collector is asked whether it lives and whether it is ready",
        Contract.PROBE,
        HIGH,
        incident="I-02",
        why="A hung process is never restarted, or a healthy one always.",
        remedy="Restore both probes on the service's port.",
        look="kubectl -n observer-prod describe pod -l app=observer",
        checks=manifests(probe.probes_present),
    ),
    Rule(
        "PRB-002",
        "Readiness asks its own question",
        Contract.PROBE,
        MEDIUM,
        incident="I-02",
        why="Pods were healthy for 29 hours while nothing was collected, because readiness asked for "
        "liveness.",
        remedy="Let readinessProbe ask /ready.",
        look="kubectl -n observer-prod get endpointslices",
        checks=manifests(probe.readiness_is_its_own),
    ),
    Rule(
        "PRB-003",
        "Slow starts are covered, and the database is probed",
        Contract.PROBE,
        MEDIUM,
        incident="I-24",
        why="Recovery of a long journal takes longer than liveness allows, and the pod is killed in the "
        "middle of it.",
        remedy="Add the probe that is named.",
        look="kubectl -n observer-prod describe pod",
        checks=manifests(probe.slow_start_covered),
    ),
    Rule(
        "PRB-004",
        "The pod is verified before the collector starts",
        Contract.PROBE,
        HIGH,
        incident="I-18",
        why="A pod with a missing volume or key starts, looks healthy and loses the day; an init step that "
        "sees something else proves nothing, and one that refuses for less costs the day itself.",
        remedy="Give the init step the collector's image, environment and mounts, and the arguments that "
        "are named.",
        look="kubectl -n observer-prod logs deploy/observer -c verify",
        checks=manifests(same_contract.verified_before_start),
    ),
)
