"""The values in the repository are clean, and each way to spoil them is found, with its line and its
remedy.
"""

import io
import re
from pathlib import Path

import pytest
import yaml
from renderings import render

from observer_contracts.catalogue import BY_ID
from observer_contracts.declaration.build import declare
from observer_contracts.declaration.parameters import Parameters
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.helm.charts import load_tables
from observer_contracts.helm.values import read_values
from observer_contracts.model import Result, Status
from observer_core.settings.brokers import KisEnvironment

ROOT = Path(__file__).resolve().parents[3]
SYSTEM, CODE, DEVELOPMENT, STAGING = (
    ROOT / "helm-values" / name
    for name in ("dagster.yaml", "dagster-code.yaml", "dagster-dev.yaml", "dagster-staging.yaml")
)
SIDECAR = ROOT / "deploy/components/collector-sidecar/dagster-values.yaml"
# What was promoted last.
IMAGE: dict[str, str] = yaml.safe_load(SYSTEM.read_text())["dagsterWebserver"]["image"]


PAPER = Parameters(broker_environment=KisEnvironment.PAPER)


def judged(*files: Path, chosen: Parameters | None = None) -> list[Result]:
    values = read_values([str(file) for file in files])
    return verify(Verification(declare(chosen), values=values))


def broken(results: list[Result]) -> list[Result]:
    return [result for result in results if result.status in (Status.FAIL, Status.WARN, Status.UNKNOWN)]


@pytest.mark.parametrize(
    "files",
    [(SYSTEM, CODE), (SYSTEM,), (CODE,), (SYSTEM, DEVELOPMENT), (SYSTEM, STAGING)],
    ids=lambda files: files[-1].stem,
)
def test_the_repositorys_values_are_clean(files: tuple[Path, ...]) -> None:
    """Those of the deployments with paper trading as these declare themselves (their contracts.yaml)."""
    results = judged(*files, chosen=PAPER if files[-1] in (DEVELOPMENT, STAGING) else None)
    wrong = [(result.rule.id, result.finding.observed) for result in broken(results)]
    assert wrong == []
    assert all(result.status is Status.PASS for result in results)


def test_every_rule_about_values_answers() -> None:
    """Those about the charts, and those about pods, wherever these are described."""
    rules = {name for name in BY_ID if name.startswith("HLM-")}
    of_pods = {"CTX-003", "RBAC-002", "RES-001", "SEC-005", "VOL-009"}
    assert {result.rule.id for result in judged(SYSTEM, CODE)} == rules | of_pods
    assert len(rules) == 12


def test_every_type_of_the_key_table_is_known() -> None:
    """A key whose type had no table would be taken for a mapping that takes anything."""
    tables = load_tables()
    named = {
        word
        for table in tables.values()
        for kind in table.fields.values()
        if not kind.startswith("enum(")
        for word in re.findall(r"[A-Za-z][A-Za-z0-9.-]*", kind)
    }
    assert named - {"str", "int", "bool", "any", "list", "map", "enum"} - set(tables) <= _CHOICES
    assert {"enableReadOnly", "podSecurityContext"} <= set(tables["Webserver"].fields)
    assert tables["Webserver"].refused
    assert not tables["UserDeployment"].refused


_CHOICES = {"Always", "IfNotPresent", "Never"}

# What is replaced, by what; the rule that says so; words of what it saw, and of its remedy.
_SPOILED = {
    # Taken by Helm without a word.
    "a typo at the top": (
        "\nretention:\n",
        "\nretentions:\n",
        "HLM-002",
        "`retentions` is unknown; Helm takes it",
        "retention",
    ),
    "a section one level too high": (
        "\ntelemetry:",
        "\nrunMonitoring:\n  enabled: true\ntelemetry:",
        "HLM-002",
        "`runMonitoring` is unknown",
        "dagsterDaemon.runMonitoring",
    ),
    "a section of the old chart": (
        "\ntelemetry:",
        "\ndagit:\n  replicaCount: 1\ntelemetry:",
        "HLM-002",
        "`dagit`",
        "dagsterWebserver",
    ),
    "nux where it once was": (
        "\nadditionalInstanceConfig:\n  nux:\n    enabled: false",
        "\nnux:\n  enabled: false",
        "HLM-002",
        "`nux`",
        "additionalInstanceConfig.nux",
    ),
    "a time-out the template does not print": (
        "    pollIntervalSeconds: 30",
        "    pollIntervalSeconds: 30\n    cancelTimeoutSeconds: 60",
        "HLM-002",
        "`cancelTimeoutSeconds` is unknown; Helm takes it",
        "180 s",
    ),
    "snake case": (
        "    pollIntervalSeconds: 30",
        "    poll_interval_seconds: 30",
        "HLM-002",
        "`poll_interval_seconds`",
        "pollIntervalSeconds",
    ),
    "a field of the database under another name": (
        "  postgresqlScheme:",
        "  postgresScheme:",
        "HLM-002",
        "`postgresScheme`",
        "postgresqlScheme",
    ),
    "a field of the image": ("    tag: ", "    version: ", "HLM-002", "`version`", ""),
    "the account of the whole chart": (
        "  name: dagster\nrbac",
        "  serviceAccountName: dagster\nrbac",
        "HLM-002",
        "`serviceAccountName` is unknown",
        "global.serviceAccountName",
    ),
    "a field of the run's pod": (
        "          enableServiceLinks: false",
        "          enableServiceLink: false",
        "HLM-002",
        "`enableServiceLink` is unknown; Helm takes it, and the run launcher fails",
        "enableServiceLinks",
    ),
    # Refused by Helm: the remedy is what counts.
    "the run's node beside its pod": (
        "      securityContext: *container_context\n      # Jobs",
        "      nodeSelector: {a: b}\n      securityContext: *container_context\n      # Jobs",
        "HLM-002",
        "Helm refuses it",
        "runK8sConfig.podSpecConfig.nodeSelector",
    ),
    "an environment for runs": (
        "      envSecrets:",
        "      env: []\n      envSecrets:",
        "HLM-002",
        "`env` is unknown",
        "envVars",
    ),
    "a read-only switch of another name": (
        "  enableReadOnly: true",
        "  readOnly: true",
        "HLM-002",
        "`readOnly`",
        "enableReadOnly",
    ),
    # Types.
    "a number as text": ("    port: 3000\n", '    port: "3000"\n', "HLM-003", "a text", ""),
    "a truth value as text": ("  enableReadOnly: true", '  enableReadOnly: "yes"', "HLM-003", "a text", ""),
    "a mapping for a list": (
        "      envSecrets:\n        - name: observer-secrets",
        "      envSecrets:\n        name: observer-secrets",
        "HLM-003",
        "a mapping",
        "",
    ),
    "a choice that is none": (
        "  type: NoOpComputeLogManager",
        "  type: NoComputeLogManager",
        "HLM-003",
        "a text",
        "",
    ),
    "a text for a list": (
        "      command: [dagster-daemon, liveness-check]\n    periodSeconds: 60",
        "      command: dagster-daemon\n    periodSeconds: 60",
        "HLM-003",
        "a text",
        "",
    ),
    # Without effect.
    "the other launcher's section": (
        "    k8sRunLauncher:\n",
        "    celeryK8sRunLauncher: {a: 1}\n    k8sRunLauncher:\n",
        "HLM-004",
        "never read with type K8sRunLauncher",
        "",
    ),
    "an address of an Ingress that is off": (
        "ingress:\n  enabled: false",
        "ingress:\n  enabled: false\n  ingressClassName: traefik",
        "HLM-004",
        "while ingress.enabled is false",
        "",
    ),
    "an image for waiting that nobody does": (
        "  postgresqlHost: postgres",
        "  image: {repository: postgres, tag: '15', pullPolicy: Always}\n  postgresqlHost: postgres",
        "HLM-004",
        "postgresql.image is never read",
        "",
    ),
    "a code location in the subchart that is off": (
        "  enableSubchart: false",
        "  enableSubchart: false\n  deployments: [{name: a, port: 1}]",
        "HLM-004",
        "deployments is never read",
        "",
    ),
    # Contradictions.
    "a limit said twice": (
        "        dequeueIntervalSeconds: 5",
        "        dequeueIntervalSeconds: 5\n        maxConcurrentRuns: 5",
        "HLM-005",
        "Helm fails",
        "",
    ),
    "probes on the old port": (
        "      path: /server_info\n      port: 3000\n    periodSeconds: 20",
        "      path: /server_info\n      port: 80\n    periodSeconds: 20",
        "HLM-005",
        "80, but the webserver listens on 3000",
        "Write 3000",
    ),
    "a section that the chart writes itself": (
        "additionalInstanceConfig:\n",
        "additionalInstanceConfig:\n  run_retries: {enabled: true}\n",
        "HLM-005",
        "writes this section",
        "",
    ),
    "a node that is taken away by null": (
        "          nodeSelector:\n            kubernetes.io/hostname: obs-prod-arm",
        "          nodeSelector: null",
        "HLM-005",
        "null reaches the run launcher",
        "another value",
    ),
    "no code location in the workspace": (
        "    enabled: true\n    servers:",
        "    enabled: false\n    servers:",
        "HLM-005",
        "deployments that this release does not make",
        "",
    ),
    # The deployment.
    "a password": (
        "  postgresqlHost: postgres",
        "  postgresqlPassword: hunter2\n  postgresqlHost: postgres",
        "HLM-006",
        "postgresql.postgresqlPassword has a value",
        "",
    ),
    "the chart's own Secret": (
        "generatePostgresqlPasswordSecret: false",
        "generatePostgresqlPasswordSecret: true",
        "HLM-006",
        "the chart makes a Secret",
        "",
    ),
    "a password in the environment": (
        "    - name: HOME\n      value: /tmp\n    - name: TZ",
        "    - name: DB_PASSWORD\n      value: hunter2\n    - name: TZ",
        "HLM-006",
        "has a value",
        "",
    ),
    "another image": (
        f"repository: {IMAGE['repository']}",
        "repository: docker.io/dagster/dagster-celery-k8s",
        "HLM-007",
        "dagster-celery-k8s",
        "",
    ),
    "a moving tag": (f"tag: {IMAGE['tag']}", "tag: latest", "HLM-007", "latest", ""),
    "an init container of the chart's": (
        "  heartbeatTolerance: 300\n  logFormat: json\n  checkDbReadyInitContainer: false\n",
        "  heartbeatTolerance: 300\n  logFormat: json\n",
        "HLM-007",
        "init container",
        "",
    ),
    "psycopg 3": ("postgresql+psycopg2", "postgresql", "HLM-008", "`postgresql`", ""),
    "the chart's PostgreSQL": (
        "postgresql:\n  enabled: false",
        "postgresql:\n  enabled: true",
        "HLM-008",
        "`True`",
        "",
    ),
    "another role than the Secret's": (
        "postgresqlUsername: observer",
        "postgresqlUsername: platform",
        "HLM-008",
        "`platform`",
        "",
    ),
    "our own database": (
        "postgresqlDatabase: dagster",
        "postgresqlDatabase: observer",
        "HLM-008",
        "our own tables",
        "`dagster`",
    ),
    "a writable root": (
        "readOnlyRootFilesystem: true",
        "readOnlyRootFilesystem: false",
        "HLM-009",
        "`False`",
        "",
    ),
    "no seccomp profile": (
        "      type: RuntimeDefault",
        "      type: Unconfined",
        "HLM-009",
        "Unconfined",
        "",
    ),
    "a public page that can change things": (
        "ingress:\n  enabled: false",
        "ingress:\n  enabled: true",
        "HLM-009",
        "change things",
        "",
    ),
    "no data volume for runs": (
        "        - name: observer-data\n          mountPath: /opt/platform/runtime/observer/data\n",
        "",
        "HLM-010",
        "",
        "k8sRunLauncher",
    ),
    "a run with the launcher's rights": (
        "serviceAccountName: dagster-runs",
        "serviceAccountName: dagster",
        "HLM-010",
        "`dagster`",
        "",
    ),
    "a run among the Services' variables": (
        "enableServiceLinks: false",
        "enableServiceLinks: true",
        "HLM-010",
        "`True`",
        "",
    ),
    "unwatched runs": (
        "  runMonitoring:\n    enabled: true",
        "  runMonitoring:\n    enabled: false",
        "HLM-011",
        "`False`",
        "",
    ),
    "too many runs": ("maxConcurrentRuns: 2", "maxConcurrentRuns: 10", "HLM-011", "`10`", ""),
    "telemetry": ("telemetry:\n  enabled: false", "telemetry:\n  enabled: true", "HLM-011", "`True`", ""),
    "runs without the daemon": (
        "dagsterDaemon:\n  enabled: true",
        "dagsterDaemon:\n  enabled: false",
        "HLM-005",
        "no run ever starts",
        "dagsterDaemon.enabled: true",
    ),
    "the chart's example": (
        "  enableSubchart: false",
        "  enableSubchart: true",
        "HLM-005",
        "the chart's example",
        "enableSubchart: false",
    ),
    "runs that stay for ever": (
        "        jobSpecConfig:\n",
        "        jobMetadata:\n",
        "HLM-011",
        "nothing",
        "",
    ),
    "two runs of one day": (
        "      - key: dagster/partition\n        limit: 1",
        "      - key: dagster/partition\n        limit: 2",
        "HLM-011",
        "'limit': 2",
        "",
    ),
    "five runs that ask the broker": ("    defaultLimit: 1", "    defaultLimit: 5", "HLM-011", "`5`", ""),
    "no page that only shows": (
        "  enableReadOnly: true",
        "  enableReadOnly: false",
        "HLM-009",
        "everybody who looks",
        "paper trading",
    ),
    "every key for the webserver": (
        "  dbPoolMaxOverflow: 5",
        "  dbPoolMaxOverflow: 5\n  envSecrets: [{name: observer-secrets}]",
        "HLM-009",
        "the broker's keys",
        "secretKeyRef",
    ),
    "runs in another namespace": (
        "      loadInclusterConfig: true",
        "      loadInclusterConfig: true\n      jobNamespace: dagster",
        "HLM-010",
        "`dagster`",
        "",
    ),
    "a folder of the data volume for runs": (
        "          mountPath: /opt/platform/runtime/observer/data\n",
        "          mountPath: /opt/platform/runtime/observer/data\n          subPath: x\n",
        "HLM-010",
        "only the folder `x`",
        "",
    ),
    "data that runs may not write": (
        "          mountPath: /opt/platform/runtime/observer/data\n",
        "          mountPath: /opt/platform/runtime/observer/data\n          readOnly: true\n",
        "HLM-010",
        "mounted read-only",
        "",
    ),
    "a run that does not know its name": (
        "                  fieldPath: metadata.name\n",
        "                  fieldPath: metadata.uid\n",
        "HLM-010",
        "another value or none",
        "",
    ),
    "a run in another time zone": (
        "            - name: TZ\n              value: Asia/Seoul",
        "            - name: TZ\n              value: UTC",
        "HLM-010",
        "another value or none",
        "",
    ),
    "runs without a temporary folder": (
        "          mountPath: /tmp\n",
        "          mountPath: /var/tmp\n",
        "CTX-003",
        "nothing is mounted there",
        "emptyDir",
    ),
    "a webserver without a temporary folder": (
        "      mountPath: /tmp\n",
        "      mountPath: /var/tmp\n",
        "CTX-003",
        "nothing is mounted there",
        "emptyDir",
    ),
    "runs without a memory limit": (
        '        limits: {cpu: "2", memory: 1536Mi, ephemeral-storage: 1536Mi}',
        '        limits: {cpu: "2"}',
        "RES-001",
        "missing: limits.memory",
        "memory limit",
    ),
    "another registry Secret": (
        "  - name: ghcr-secret",
        "  - name: ghcr",
        "SEC-005",
        "`ghcr`",
        "imagePullSecrets",
    ),
    "the account without rights": (
        "  create: false\n  name: dagster\n",
        "  create: false\n  name: default\n",
        "RBAC-002",
        "`default`",
        "Name dagster",
    ),
    "not YAML": ("telemetry:\n", "telemetry: [\n", "HLM-001", "", ""),
    "a key twice": (
        "\ntelemetry:",
        "\nrbacEnabled: true\ntelemetry:",
        "HLM-001",
        "stands twice",
        "",
    ),
}


@pytest.mark.parametrize("case", _SPOILED, ids=str)
def test_what_is_spoiled_is_found_at_its_line(case: str, tmp_path: Path) -> None:
    """The named rule speaks, says what it saw and what to do, and no finding shows a secret."""
    old, new, rule, observed, remedy = _SPOILED[case]
    found = [result for result in _spoil(SYSTEM, old, new, tmp_path) if result.rule.id == rule]
    assert found, case
    assert any(observed in one.finding.observed and remedy in one.remedy for one in found), found
    assert all(one.finding.evidence[0].file.endswith("spoiled.yaml") for one in found if one.finding.evidence)
    assert "hunter2" not in repr(found)


def test_a_finding_names_the_line_of_the_key(tmp_path: Path) -> None:
    text = SYSTEM.read_text()
    found = _spoil(SYSTEM, "  enableReadOnly: true", "  readOnly: true", tmp_path)
    [unknown] = [one for one in found if one.rule.id == "HLM-002"]
    line = text[: text.index("  enableReadOnly: true")].count("\n") + 1
    assert unknown.finding.evidence[0].line == line
    assert unknown.finding.evidence[0].field == "dagsterWebserver.readOnly"


_CODE_SPOILED = {
    "a key no pod of the chart can have": (
        "    replicaCount: 1",
        "    replicaCount: 1\n    enableServiceLinks: false",
        "HLM-002",
        "`enableServiceLinks` is unknown; Helm takes it",
        "the chart has no key for it",
    ),
    "the environment as in a pod": (
        "    envConfigMaps:\n      - name: observer-environment",
        "    envFrom:\n      - configMapRef: {name: observer-environment}",
        "HLM-002",
        "`envFrom`",
        "envConfigMaps and envSecrets",
    ),
    "an account of the deployment's own": (
        "    port: 3030",
        "    port: 3030\n    serviceAccountName: a",
        "HLM-002",
        "`serviceAccountName`",
        "serviceAccount.name, at the top",
    ),
    "two ways to serve": (
        "    port: 3030",
        "    port: 3030\n    codeServerArgs: [-m, a]",
        "HLM-005",
        "either",
        "",
    ),
    "a sidecar in every run": (
        "      enabled: false\n    envConfigMaps",
        "      enabled: true\n    sidecarContainers: [{name: collector, image: a}]\n    envConfigMaps",
        "HLM-005",
        "never ends",
        "",
    ),
    "the collector's Service": (
        "  - name: observer-pipeline\n    image",
        "  - name: observer\n    image",
        "HLM-005",
        "its Service observer",
        "another name",
    ),
    "another release's password": (
        "postgresqlSecretName: observer-secrets",
        "postgresqlSecretName: dagster-postgresql-secret",
        "HLM-006",
        "dagster-postgresql-secret",
        "",
    ),
    "another port than the policies open": (
        "    port: 3030",
        "    port: 3031",
        "HLM-012",
        "`3031`",
        "workspace",
    ),
    "another module": (
        "[-m, observer_pipeline.definitions, -a, defs]",
        "[-m, observer_pipeline.defs, -a, defs]",
        "HLM-012",
        "`-m observer_pipeline.defs -a defs`",
        "",
    ),
    "the code location's account in every run": (
        "    includeConfigInLaunchedRuns:\n      enabled: false",
        "    includeConfigInLaunchedRuns:\n      enabled: true",
        "HLM-012",
        "`True`",
        "",
    ),
    "another claim": (
        "          claimName: observer-data-pvc",
        "          claimName: observer-data",
        "HLM-012",
        "the claim `observer-data`",
        "",
    ),
    "a mount of the code location gone": (
        "      - name: observer-data\n        mountPath: /opt/platform/runtime/observer/data\n"
        "        readOnly: true\n",
        "",
        "HLM-012",
        "nothing is mounted there",
        "",
    ),
    "no configuration for the code location": (
        "    envConfigMaps:\n      - name: observer-environment\n",
        "",
        "HLM-012",
        "nothing",
        "",
    ),
    "every key for the code location": (
        "    envConfigMaps:",
        "    envSecrets: [{name: observer-secrets}]\n    envConfigMaps:",
        "HLM-009",
        "the broker's keys",
        "secretKeyRef",
    ),
    "the code location with the launcher's rights": (
        "  name: dagster-runs",
        "  name: dagster",
        "RBAC-002",
        "`dagster`",
        "Name dagster-runs",
    ),
    "a root that can be written": (
        "readOnlyRootFilesystem: true",
        "readOnlyRootFilesystem: false",
        "HLM-009",
        "`False`",
        "",
    ),
}


@pytest.mark.parametrize("case", _CODE_SPOILED, ids=str)
def test_what_is_spoiled_in_the_code_locations_values_is_found(case: str, tmp_path: Path) -> None:
    old, new, rule, observed, remedy = _CODE_SPOILED[case]
    found = [result for result in _spoil(CODE, old, new, tmp_path) if result.rule.id == rule]
    assert any(observed in one.finding.observed and remedy in one.remedy for one in found), found


def test_an_image_of_runs_is_pointless_beside_a_code_location_of_the_charts(tmp_path: Path) -> None:
    """A code location of our own make (deploy/components/collector-sidecar) tells runs no image."""
    more = tmp_path / "image.yaml"
    more.write_text(yaml.safe_dump({"runLauncher": {"config": {"k8sRunLauncher": {"image": IMAGE}}}}))
    assert broken(judged(SYSTEM, more)) == []
    [found] = broken(judged(SYSTEM, more, CODE))
    assert found.rule.id == "HLM-004"
    assert "DAGSTER_CURRENT_IMAGE" in found.finding.observed


def test_the_sidecars_values_are_clean() -> None:
    assert broken(judged(SYSTEM, SIDECAR)) == []


def test_runs_have_the_tag_of_the_webserver_where_the_values_name_it(tmp_path: Path) -> None:
    """A promotion that forgets the component's values leaves runs at the old commit."""
    older = tmp_path / "dagster-values.yaml"
    older.write_text(SIDECAR.read_text().replace(f"tag: {IMAGE['tag']}", "tag: build-20250101-000000"))
    [found] = broken(judged(SYSTEM, older))
    assert found.rule.id == "HLM-007"
    assert "runLauncher.config.k8sRunLauncher.image: `build-20250101-000000`" in found.finding.observed


def test_runs_have_the_tag_of_the_code_location_in_the_collectors_pod(tmp_path: Path) -> None:
    """The component's container comes from the overlay, the image of runs from the values: compared."""
    rendering = render(tmp_path, "production", ("collector-sidecar",))
    values = read_values([str(SYSTEM), str(SIDECAR)])

    def verified(text: str) -> list[Result]:
        file = tmp_path / "rendered.yaml"
        file.write_text(text)
        given = Verification(
            declare(), manifests=read_manifests([str(file)], io.BytesIO()), values=values, only=("HLM-007",)
        )
        return broken(verify(given))

    assert verified(rendering.text) == []
    image = f"{IMAGE['repository']}:{IMAGE['tag']}"
    assert image in rendering.text
    [found] = verified(rendering.text.replace(image, f"{IMAGE['repository']}:build-20250101-000000"))
    assert found.rule.id == "HLM-007"
    assert "code-location: `build-20250101-000000`" in found.finding.observed


def test_the_values_of_the_backups_volume_are_clean() -> None:
    assert broken(judged(SYSTEM, CODE, ROOT / "deploy/components/backup-volume/dagster-values.yaml")) == []


def test_the_values_of_wide_backfills_ask_for_a_larger_node() -> None:
    """Four days at once have room on 48 GiB, and the rule says so of the specification's 24."""
    wide = ROOT / "deploy/components/wide-backfills/dagster-values.yaml"
    [found] = broken(judged(SYSTEM, CODE, wide))
    assert (found.rule.id, found.finding.observed) == ("HLM-011", "`4`")
    larger = declare(Parameters(node_memory_gib=48))
    assert broken(verify(Verification(larger, values=read_values([str(SYSTEM), str(CODE), str(wide)])))) == []


def test_one_version_everywhere(tmp_path: Path) -> None:
    """Webserver and code location of different versions do not understand each other."""
    other = tmp_path / "code.yaml"
    other.write_text(CODE.read_text().replace(f"tag: {IMAGE['tag']}", "tag: build-20260206-090000"))
    found = [one for one in broken(judged(SYSTEM, other)) if one.rule.id == "HLM-007"]
    assert len(found) == 1
    assert "build-20260206-090000" in found[0].finding.observed


def _spoil(file: Path, old: str, new: str, folder: Path) -> list[Result]:
    text = file.read_text()
    assert old in text, old
    spoiled = folder / "spoiled.yaml"
    spoiled.write_text(text.replace(old, new, 1))
    return broken(judged(spoiled))
