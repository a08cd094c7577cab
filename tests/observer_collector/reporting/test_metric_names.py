"""Rules and dashboard ask for what a running collector really tells (I-26)."""

import json
import re

import pytest
from monitoring_rules import COMPONENT, rules
from prometheus_client.parser import text_string_to_metric_families

# What others tell: kube-state-metrics, and Prometheus about itself.
FOREIGN = {
    "kube_pod_container_status_restarts_total",
    "kube_statefulset_status_replicas_ready",
    "up",
    "ALERTS",
}
NAME = re.compile(r"\b(?:observer_[a-z0-9_]+|kube_[a-z0-9_]+|up|ALERTS)\b(?!\s*\()")
SELECTOR = re.compile(r"\b(observer_[a-z0-9_]+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


def expressions():
    board = json.loads((COMPONENT / "dashboard.json").read_text())
    panels = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    return [rule["expr"] for rule in rules()] + panels + [one["expr"] for one in board["annotations"]["list"]]


def names(expression):
    """Returns the names of metrics in an expression; texts and label lists are no names."""
    plain = re.sub(r'"[^"]*"', '""', expression)
    plain = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", plain)
    return set(NAME.findall(plain))


@pytest.fixture
async def samples(world, collector_process, receiver):
    """What the writer tells in the session, with every way out configured."""
    options = {
        "OBSERVER_ALERT_WEBHOOK_URL": receiver.origin + "/hook",
        "OBSERVER_DEAD_MAN_URL": receiver.origin + "/ping",
        "OBSERVER_CONTRACT_INTERVAL_SECONDS": "3600",
    }
    async with world(start="10:00:00", speed=60) as market:
        market.universe()
        async with collector_process(market, **options) as running:
            market.wall.release()
            await running.eventually(lambda status: status.get("sweeps", {}).get("rows", 0) > 0)
            text = (await running.get("/metrics"))[1]
    found = {}
    for family in text_string_to_metric_families(text):
        kind = {"counter": "_total", "info": "_info"}.get(family.type, "")
        found.setdefault(family.name + kind, [])
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


async def test_every_metric_that_is_asked_for_exists(samples):
    """In rules and dashboard alike, with the labels and the values that they are asked for by."""
    asked = set().union(*(names(expression) for expression in expressions()))
    assert {"observer_last_record_timestamp_seconds", "observer_holes_total", "up"} <= asked
    assert asked - set(samples) == FOREIGN
    wrong = [
        (name, label, value)
        for expression in expressions()
        for name, selectors in SELECTOR.findall(expression)
        for label, operator, values in MATCHER.findall(selectors)
        # A variable of the dashboard stands for a label of the target, which no process tells of itself.
        for value in values.split("|")
        if not value.startswith("$")
        if samples[name] and not any(found.get(label) == value for found in samples[name])
        if operator != "!=" or not any(label in found for found in samples[name])
    ]
    assert wrong == []


async def test_labels_have_few_values(samples):
    """Not a symbol, not an address: no family grows with the market."""
    assert max(len(found) for found in samples.values()) <= 40
