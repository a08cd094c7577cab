"""Who may talk to whom: the policies as the network applies them, flow by flow.

A connection needs both ends: the caller's egress and the target's ingress. A pod that no policy selects for a
direction is open in it; a pod that policies select is open to the union of their rules.
"""

import io
import ipaddress
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster_chart import Release, code_objects, merged, system_objects
from dagster_k8s.job import DagsterK8sJobConfig, construct_dagster_k8s_job
from renderings import ROOT, Rendering, render

from observer_contracts.declaration.build import declare
from observer_contracts.declaration.dagster import CODE_PORT, PODS
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.model import Status

Labels = dict[str, str]


@dataclass(frozen=True)
class Peer:
    """One end of a connection.

    Attributes:
        name: For people.
        labels: Of the pod; empty for an address outside.
        namespace: Of the pod; empty for an address outside.
        address: Outside of the cluster's pods.
        ports: Numbers of the container's named ports.
    """

    name: str
    labels: Labels = field(default_factory=dict)
    namespace: str = ""
    address: str = ""
    ports: dict[str, int] = field(default_factory=dict)


def _selects(selector: dict[str, Any], labels: Labels) -> bool:
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", "no other operator is used"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


def _is_peer(rule: dict[str, Any], peer: Peer, namespace: str) -> bool:
    if "ipBlock" in rule:
        if not peer.address:
            return False
        address = ipaddress.ip_address(peer.address)
        inside = address in ipaddress.ip_network(rule["ipBlock"]["cidr"])
        return inside and not any(
            address in ipaddress.ip_network(n) for n in rule["ipBlock"].get("except", [])
        )
    if not peer.namespace:
        return False
    if "namespaceSelector" in rule:
        if not _selects(rule["namespaceSelector"], {"kubernetes.io/metadata.name": peer.namespace}):
            return False
    elif peer.namespace != namespace:
        return False
    return _selects(rule.get("podSelector", {}), peer.labels)


def _allows(
    policies: list[dict[str, Any]], direction: str, own: Peer, other: Peer, port: tuple[str, int]
) -> bool:
    """Tells whether the policies over one end let the other end through."""
    if own.address:
        return True
    mine = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == own.namespace
        and direction in policy["spec"]["policyTypes"]
        and _selects(policy["spec"]["podSelector"], own.labels)
    ]
    target = own if direction == "Ingress" else other
    peers = "from" if direction == "Ingress" else "to"
    for policy in mine:
        for rule in policy["spec"].get(direction.lower()) or []:
            numbers = {
                (entry["protocol"], target.ports.get(entry["port"], entry["port"])) for entry in rule["ports"]
            }
            named = rule.get(peers)
            fits = named is None or any(_is_peer(one, other, own.namespace) for one in named)
            if port in numbers and fits:
                return True
    return not mine


def _connects(rendering: Rendering, caller: Peer, target: Peer, port: int, protocol: str = "TCP") -> bool:
    policies = rendering.of("NetworkPolicy")
    wanted = (protocol, port)
    return _allows(policies, "Egress", caller, target, wanted) and _allows(
        policies, "Ingress", target, caller, wanted
    )


NAMESPACE = "observer-prod"


def _dagster_pods() -> dict[str, Labels]:
    """Labels of the pods that the charts make of our values."""
    values = ROOT / "helm-values"
    documents = [
        *system_objects(merged(values / "dagster.yaml"), Release("dagster")),
        *code_objects(merged(values / "dagster-code.yaml"), Release("dagster-code")),
    ]
    return {
        labels["component"]: labels
        for labels in (
            found["spec"]["template"]["metadata"]["labels"]
            for found in documents
            if found["kind"] == "Deployment"
        )
    }


def _run_labels(component: str = "run_worker", name: str = "close_day") -> Labels:
    """Labels that the code of run launcher and executor gives the pod of a run or of a step."""
    job = construct_dagster_k8s_job(
        DagsterK8sJobConfig(
            job_image="image", dagster_home="/opt/dagster/dagster_home", instance_config_map="instance"
        ),
        args=["dagster"],
        job_name="dagster-run-1",
        component=component,
        labels={"dagster/job": name, "dagster/run-id": "1"},
    )
    return dict(job.spec.template.metadata.labels)


def _peers(production: Rendering) -> dict[str, Peer]:
    dagster = _dagster_pods()
    maintenance = dict(production.pods())["observer-maintenance"]["metadata"]["labels"]
    own = {
        "collector": Peer("collector", {"app": "observer"}, NAMESPACE, ports={"http": 8000}),
        "database": Peer("database", {"app": "postgres"}, NAMESPACE, ports={"postgres": 5432}),
        "webserver": Peer("webserver", dagster["dagster-webserver"], NAMESPACE, ports={"http": 3000}),
        "read-only": Peer(
            "read-only", dagster["dagster-webserver-read-only"], NAMESPACE, ports={"http": 3000}
        ),
        "daemon": Peer("daemon", dagster["dagster-daemon"], NAMESPACE),
        "code": Peer("code", dagster["user-deployments"], NAMESPACE, ports={"grpc": 3030}),
        "run": Peer("run", _run_labels(), NAMESPACE),
        "backfill": Peer("backfill", _run_labels(name="backfill_days"), NAMESPACE),
        "step": Peer("step", _run_labels("step_worker", "backfill_days"), NAMESPACE),
        "maintenance": Peer("maintenance", maintenance, NAMESPACE),
        "stranger": Peer("stranger", {"app": "something-new"}, NAMESPACE),
    }
    others = {
        "neighbour": Peer("neighbour", {"app": "observer"}, "default"),
        "prometheus": Peer("prometheus", {"app.kubernetes.io/name": "prometheus"}, "monitoring"),
        "traefik": Peer("traefik", {"app.kubernetes.io/name": "traefik"}, "kube-system"),
        "dns": Peer("dns", {"k8s-app": "kube-dns"}, "kube-system"),
        # Public, the node's own, and that of a machine in the private network.
        "broker": Peer("broker", address="210.107.75.72"),
        "node": Peer("node", address="10.0.0.5"),
        "metadata": Peer("metadata", address="169.254.169.254"),
    }
    return own | others


OPEN = """
collector   dns        53/UDP   collector   dns        53      collector   database   5432
collector   broker     9443     collector   broker     21000   collector   broker     29443
collector   broker     31000    collector   broker     443     collector   node       6443
prometheus  collector  8000     traefik     read-only  3000
webserver   dns        53/UDP   daemon      dns        53/UDP  code        dns        53/UDP
webserver   database   5432     read-only   database   5432    daemon      database   5432
code        database   5432     run         database   5432    run         dns        53/UDP
webserver   code       3030     read-only   code       3030    daemon      code       3030
webserver   node       6443     daemon      node       6443
run         broker     9443     run         broker     29443   run         broker     443
code        broker     443      maintenance dns        53/UDP  maintenance dns        53
maintenance database   5432     maintenance broker     443
"""
SHUT = """
stranger    dns        53/UDP   stranger    database   5432    stranger    broker     443
stranger    node       6443     stranger    collector  8000
neighbour   database   5432     neighbour   collector  8000    neighbour   code       3030
prometheus  database   5432     traefik     webserver  3000    traefik     collector  8000
collector   broker     80       collector   metadata   443     collector   node       22
collector   code       3030     collector   webserver  3000    traefik     database   5432
database    broker     443      database    dns        53/UDP  database    collector  8000
database    node       6443     run         broker     21000   run         node       6443
run         metadata   443      run         code       3030    run         webserver  3000
run         collector  8000     code        broker     9443    code        node       6443
code        run        3030     daemon      broker     443     webserver   broker     443
read-only   webserver  3000     daemon      collector  8000    code        collector  8000
read-only   node       6443     maintenance node       6443    maintenance broker     21000
"""


def _flows(table: str) -> list[tuple[str, str, int, str]]:
    words = table.split()
    triples = zip(words[::3], words[1::3], words[2::3], strict=True)
    return [
        (caller, target, int(port.partition("/")[0]), port.partition("/")[2] or "TCP")
        for caller, target, port in triples
    ]


@pytest.fixture(scope="module")
def peers(production: Rendering) -> dict[str, Peer]:
    return _peers(production)


def test_the_contract_knows_the_labels_of_dagsters_pods() -> None:
    """What NET-002 takes for the charts' and the launcher's labels is what they make."""
    runs = (_run_labels(), _run_labels(name="backfill_days"), _run_labels("step_worker", "backfill_days"))
    made = [*_dagster_pods().values(), *runs]
    for fact in PODS:
        assert [labels for labels in made if fact.labels.items() <= labels.items()], fact
    assert len(PODS) == len(made)
    values = merged(ROOT / "helm-values/dagster-code.yaml")
    assert [found["port"] for found in values["deployments"]] == [CODE_PORT]


def test_what_is_needed_is_open(production: Rendering, peers: dict[str, Peer]) -> None:
    """Each flow of the contract, of Dagster, and of the scrapes gets through."""
    refused = [f for f in _flows(OPEN) if not _connects(production, peers[f[0]], peers[f[1]], f[2], f[3])]
    assert refused == []


def test_what_nobody_needs_is_shut(production: Rendering, peers: dict[str, Peer]) -> None:
    """A new pod, a neighbour's, the metadata service, the other way round: nothing gets through."""
    passed = [f for f in _flows(SHUT) if _connects(production, peers[f[0]], peers[f[1]], f[2], f[3])]
    assert passed == []


OPEN_FOR_BACKFILLS = """
backfill    node       6443     backfill    database   5432    backfill    dns        53/UDP
step        database   5432     step        dns        53/UDP  step        broker     9443
step        broker     29443    step        broker     443
"""
SHUT_FOR_BACKFILLS = """
step        node       6443     step        broker     21000   step        metadata   443
step        code       3030     run         node       6443    backfill    code       3030
"""


def test_a_backfills_run_reaches_the_api_and_its_steps_what_runs_reach(
    production: Rendering, peers: dict[str, Peer], tmp_path: Path
) -> None:
    """By the component alone: without it the API is shut to every run, and the broker to steps."""
    with_it = render(tmp_path, "production", ("wide-backfills",))
    opened = [
        f for f in _flows(OPEN_FOR_BACKFILLS) if _connects(with_it, peers[f[0]], peers[f[1]], f[2], f[3])
    ]
    assert opened == _flows(OPEN_FOR_BACKFILLS)
    shut = [f for f in _flows(SHUT_FOR_BACKFILLS) if _connects(with_it, peers[f[0]], peers[f[1]], f[2], f[3])]
    assert shut == []
    assert not _connects(production, peers["backfill"], peers["node"], 6443)
    assert not _connects(production, peers["step"], peers["broker"], 9443)


@pytest.mark.parametrize(
    ("policy", "pod"), [("dagster-backfills", "dagster-run-backfill"), ("dagster-steps", "dagster-step")]
)
def test_a_policy_of_the_component_that_is_gone_is_found(policy: str, pod: str, tmp_path: Path) -> None:
    """NET-002 speaks of these pods where their account is, and of no others."""
    rendering = render(tmp_path, "production", ("wide-backfills",))

    def judged(documents: list[dict[str, Any]]) -> dict[str, Status]:
        content = io.BytesIO(yaml.safe_dump_all(documents).encode())
        given = Verification(declare(), read_manifests(["-"], content), only=("NET-002",))
        return {result.finding.object: result.status for result in verify(given)}

    assert set(judged(rendering.documents).values()) == {Status.PASS}
    gone = rendering.find("NetworkPolicy", policy)
    assert judged([found for found in rendering.documents if found is not gone])[f"Pod/{pod}"] is Status.FAIL
    account = rendering.find("ServiceAccount", "dagster-backfills")
    assert f"Pod/{pod}" not in judged([found for found in rendering.documents if found is not account])


def test_runs_alone_reach_object_storage(production: Rendering, peers: dict[str, Peer]) -> None:
    """A public bucket on 443; one in the operator's own network by the guide's policy alone."""
    public, private = Peer("bucket", address="52.219.56.1"), Peer("bucket", address="192.168.1.20")
    run = peers["run"]
    assert _connects(production, run, public, 443)
    assert not _connects(production, run, private, 9000)
    guide = (ROOT / "docs/operations/backup.md").read_text()
    (text,) = re.findall(r"^```yaml\n(.*?)^```", guide, flags=re.DOTALL | re.MULTILINE)
    policy = yaml.safe_load(text)
    policy["metadata"]["namespace"] = production.namespace
    opened = replace(production, documents=[*production.documents, policy])
    assert _connects(opened, run, private, 9000)
    for caller in ("daemon", "webserver", "code", "database", "collector", "stranger"):
        assert not _connects(opened, peers[caller], private, 9000)
    assert not _connects(opened, run, private, 22)
    assert not _connects(opened, run, Peer("neighbour", address="192.168.1.21"), 9000)


@pytest.mark.parametrize(
    ("label", "caller"), [("app: observer", "collector"), ("component: user-deployments", "code")]
)
def test_a_webhook_in_the_operators_network_is_opened_by_the_guides_policy(
    production: Rendering, peers: dict[str, Peer], label: str, caller: str
) -> None:
    """Shut as delivered; open for whom the policy names, to that address and port alone."""
    private = Peer("webhook", address="192.168.1.30")
    assert not _connects(production, peers[caller], private, 8443)
    guide = (ROOT / "docs/operations/alerts.md").read_text()
    (text,) = re.findall(r"^```yaml\n(.*?)^```", guide, flags=re.DOTALL | re.MULTILINE)
    assert "      app: observer\n" in text
    assert "`component: user-deployments` in the place of `app: observer`" in guide
    policy = yaml.safe_load(text.replace("app: observer", label))
    policy["metadata"]["namespace"] = production.namespace
    opened = replace(production, documents=[*production.documents, policy])
    assert _connects(opened, peers[caller], private, 8443)
    assert not _connects(opened, peers[caller], private, 22)
    assert not _connects(opened, peers["daemon"], private, 8443)


def test_the_sidecar_opens_its_port_for_dagster_only(
    renderings: list[Rendering], peers: dict[str, Peer]
) -> None:
    """With the component the collector's pods serve the code; to webserver and daemon alone."""
    rendering = next(found for found in renderings if str(found) == "production+collector-sidecar")
    collector = peers["collector"]
    for caller in ("webserver", "read-only", "daemon"):
        assert _connects(rendering, peers[caller], collector, 3030)
        assert not _connects(rendering, peers[caller], collector, 8000)
    for caller in ("run", "stranger", "neighbour", "prometheus", "traefik"):
        assert not _connects(rendering, peers[caller], collector, 3030)


def test_every_pod_is_behind_a_policy_in_both_directions(renderings: list[Rendering]) -> None:
    """The default is to deny, also for what somebody adds tomorrow."""
    for rendering in renderings:
        deny = rendering.find("NetworkPolicy", "default-deny")["spec"]
        assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
