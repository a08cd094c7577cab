"""The component as an operator gets it: rendered, documented, and pointing at what is there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from monitoring_rules import COMPONENT, alerts, rules
from required_tools import required

from observer_collector.reporting.alerts import Condition
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


def test_the_dashboard_is_found_by_grafana(rendered):
    """Under a fixed name with the label of the sidecar, and unchanged."""
    found = only(rendered, "ConfigMap", "observer-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["observer.json"]) == json.loads(DASHBOARD.read_text())
