"""The report shows the steps of the specification's cluster verification, from evidence."""

from typing import Any

import pytest
from kubernetes_emulator import Cluster

from observer_contracts.catalogue import BY_ID
from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification
from observer_contracts.model import Source
from observer_contracts.reports.blocks import render_markdown
from observer_contracts.reports.cluster_steps import STEPS
from observer_contracts.reports.verification_report import verification_report


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_step_has_its_verdict(look: Any, cluster: Cluster, language: str) -> None:
    """Ten rows; a broken step names the object and what was seen."""
    cluster.of("PersistentVolumeClaim", "observer-data-pvc")["status"] = {"phase": "Pending"}
    seen = look()
    verification = Verification(declare(), live=seen.live)
    _, blocks = verification_report(verification, seen.results, language=language)
    page = render_markdown(blocks)
    rows = [line for line in page.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert [row.split(" | ")[0] for row in rows] == [f"| {number}" for number in range(10)]
    verdicts = [row.split(" | ")[2] for row in rows]
    assert verdicts[5] == "FAIL"
    assert "PersistentVolumeClaim/observer-data-pvc: `Pending`" in rows[5]
    assert verdicts[1] == verdicts[2] == verdicts[3] == verdicts[8] == "PASS"
    # Without manifests, step 0 was not asked.
    assert verdicts[0] == "UNKNOWN"


def test_steps_name_rules_that_look_at_what_runs() -> None:
    """A rule without live or runtime evidence could never answer."""
    for rules in STEPS:
        for name in rules:
            assert {Source.LIVE, Source.RUNTIME} & set(BY_ID[name].checks), name
