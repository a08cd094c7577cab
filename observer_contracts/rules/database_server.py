"""What the server's image makes on an empty volume: the role and the databases that programs log in to.

Invariant: judged by what the container starts with; a sealed value is compared by its length alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration import dagster
from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.environment import Layer
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import as_text
from observer_contracts.evidence.workloads import Container
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, unknown, warned

_ROLE = "POSTGRES_USER"


def server_makes_what_programs_use(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """DB-005: the server makes the role that programs log in as, and Dagster's database where Dagster is."""
    fact = declaration.database
    workload = evidence.workload(fact.workload)
    if workload is None or workload.main is None:
        yield unknown(fact.workload, f"{_ROLE} = {fact.user}", "there is no database (WRK-001)")
        return
    environment = evidence.environment(workload.main)
    if _ROLE not in environment.effective and not environment.has_unresolved_objects:
        where = workload.main.where("env")
        observed = "not set: the image makes the role `postgres`"
        yield failed(workload.label, f"{_ROLE} = {fact.user}", observed, where)
    else:
        yield server_value(_ROLE, fact.user, evidence, workload.main)
    if evidence.manifests and evidence.manifests.find("ServiceAccount", dagster.CONTROL_ACCOUNT):
        yield _dagsters_database(fact.initialisation, evidence, workload.main)


def server_value(name: str, wanted: str, evidence: Evidence, container: Container) -> Finding:
    """Compares a variable of the server's image with what the programs take for granted."""
    label, expected = container.workload.label, f"{name} = {wanted}"
    found = evidence.environment(container).effective.get(name)
    if found is None or found.layer is Layer.IMAGE:
        return unknown(label, expected, f"{name} cannot be seen (SEC-001, SEC-002)")
    if found.text is not None:
        if found.text == wanted:
            return passed(found.origin, expected, "plain value compared", found.where)
        # A name: what is secret is the password.
        remedy = f"Take {name} from the declared Secret, whose value is {shown(wanted)}."
        return failed(found.origin, expected, f"plain value {shown(found.text)}", found.where, remedy=remedy)
    if found.length is None:
        return unknown(found.origin, expected, "its length cannot be seen", found.where)
    if found.length == len(wanted):
        observed = f"a sealed value of {found.length} bytes, as expected"
        return passed(found.origin, expected, observed, found.where)
    observed = f"a sealed value of {found.length} bytes, where {len(wanted)} are expected"
    remedy = "Seal the name again, without a line end."
    return warned(found.origin, expected, observed, found.where, remedy=remedy)


def _dagsters_database(folder: str, evidence: Evidence, container: Container) -> Finding:
    """The image runs the scripts of that folder once; without one, Dagster's database is never made."""
    workload = container.workload
    expected = f"a script at {folder} that makes the database {dagster.DATABASE}"
    remedy = (
        "Mount the ConfigMap postgres-initialisation there, as deploy/base/database/stateful-set.yaml does."
    )
    mount = next((found for found in container.mounts if found.path == folder), None)
    if mount is None:
        observed, where = "nothing is mounted there", container.where("volumeMounts")
        return failed(workload.label, expected, observed, where, remedy=remedy)
    where = workload.object.where(*mount.place)
    volume = workload.volumes.get(mount.volume)
    if volume is None:
        return passed(workload.label, expected, "a mount is there; its volume is judged by VOL-002", where)
    name = as_text(volume.source.get("name"))
    scripts = evidence.manifests.find("ConfigMap", name) if evidence.manifests else None
    if volume.type == "configMap" and scripts is None:
        return passed(workload.label, expected, "a mount is there; its ConfigMap is judged by ENV-001", where)
    texts = [as_text(text) for text in scripts.mapping("data").values()] if scripts else []
    if any("create database" in text.lower() and dagster.DATABASE in text for text in texts):
        return passed(workload.label, expected, f"ConfigMap {name}", where)
    observed = f"no script of the volume {volume.name} makes it"
    return failed(workload.label, expected, observed, where, remedy=remedy)
