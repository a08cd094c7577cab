"""The component as an operator gets it: rendered, documented, and pointing at what is there."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml
from monitoring_rules import COMPONENT, alerts, rules
from required_tools import required

from observer_collector.reporting.alerts import Condition
from observer_contracts.evidence import kustomize
from observer_core.settings import AlertSettings

ROOT = Path(__file__).resolve().parents[3]
RUNBOOK = ROOT / "docs" / "operations" / "alerts.md"
DASHBOARD = COMPONENT / "dashboard.json"


def sections() -> list[str]:
    return re.findall(r"^## (Observer\w+)$", RUNBOOK.read_text(), re.MULTILINE)


def expressions() -> list[str]:
    """Returns all expressions of the dashboard, its annotations included."""
    board = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    return found + [annotation["expr"] for annotation in board["annotations"]["list"]]


def test_each_alert_has_its_section_and_each_section_its_alert():
    """Rules and the collector's own conditions on the one side, the runbook on the other."""
    assert len(sections()) == len(set(sections()))
    assert set(sections()) == alerts() | {condition.value for condition in Condition}


def test_each_section_says_who_is_called_and_what_to_do():
    """A severity that the rules have, and more than a sentence."""
    text = RUNBOOK.read_text()
    severities: dict[str, set[str]] = {}
    for rule in rules():
        if "alert" in rule:
            severities.setdefault(rule["alert"], set()).add(rule["labels"]["severity"])
    for name in sections():
        body = re.split(r"^#", text.split(f"## {name}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
        head = re.match(r"\s*\*(.+?)\.?\*", body)
        assert head is not None, name
        for severity in severities.get(name, set()):
            assert severity in head[1].lower(), (name, severity)
        assert len(body.split()) > 12, name


@pytest.mark.parametrize(
    "rule", [rule for rule in rules() if "alert" in rule], ids=lambda rule: rule["alert"]
)
def test_each_alert_is_complete(rule):
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    address = str(AlertSettings.load({}).runbook_url)
    assert rule["annotations"]["runbook_url"] == f"{address}#{rule['alert'].lower()}"
    assert address.endswith(str(RUNBOOK.relative_to(ROOT)))


def test_no_rule_knows_an_hour():
    """The calendar is the collector's: hours in a rule are wrong on every shifted day (I-26)."""
    for rule in rules():
        assert not re.search(r"\b(hour|minute|day_of_\w+|month|year)\s*\(", rule["expr"]), rule


def test_the_dashboard_can_be_read(tmp_path):
    """Every expression is one that Prometheus parses, and every panel has a title and says what it shows."""
    promtool = required("promtool", package="prometheus")
    recorded = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(expressions())]
    path = tmp_path / "dashboard.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    checked = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    board = json.loads(DASHBOARD.read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len(panels) > 20
    assert all(panel["title"] and panel["description"] for panel in panels)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_dashboard_shows_one_deployment():
    """Each metric of each panel is asked for in the chosen namespace: staging is not summed to production."""
    board = json.loads(DASHBOARD.read_text())
    assert [one["name"] for one in board["templating"]["list"]] == ["datasource", "namespace"]
    metrics = [
        found for text in expressions() for found in re.findall(r"\b(?:observer_\w+|up|ALERTS)\b.*", text)
    ]
    assert len(metrics) > 30
    assert [found for found in metrics if not re.match(r'\w+\{namespace="\$namespace"[,}]', found)] == []


def test_each_overlays_rules_expect_its_own_deployment(renderings):
    """The one namespace that the rules name is the overlay's: its death is told though a neighbour lives."""
    named = {}
    for rendering in renderings:
        for found in rendering.of("PrometheusRule"):
            labels = [rule.get("labels", {}) for group in found["spec"]["groups"] for rule in group["rules"]]
            (named[str(rendering)],) = {one["namespace"] for one in labels if "namespace" in one}
            assert named[str(rendering)] == rendering.namespace
    assert len(set(named.values())) == 3


def test_no_rule_mixes_deployments():
    """What is aggregated is so by namespace; what is joined is so by namespace or instance."""
    for rule in rules():
        expression = rule["expr"]
        for operator, following in re.findall(r"\b(max|min|sum|count|absent)\b(.{0,40})", expression):
            assert operator != "absent", rule
            assert re.match(r" (by \(namespace\b|without \(track)", following), rule
        for labels in re.findall(r"\bon \(([^)]*)\)", expression):
            assert labels in ("namespace", "instance"), rule


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """The base with the component, in a namespace."""
    folder = tmp_path_factory.mktemp("overlay")
    base, component = (os.path.relpath(path, folder) for path in (ROOT / "deploy" / "base", COMPONENT))
    (folder / "kustomization.yaml").write_text(
        yaml.safe_dump({"namespace": "observer-prod", "resources": [base], "components": [component]})
    )
    kubectl = Path(sys.executable).with_name("kubectl")
    output = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert output.returncode == 0, output.stderr
    return [found for found in yaml.safe_load_all(output.stdout) if found]


def only(objects, kind, name):
    (found,) = [one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def test_the_runbooks_address_is_said_once(tmp_path):
    """A fork changes one line; each rule, collector and code location follow, and each section stays."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    overlay, place = tmp_path / "deploy/overlays/production", tmp_path / "deploy/components/monitoring"
    address = str(AlertSettings.load({}).runbook_url)
    runbook = place / "runbook.yaml"
    assert runbook.read_text().count(address) == 1
    runbook.write_text(runbook.read_text().replace(address, "https://wiki.example.org/alerts"))
    with (overlay / "kustomization.yaml").open("a") as file:
        file.write("\ncomponents: [../../components/monitoring]\n")
    documents = list(yaml.safe_load_all(kustomize.render(overlay, kustomize.read_sources(overlay))))
    (made,) = [found for found in documents if found["kind"] == "PrometheusRule"]
    links = {
        rule["alert"]: rule["annotations"]["runbook_url"]
        for group in made["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert links == {name: f"https://wiki.example.org/alerts#{name.lower()}" for name in alerts()}
    maps = [found["data"] for found in documents if found["kind"] == "ConfigMap"]
    told = [data["OBSERVER_RUNBOOK_URL"] for data in maps if "OBSERVER_RUNBOOK_URL" in data]
    assert told == ["https://wiki.example.org/alerts"] * 2
    assert AlertSettings.load({"OBSERVER_RUNBOOK_URL": told[0]}).runbook_url == told[0]
    assert not [found for found in documents if found["metadata"]["name"] == "observer-runbook"]


def test_the_monitor_finds_every_pod_once(rendered):
    """It selects one Service, which has pods that are not ready too, by a port that the Service has."""
    monitor = only(rendered, "ServiceMonitor", "observer")["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    (service,) = [
        found
        for found in rendered
        if found["kind"] == "Service" and wanted <= found["metadata"].get("labels", {}).items()
    ]
    assert service["spec"]["publishNotReadyAddresses"] is True
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    pods = only(rendered, "Deployment", "observer")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= pods.items()
    jobs = {label["replacement"] for label in endpoint["relabelings"] if label["targetLabel"] == "job"}
    asked = {job for rule in rules() for job in re.findall(r'job="([^"]+)"', rule["expr"])}
    assert asked == jobs


def test_the_guides_patch_labels_monitor_and_rules(tmp_path):
    """Where Prometheus takes only what carries its Helm release, the guide's lines give both the label."""
    guide = textwrap.dedent(
        "".join(re.findall(r"^   ```yaml\n(.*?)^   ```", RUNBOOK.read_text(), re.DOTALL | re.MULTILINE))
    )
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    overlay = tmp_path / "deploy/overlays/production"
    with (overlay / "kustomization.yaml").open("a") as file:
        file.write("\ncomponents: [../../components/monitoring]\n" + guide)
    documents = list(yaml.safe_load_all(kustomize.render(overlay, kustomize.read_sources(overlay))))
    labelled = {found["kind"] for found in documents if "release" in found["metadata"].get("labels", {})}
    assert labelled == {"ServiceMonitor", "PrometheusRule"}


def test_the_dashboard_is_found_by_grafana(rendered):
    """Under a fixed name with the label of the sidecar, and unchanged."""
    found = only(rendered, "ConfigMap", "observer-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["observer.json"]) == json.loads(DASHBOARD.read_text())
