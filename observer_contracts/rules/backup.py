"""Backup: copies leave the node, by way of what the deployment gives to the runs."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.environment import Value, keys_of, producer_of
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.helm.charts import Chart
from observer_contracts.helm.deployment import run_mounts
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, unknown, warned

_BUCKET = "s3://"


def leaves_the_node(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """BAK-001: there is a target, and what opens it: the claim of a volume, or the keys of a bucket."""
    workload, fact = evidence.workload(declaration.collector.name), declaration.backup
    if workload is None or workload.main is None:
        yield unknown(declaration.collector.name, "a backup target", "there is no collector (WRK-001)")
        return
    effective = evidence.environment(workload.main).effective
    target = effective.get(fact.variable)
    if target is None or target.text == "":
        observed = f"no {fact.variable}: nothing leaves the node"
        yield warned(workload.label, "a backup target", observed, workload.main.where("envFrom"))
    elif target.text is None:
        expected = f"{fact.variable} from a ConfigMap, where it can be read"
        yield warned(target.origin, expected, "a secret", target.where)
    elif target.text.startswith(_BUCKET):
        yield _bucket(declaration, evidence, effective, target)
    else:
        yield _volume(declaration, evidence, target)


def _bucket(
    declaration: Declaration, evidence: Evidence, effective: dict[str, Value], target: Value
) -> Finding:
    there = [name for name in declaration.backup.keys if name in effective]
    expected = f"{' and '.join(declaration.backup.keys)} in the Secret"
    if len(there) == len(declaration.backup.keys):
        return passed(target.origin, expected, "both", target.where)
    secret = declaration.secret.name
    producer = producer_of(evidence.manifests, "Secret", secret) if evidence.manifests else None
    if not there and (producer is None or keys_of(producer) is None):
        observed = f"{secret} is made elsewhere, where its keys cannot be seen; it must have both"
        return warned(target.origin, expected, observed, target.where)
    made_by = producer.label if producer else secret
    observed = f"{there[0]} alone" if there else f"{made_by} has neither: the bucket refuses every copy"
    remedy = (
        f"Seal both keys into {secret} (docs/operations/secrets.md), or take the target out of backup.env."
    )
    more = (producer.where("spec", "encryptedData"),) if producer else ()
    return failed(target.origin, expected, observed, target.where, *more, remedy=remedy)


def _volume(declaration: Declaration, evidence: Evidence, target: Value) -> Finding:
    claim, path = declaration.backup.claim, target.text or ""
    found = evidence.manifests.find("PersistentVolumeClaim", claim) if evidence.manifests else None
    expected = f"the claim {claim} for the target {shown(path)}"
    if found is not None:
        return passed(target.origin, expected, "there", target.where, found.where("metadata", "name"))
    observed = "no such claim: the folder would be one of the run's own, gone with its pod"
    remedy = "Add the component backup-volume to the overlay."
    return failed(target.origin, expected, observed, target.where, remedy=remedy)


def runs_mount_the_target(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """BAK-001: where the manifests beside the values name a folder, runs have the claim mounted there."""
    layered = evidence.values.of(Chart.SYSTEM) if evidence.values else None
    workload = evidence.workload(declaration.collector.name)
    if layered is None or workload is None or workload.main is None:
        return
    target = evidence.environment(workload.main).effective.get(declaration.backup.variable)
    path = (target.text if target else "") or ""
    if not path or path.startswith(_BUCKET):
        return
    claim, where = declaration.backup.claim, layered.files[-1].where()
    expected = f"runs mount {claim} at {shown(path)}"
    mounted = sorted(mount for mount, source in run_mounts(layered).items() if source == claim)
    if path in mounted:
        yield passed(str(layered.chart), expected, "they do", where)
    else:
        observed = f"mounted at {', '.join(map(shown, mounted))}" if mounted else "not mounted"
        remedy = "Give Dagster the values of the component backup-volume as well."
        yield failed(str(layered.chart), expected, observed, where, remedy=remedy)
