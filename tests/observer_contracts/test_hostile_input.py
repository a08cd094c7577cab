"""Input that nobody vouches for: a clear answer, nothing executed, no secret shown."""
# ruff: noqa: E501 - a case a line reads as a table

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification, verify, worst_exit_status
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.evidence.repository import read_repository
from observer_contracts.model import Severity, Status
from observer_contracts.rules.disclosure import PROBES

HOSTILE = {
    "huge": "a: b\n" * 2_000_000,
    "many values": "- {a: 1, b: 2}\n" * 200_000,
    "deep lists": "[" * 300_000,
    "deep mappings": "a: " + "{b: " * 200_000,
    "deep blocks": "\n".join(" " * depth + f"k{depth}:" for depth in range(1500)),
    "alias bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [" + ",".join(f"*{chr(97 + i)}" for _ in range(9)) + "]\n"
        for i in range(12)
    ),
    "endless alias": "a: &a [*a]\n",
    "duplicate keys": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  name: y\n",
    "unknown alias": "a: *nobody\n",
    "python object": "a: !!python/object/apply:os.system ['touch pwned']\n",
    "own tag": "a: !secret x\n",
    "a list": "- a\n- b\n",
    "a scalar": "hello",
    "a broken quote": "a: 'x\nb: c",
    "control characters": "a: \x07b",
    "unfinished flow": "{" + "a," * 500_000,
    "endless keys": "? " * 100_000,
    "a collection as a key": "{a: b}: c\n",
    "a broken merge": "a:\n  <<: 5\n",
    "binary": bytes(range(256)) * 100,
    "zero bytes": b"a: b\0c",
    "half of UTF-16": "a: b".encode("utf-16")[:-1],
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_cannot_be_read_is_a_render_error(text: str | bytes, verify_text) -> None:
    """The only failure is RND-001 with the reason; every other rule has no evidence; the status is 2."""
    results = verify_text(text)
    assert {r.rule.id for r in results if r.status is Status.FAIL} == {"RND-001"}
    assert {r.status for r in results if r.rule.id != "RND-001"} <= {Status.UNKNOWN, Status.PASS}
    assert not [r for r in results if r.status is Status.PASS and r.rule.id != "EXM-001"]
    assert worst_exit_status(results, Severity.HIGH) == 2
    assert not Path("pwned").exists()


@pytest.mark.parametrize("text", ["", "---\n---\n", "# nothing\n", "a: b\n"])
def test_nothing_to_look_at_is_never_green(text: str, verify_text) -> None:
    """Without an object there is no evidence: UNKNOWN, and status 3."""
    results = verify_text(text)
    assert {r.status for r in results} == {Status.UNKNOWN}
    assert worst_exit_status(results, Severity.HIGH) == 3


WRONG = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: observer}
spec:
  replicas: many
  template: {metadata: {labels: []}, spec: {containers: {a: b}, volumes: 7, initContainers: [5, [], null], nodeSelector: [x]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: postgres}
spec:
  volumeClaimTemplates: [5, {metadata: 7}]
  template: {metadata: 5, spec: {securityContext: 5, containers: [{name: 5, env: [{name: [1], value: {a: b}}, 7],
    envFrom: [{configMapRef: 5}, 7, {secretRef: {name: [1]}}], volumeMounts: [{mountPath: 5}, {name: x}], ports: x,
    image: [x], resources: 5, livenessProbe: [1], securityContext: {capabilities: {drop: ALL}}}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: postgres}, spec: {selector: 5, ports: {a: 1}}}
---
{apiVersion: v1, kind: Service, metadata: {name: observer}, spec: {selector: {a: [1]}, ports: [5, {port: x}]}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: observer-config, annotations: 5}, data: [1]}
---
{apiVersion: v1, kind: Secret, metadata: {name: observer-secrets}, data: {a: [1, 2], b: 7, c: null}, stringData: 5}
---
{apiVersion: bitnami.com/v1alpha1, kind: SealedSecret, metadata: {name: s}, spec: {encryptedData: {a: 5, b: [1]}, template: 5}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: s}, spec: {egress: 5, ingress: [5], policyTypes: 5, podSelector: []}}
---
{kind: PersistentVolumeClaim, metadata: {name: observer-data-pvc}, spec: {resources: [], accessModes: 5}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r}, rules: [5, {verbs: 5, resources: {a: b}}]}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: r}, spec: {minAvailable: [x], selector: 5}}
---
{apiVersion: v1, kind: List, metadata: {name: l}, items: 5}
"""


def test_wrong_shapes_are_findings_and_break_no_rule(verify_text) -> None:
    """Every rule answers about objects of wrong shapes, and RND-002 names the fields."""
    results = verify_text(WRONG)
    assert [r.finding.observed for r in results if "could not be evaluated" in r.finding.observed] == []
    wrong = {r.finding.object for r in results if r.rule.id == "RND-002" and r.status is Status.FAIL}
    assert {
        "Deployment/observer",
        "StatefulSet/postgres",
        "Service/postgres",
        "ConfigMap/observer-config",
    } <= wrong


@pytest.mark.parametrize("share", [0.1, 0.35, 0.5, 0.77, 0.93])
def test_half_a_file_is_never_green(share: float, production, verify_text) -> None:
    """A file that was cut off fails or is unknown; it never passes as a whole."""
    import yaml

    text = yaml.safe_dump_all(production)
    results = verify_text(text[: int(len(text) * share)])
    assert [r for r in results if r.status in (Status.FAIL, Status.UNKNOWN)]
    assert [r for r in results if "could not be evaluated" in r.finding.observed] == []


def _render(folder: Path) -> list:
    return verify(Verification(declare(), read_manifests([str(folder)], io.BytesIO())))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("https://example.invalid/base", "remote"),
        ("git@example.invalid:a/b.git", "remote"),
        ("example.invalid/a/b?ref=main", "remote"),
        ("example.invalid/a/b", "not there"),
        ("missing.yaml", "not there"),
    ],
)
def test_a_kustomization_fetches_nothing(tmp_path: Path, entry: str, reason: str) -> None:
    """What is not a local file is refused before kubectl is asked."""
    (tmp_path / "kustomization.yaml").write_text(f"resources:\n  - {entry}\n")
    results = _render(tmp_path)
    finding = next(r.finding for r in results if r.rule.id == "RND-001")
    assert finding.status is Status.FAIL
    assert reason in finding.observed
    assert "kustomization.yaml:2" in finding.observed


def test_a_kustomization_runs_no_plugin(tmp_path: Path) -> None:
    """An executable generator is not executed."""
    (tmp_path / "plugin.sh").write_text("#!/bin/sh\ntouch pwned\n")
    (tmp_path / "plugin.sh").chmod(0o755)
    (tmp_path / "generator.yaml").write_text(
        "apiVersion: v1\nkind: Evil\nmetadata:\n  name: evil\n  annotations:\n"
        "    config.kubernetes.io/function: |\n      exec:\n        path: ./plugin.sh\n"
    )
    (tmp_path / "kustomization.yaml").write_text("generators:\n  - generator.yaml\n")
    results = _render(tmp_path)
    assert next(r for r in results if r.rule.id == "RND-001").status is Status.FAIL
    assert not list(tmp_path.rglob("pwned"))


def test_a_failed_render_shows_no_secret(tmp_path: Path) -> None:
    """kustomize repeats a malformed literal in its message; we do not."""
    (tmp_path / "kustomization.yaml").write_text(
        "secretGenerator:\n  - name: s\n    literals:\n      - DB_PASSWORD=Zx9-hunter2-Qw7\n      - "
        "Zx9-other-Qw8\n"
    )
    text = json.dumps([r.finding.observed for r in _render(tmp_path)])
    assert "does not render" in text
    assert "hunter2" not in text
    assert "Zx9" not in text


def test_git_configuration_of_a_hostile_repository_runs_nothing(tmp_path: Path) -> None:
    """Monitors, hooks, filters and pagers that a repository configures for itself are not run."""
    marker = tmp_path / "pwned"
    root = tmp_path / "repository"
    root.mkdir()
    run = lambda *words: subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True)  # noqa: E731
    run("init", "-q")
    (root / "a.txt").write_text("a\n")
    (root / ".gitattributes").write_text("*.txt filter=evil diff=evil\n")
    run("add", ".")
    run("-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "x")
    evil = f"touch {marker}"
    for name in (
        "core.fsmonitor",
        "core.pager",
        "filter.evil.clean",
        "filter.evil.smudge",
        "diff.evil.textconv",
        "diff.evil.command",
        "core.sshCommand",
        "diff.external",
        "core.alternateRefsCommand",
    ):
        run("config", name, evil)
    hook = root / ".git/hooks/post-index-change"
    hook.write_text(f"#!/bin/sh\n{evil}\n")
    hook.chmod(0o755)
    read_repository(root, probes=PROBES)
    assert not marker.exists()


def test_special_files_do_not_block(tmp_path: Path) -> None:
    """A pipe, a loop of links and a link out of the folder are left alone."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "out.yaml").symlink_to("/etc/hostname")
    manifests = read_manifests([str(tmp_path)], io.BytesIO())[0]
    assert manifests.objects == ()
    assert read_repository(tmp_path).files == 0


VALUES = (
    "Zx9-hunter2-Qw7",
    "tok-4f3e2d1c0b9a8877",
    "c2VjcmV0LXZhbHVlLTEyMw==",
    "secret-value-123",
    "Pw-in-url-77",
)


def test_no_output_shows_a_secret(tmp_path: Path, production) -> None:
    """Values of Secrets, of secret variables and of kubeconfigs stand in none of the formats, nor in the report."""
    import yaml

    folder = tmp_path / "repo"
    folder.mkdir()
    plain = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "plain"},
        "stringData": {"DB_PASSWORD": VALUES[0]},
        "data": {"KIS_APP_KEY": VALUES[2]},
    }
    documents = [*production, plain]
    collector = next(d for d in documents if d["kind"] == "Deployment")["spec"]["template"]["spec"][
        "containers"
    ][0]
    environment = [
        *collector["env"],
        {"name": "DB_PASSWORD", "value": VALUES[0]},
        {"name": "OBSERVER_WEBHOOK_URL", "value": f"https://user:{VALUES[4]}@host/"},
        {"name": "KIS_ENVIRONMENT", "value": VALUES[1]},
        {"name": "DB_USER", "value": f"$(DB_PASSWORD){VALUES[1]}"},
    ]
    documents = yaml.safe_load(yaml.safe_dump(documents))
    next(d for d in documents if d["kind"] == "Deployment")["spec"]["template"]["spec"]["containers"][0][
        "env"
    ] = environment
    next(d for d in documents if d["kind"] == "ConfigMap" and "DB_HOST" in d["data"])["data"][
        "KIS_APP_SECRET"
    ] = VALUES[3]
    (folder / "all.yaml").write_text(yaml.safe_dump_all(documents))
    (folder / "config").write_text(f"kind: Config\nusers:\n- name: a\n  user:\n    token: {VALUES[1]}\n")
    (folder / ".env").write_text(f"KIS_APP_SECRET={VALUES[3]}\n")
    (folder / "guide.md").write_text(
        f"kubectl create secret generic observer-secrets --from-literal=DB_PASSWORD={VALUES[0]}\n"
    )
    (folder / "app.py").write_text(f"import os\nx = os.getenv('DB_PASSWORD', '{VALUES[0]}')\n")
    base = [sys.executable, "-m", "observer", "contracts"]
    sources = ["--manifests", str(folder / "all.yaml"), "--repo", str(folder)]
    commands = [["verify", "--format", name, *sources] for name in ("text", "json", "markdown", "html")]
    commands += [["report", "--lang", name, *sources] for name in ("en", "ko")]
    for command in commands:
        done = subprocess.run([*base, *command], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        assert "plain" in done.stdout
        for value in VALUES:
            assert value not in done.stdout + done.stderr, (command, value)
