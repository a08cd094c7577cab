"""What the API refuses or does not answer is unknown, never green; nothing of a Secret is ever shown."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration
from kubernetes_emulator import Cluster, Server

from observer_contracts.catalogue import BY_ID
from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification, worst_exit_status
from observer_contracts.engine import verify as verify_all
from observer_contracts.evidence.live.access import Silence
from observer_contracts.evidence.live.kubernetes_access import KubernetesAccess
from observer_contracts.evidence.live.reader import read_live
from observer_contracts.evidence.seeing import HttpAnswer
from observer_contracts.model import Severity, Source, Status

LIVE_RULES = {rule.id for rule in BY_ID.values() if Source.LIVE in rule.checks}
# Asked for by a flag or by manifests of its own.
ONLY_ON_REQUEST = {"DAT-002", "RND-003"}


def _status(seen: Any) -> int:
    return worst_exit_status(seen.results, Severity.HIGH)


def test_secrets_that_are_forbidden_are_unknown(look: Any, server: Server) -> None:
    """403 on a Secret: what hangs on it is unknown, the rest is judged, and the command is blind."""
    server.faults["/secrets/"] = 403
    seen = look()
    assert seen.objects(Status.FAIL) == {}
    for rule in ("SEC-001", "SEC-002", "SEC-005", "SEC-006", "ENV-002", "DB-003"):
        assert Status.UNKNOWN in seen.statuses(rule), rule
    for rule in ("SEC-001", "SEC-002"):
        assert Status.PASS not in seen.statuses(rule), rule
    assert seen.statuses("CTX-001") == {Status.PASS}
    assert seen.objects(Status.UNKNOWN)["API-001"] == {"Secret/observer-secrets", "Secret/ghcr-secret"}
    assert "forbidden (403)" in seen.said("SEC-001")
    assert _status(seen) == 3


@pytest.mark.parametrize(
    ("path", "fault", "reason"),
    [
        ("/configmaps", 403, "forbidden (403)"),
        ("/configmaps", 500, "the API answered (500)"),
        ("/configmaps", 1.5, "no answer within the time limit"),
        ("/configmaps", "hang up", ""),
        ("/configmaps", 404, "not found (404)"),
    ],
)
def test_a_kind_that_cannot_be_read_is_unknown(
    look: Any, server: Server, path: str, fault: Any, reason: str
) -> None:
    """No rule concludes from ConfigMaps that were not read that there are none."""
    server.faults[path] = fault
    seen = look()
    assert seen.objects(Status.FAIL) == {}
    for rule in ("ENV-001", "ENV-003", "PATH-002", "DB-001"):
        assert Status.UNKNOWN in seen.statuses(rule), rule
    assert seen.statuses("PATH-001") == {Status.PASS}
    assert reason in seen.said("API-001")
    assert _status(seen) == 3


@pytest.mark.parametrize(
    ("path", "rules"),
    [
        ("/api/v1/nodes$", {"NOD-001", "VOL-008", "VOL-002"}),
        ("/observer-prod/pods$", {"POD-001", "WRK-001", "PRB-001", "VOL-007", "DAT-001", "IMG-001"}),
        ("/deployments$", {"WRK-001", "PATH-001", "CTX-001", "PRB-001", "VOL-007"}),
        ("/storageclasses$", {"STO-001"}),
        ("/kube-system/pods$", {"STO-001"}),
        ("/sealed-secrets/pods$", {"SEC-012"}),
        ("/namespaces/observer-prod$", {"NSP-001"}),
        ("/endpointslices$", {"DB-001", "SVC-001"}),
        ("/events$", {"POD-002"}),
        ("/persistentvolumes$", {"VOL-002"}),
        ("/persistentvolumeclaims$", {"VOL-002", "VOL-006"}),
        ("/networkpolicies$", {"NET-001"}),
        ("/roles$", {"RBAC-001"}),
        ("/sealedsecrets$", {"SEC-004", "SEC-006"}),
    ],
)
def test_each_refusal_reaches_the_rules_that_need_it(
    look: Any, server: Server, path: str, rules: set[str]
) -> None:
    """A right that is missing costs the answers that need it, and no others fail."""
    server.faults[path] = 403
    seen = look()
    assert seen.objects(Status.FAIL) == {}
    unknown = {rule for rule in LIVE_RULES if Status.UNKNOWN in seen.statuses(rule)}
    assert rules | {"API-001"} <= unknown
    assert _status(seen) == 3


def test_the_nodes_figures_are_optional(look: Any, server: Server) -> None:
    """`nodes/proxy` is a wide right: without it one answer is missing, and the rest stands."""
    server.faults["/proxy/stats/summary"] = 403
    seen = look()
    assert seen.statuses("VOL-008") == {Status.UNKNOWN}
    assert seen.statuses("API-001") == {Status.PASS}
    assert _status(seen) == 0


def test_pods_that_cannot_be_asked_are_unknown(look: Any, server: Server) -> None:
    """Without the proxy, and from outside of the cluster, no pod tells anything."""
    server.faults[":8000/proxy/"] = 403
    seen = look()
    assert seen.objects(Status.FAIL) == {}
    for rule in ("PRB-001", "PRB-002", "VOL-007", "DAT-001"):
        assert Status.UNKNOWN in seen.statuses(rule), rule
    assert "forbidden (403)" in seen.said("VOL-007")


def test_what_the_proxy_says_is_no_answer_of_the_pod(look: Any, server: Server) -> None:
    """503 of the API server ("connection refused") is not the 503 of a pod that is not ready."""
    server.faults[":8000/proxy/ready"] = 503
    seen = look()
    assert seen.statuses("PRB-002") == {Status.PASS, Status.UNKNOWN}
    assert seen.objects(Status.FAIL) == {}


@pytest.fixture
def reachable_pod() -> Iterator[int]:
    """A pod whose own address can be reached."""

    class Pod(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"role": "writer", "ready": True, "reason": "recording"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Pod) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running.server_port
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("inside", [True, False])
def test_pods_are_asked_directly_where_the_proxy_is_forbidden(
    access: KubernetesAccess, server: Server, cluster: Cluster, reachable_pod: int, inside: bool
) -> None:
    """From inside of the cluster the pod's own address answers; from outside it may be somebody else's."""
    server.faults["/proxy/"] = 403
    access._inside = inside
    pod = cluster.pods("observer")[0]
    pod["status"]["podIP"] = "127.0.0.1"
    declaration = declare()
    declaration = replace(declaration, http=replace(declaration.http, port=reachable_pod))
    live = read_live(declaration, access)
    answer = live.answers[pod["metadata"]["name"], "/health"]
    assert isinstance(answer, HttpAnswer) is inside
    assert not isinstance(answer, HttpAnswer) or answer.status == 200


def test_an_api_that_is_away_leaves_everything_unknown(look: Any, server: Server) -> None:
    """Connection refused: every rule says so, none is green, and the exit status is 3."""
    server.stop()
    seen = look()
    assert {result.status for result in seen.results} == {Status.UNKNOWN}
    assert {result.rule.id for result in seen.results} == LIVE_RULES - ONLY_ON_REQUEST
    assert "refused" in seen.said("API-001")
    assert _status(seen) == 3


def test_a_token_that_is_not_accepted_leaves_everything_unknown(verify: Any) -> None:
    """401: the cluster is there, and nothing of it can be seen."""
    outcome = verify(token="an-old-token")
    assert outcome.exit_status == 3
    assert {found["status"] for found in outcome.results} == {"UNKNOWN"}
    assert "not logged in (401)" in outcome.of("API-001")[0]["observed"]
    assert "an-old-token" not in outcome.output + outcome.errors


def test_no_cluster_at_all_leaves_everything_unknown(tmp_path: Path) -> None:
    """Neither a pod's account nor a kubeconfig: could not look."""
    environment = {**os.environ, "KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "observer", "contracts", "verify", "--live"],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 3
    assert "neither a pod's account nor a kubeconfig" in done.stdout
    assert "PASS" not in done.stdout


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", "apiVersion: v1\nclusters: 3\n", "\x00\x01", "a: &a [*a]\n"]
)
def test_a_broken_kubeconfig_is_no_crash(tmp_path: Path, content: str) -> None:
    """A file that is none says so, without a traceback."""
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "observer", "contracts", "verify", "--live", "--only", "API-001"],
        env={**os.environ, "KUBECONFIG": str(path), "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr


def test_manifests_do_not_hide_that_the_cluster_is_away(verify: Any, server: Server, manifests: str) -> None:
    """Green manifests beside a cluster that nobody saw are not green."""
    server.stop()
    outcome = verify("--manifests", manifests)
    assert outcome.exit_status == 3
    assert "PASS" in {found["status"] for found in outcome.results}


def test_a_silent_api_is_not_asked_for_ever(access: KubernetesAccess, server: Server) -> None:
    """After three questions without answer the others are not asked."""
    server.faults["/apis/"] = 5.0
    live = read_live(declare(), access)
    waited = [path for _, path in server.requests if path.startswith("/apis/")]
    assert len(waited) == 3
    assert "stopped answering" in live.refused["Pod"]


def test_long_lists_are_read_whole(look: Any, cluster: Cluster, server: Server) -> None:
    """Lists come in pages; the last page counts as much as the first."""
    for number in range(600):
        cluster.put(
            "Event", f"event-{number}", type="Normal" if number < 599 else "Warning", reason="BackOff",
            message="x", involvedObject={"kind": "Pod", "name": "last"},
        )  # fmt: skip
    seen = look()
    assert seen.objects(Status.WARN)["POD-002"] == {"Pod/last"}
    assert sum(path.endswith("/events") for _, path in server.requests) == 3


def test_secrets_are_asked_for_by_name_only(look: Any, server: Server) -> None:
    """The right to list Secrets is the right to read all of them."""
    look()
    paths = [path for _, path in server.requests]
    assert [path for path in paths if path.endswith("/secrets")] == []
    assert {path.rpartition("/")[2] for path in paths if "/secrets/" in path} == {
        "observer-secrets",
        "ghcr-secret",
    }


def test_looking_changes_nothing(look: Any, server: Server) -> None:
    """Every request is a GET."""
    look()
    assert {method for method, _ in server.requests} == {"GET"}


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_no_output_shows_a_value(
    verify: Any, cluster: Cluster, secret_values: list[str], form: str, manifests: str
) -> None:
    """The API returns values, also in annotations; no output holds one, whatever is wrong."""
    secret = cluster.of("Secret", "observer-secrets")
    said = json.dumps({"data": secret["data"]})
    secret["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": said}
    encoded = list(secret["data"].values())
    secret["data"].pop("KIS_HTS_ID")
    secret["data"]["PGPORT"] = ""
    outcome = verify("--manifests", manifests, form=form)
    assert outcome.exit_status == 1
    for value in (*secret_values, *encoded, "token-of-the-service-account"):
        assert not value or value not in outcome.output + outcome.errors


def test_the_evidence_holds_no_value(look: Any, secret_values: list[str]) -> None:
    """Not even in memory, once it was read."""
    everything = repr([found.fields for found in look().live.objects.of("Secret")])
    for value in secret_values:
        assert value not in everything
    assert "KIS_APP_KEY" in everything


def test_hostile_answers_are_no_crash(look: Any, cluster: Cluster, collectors: Any) -> None:
    """Objects of any shape, and pods that answer anything, break no rule."""
    cluster.objects["Node"][0]["status"] = "broken"
    cluster.objects["StorageClass"][0]["metadata"]["annotations"] = None
    cluster.of("PersistentVolumeClaim", "observer-data-pvc")["status"] = ["x"]
    cluster.of("Secret", "ghcr-secret")["data"] = "text"
    cluster.put("Event", "odd", type="Warning", involvedObject=None, count="many", reason=7, message={"a": 1})
    cluster.pods("observer")[0]["status"]["containerStatuses"] = {"a": "b"}
    cluster.of("SealedSecret", "observer-secrets")["status"] = {"conditions": [None, 3, {"type": "Synced"}]}
    collectors.say(0, "/status", 200, ["a list"])
    collectors.say(1, "/status", 200, {"role": "writer", "slots": {"a": [1]}, "time": 3, "phase": None})
    seen = look()
    broken = [result for result in seen.results if "could not be evaluated" in result.finding.observed]
    assert broken == []
    assert seen.objects(Status.FAIL)["NOD-001"] == {"Node/obs-prod-arm"}


def test_a_proxy_that_speaks_no_json_is_no_crash(tmp_path: Path) -> None:
    """Something else than a cluster answers at the address."""

    class Portal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Please log in</html>")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Portal) as portal:
        thread = threading.Thread(target=portal.serve_forever)
        thread.start()
        client = ApiClient(Configuration(host=f"http://127.0.0.1:{portal.server_port}"))
        live = read_live(declare(), KubernetesAccess(client, inside=False, seconds=2))
        portal.shutdown()
        thread.join()
    results = verify_all(Verification(declare(), live=live))
    assert Status.PASS not in {result.status for result in results}
    assert worst_exit_status(results, Severity.HIGH) == 3


def test_an_address_that_hangs_is_given_up(access: KubernetesAccess, server: Server) -> None:
    """A request has a time limit of its own; nothing waits for ever."""
    server.faults["/version"] = 30.0
    began = threading.Event()
    found: list[Any] = []

    def ask() -> None:
        began.set()
        found.append(access.read("/version"))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    began.wait(5)
    asking.join(25)
    assert isinstance(found[0], Silence)
