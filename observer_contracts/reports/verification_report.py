"""The specification's verification report, regenerated from evidence.

Invariant: a cell is taken from declaration, evidence or results; what no evidence shows is said to be
unknown, and no value of a secret can appear because none was kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from observer_contracts.declaration.facts import Declaration, PathFact, VolumeFact
from observer_contracts.engine import Verification
from observer_contracts.evidence.environment import Layer, keys_of, producer_of
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.objects import KubernetesObject, as_text, mapping_at
from observer_contracts.evidence.workloads import Workload
from observer_contracts.model import Contract, Result, Status
from observer_contracts.reports.blocks import Block, Heading, Paragraph, Table
from observer_contracts.reports.cluster_steps import steps_table
from observer_contracts.reports.phrases import Language, phrases
from observer_contracts.reports.results_page import worst
from observer_contracts.rules.secret import pull_secrets

_FINDINGS = tuple(f"CF-{number}" for number in range(1, 8))
_CONTEXT = ("runAsUser", "runAsGroup", "runAsNonRoot", "readOnlyRootFilesystem", "allowPrivilegeEscalation")


def verification_report(
    verification: Verification, results: Sequence[Result], *, language: str
) -> tuple[str, list[Block]]:
    """Returns title and blocks of the report."""
    words = phrases(Language(language))
    blocks: list[Block] = [
        Heading(1, words["title"]),
        Paragraph(words["purpose"]),
        _looked_at(verification, words),
    ]
    blocks += [Heading(2, words["verdicts"]), _verdicts(results, words)]
    blocks += [Heading(2, words["findings"]), _critical_findings(results, words)]
    for manifests in verification.manifests or ():
        evidence = Evidence(manifests=manifests, image_owner=verification.declaration.collector.name)
        blocks += _cross_tables(verification.declaration, evidence, results, words)
    if not verification.manifests:
        blocks.append(Paragraph(words["not_seen"]))
    if verification.live is not None or verification.runtime is not None:
        blocks += [Heading(2, words["steps"]), steps_table(results, words)]
    blocks += [Heading(2, words["attention"]), _attention(results, words)]
    return words["title"], blocks


def _looked_at(verification: Verification, words: dict[str, str]) -> Paragraph:
    sources = [words["manifests"].format(name=f"`{found.name}`") for found in verification.manifests or ()]
    if verification.repository is not None:
        sources.append(words["repository"].format(name=f"`{verification.repository.root}`"))
    if verification.runtime is not None:
        sources.append(words["container"].format(name=f"`{verification.runtime.pod}`"))
    if verification.live is not None:
        sources.append(words["cluster"].format(name=f"`{verification.live.server or '-'}`"))
    return Paragraph(words["verified"].format(day=verification.today, sources=", ".join(sources)))


def _verdicts(results: Sequence[Result], words: dict[str, str]) -> Table:
    rows = []
    for contract in Contract:
        own = [result for result in results if result.rule.contract is contract]
        counts = Counter(result.status.value for result in own)
        if own:
            rows.append(
                (
                    contract.value,
                    worst(own).value,
                    ", ".join(f"{n} {state}" for state, n in sorted(counts.items())),
                )
            )
    return Table((words["contract"], words["verdict"], words["results"]), tuple(rows))


def _critical_findings(results: Sequence[Result], words: dict[str, str]) -> Table:
    rows = []
    for finding in _FINDINGS:
        own = [result for result in results if result.rule.cf == finding]
        bad = [result for result in own if result.status is Status.FAIL]
        rules = ", ".join(dict.fromkeys(result.rule.id for result in bad or own))
        objects = ", ".join(dict.fromkeys(result.finding.object for result in bad)) or words["absent"]
        rows.append((finding, words[finding], worst(own).value, rules, objects))
    head = (words["finding"], words["meaning"], words["verdict"], words["rules"], words["objects"])
    return Table(head, tuple(rows))


def _cross_tables(
    declaration: Declaration, evidence: Evidence, results: Sequence[Result], words: dict[str, str]
) -> list[Block]:
    tables: list[tuple[str, Callable[[], Table]]] = [
        ("inventory", lambda: _inventory(evidence, words)),
        ("volumes", lambda: _volumes(declaration, evidence, words)),
        ("paths", lambda: _paths(declaration, evidence, words)),
        ("database", lambda: _rows_of(results, Contract.DATABASE, words)),
        ("secrets", lambda: _secrets(declaration, evidence, words)),
        ("context", lambda: _context(declaration, evidence, words)),
    ]
    return [block for name, table in tables for block in (Heading(2, words[name]), table())]


def _inventory(evidence: Evidence, words: dict[str, str]) -> Table:
    found = evidence.manifests.objects if evidence.manifests else ()
    rows = sorted((item.kind, item.name, _origin(item)) for item in found)
    return Table((words["kind"], words["name"], words["source"]), tuple(rows))


def _origin(found: KubernetesObject) -> str:
    """Returns where an object begins: in the innermost source, which patches only change."""
    if found.sources:
        return f"`{found.sources[-1].file}:{found.sources[-1].fields.line}`"
    return f"`{found.file}:{found.fields.line}`"


def _volumes(declaration: Declaration, evidence: Evidence, words: dict[str, str]) -> Table:
    variables = {fact.path: fact.variable for fact in declaration.paths if fact.is_mount}
    rows = tuple(
        _volume(fact, variables.get(fact.mount_path, "-"), evidence, words) for fact in declaration.volumes
    )
    head = ("workload", "volume", "source", "mount", "variable", "size", "days")
    return Table(tuple(words[name] for name in head), rows)


def _volume(fact: VolumeFact, variable: str, evidence: Evidence, words: dict[str, str]) -> tuple[str, ...]:
    workload = evidence.workload(fact.workload)
    main = workload.main if workload else None
    mount = next((found for found in main.mounts if found.path == fact.mount_path), None) if main else None
    volume = workload.volumes.get(mount.volume) if workload and mount else None
    claim = (
        evidence.manifests.find("PersistentVolumeClaim", volume.claim)
        if evidence.manifests and volume
        else None
    )
    size = as_text(claim.value("spec", "resources", "requests", "storage")) if claim else "-"
    days = (
        f"{fact.capacity_gib / fact.growth_gib_per_day:.0f}"
        if fact.growth_gib_per_day and fact.claim
        else "-"
    )
    source = f"{volume.type} {volume.claim}".strip() if volume else words["absent"]
    return (
        fact.workload,
        mount.volume if mount else words["absent"],
        source,
        fact.mount_path,
        variable,
        size,
        days,
    )


def _paths(declaration: Declaration, evidence: Evidence, words: dict[str, str]) -> Table:
    collector = evidence.workload(declaration.collector.name)
    rows = tuple(_path(fact, declaration, evidence, collector, words) for fact in declaration.paths)
    head = ("variable", "program", "image", "environment", "mount", "state")
    return Table(tuple(words[name] for name in head), rows)


def _path(
    fact: PathFact,
    declaration: Declaration,
    evidence: Evidence,
    collector: Workload | None,
    words: dict[str, str],
) -> tuple[str, ...]:
    if collector is None or collector.main is None:
        return (
            fact.variable,
            fact.path,
            words["absent"],
            words["absent"],
            words["absent"],
            Status.UNKNOWN.value,
        )
    value = evidence.environment(collector.main).effective.get(fact.variable)
    image = _image_value(fact, evidence) or words["unset"]
    shown = value.text if value and value.layer is not Layer.IMAGE else None
    parent = declaration.path(fact.mount).path
    mounted = any(mount.path == parent for mount in collector.main.mounts)
    layers = {fact.path, *(text for text in (shown, _image_value(fact, evidence)) if text)}
    state = Status.PASS if mounted and len(layers) == 1 else Status.FAIL
    mount = parent if mounted else words["absent"]
    return (fact.variable, fact.path, image, shown or words["unset"], mount, state.value)


def _image_value(fact: PathFact, evidence: Evidence) -> str | None:
    images = evidence.manifests.images if evidence.manifests else ()
    found = [
        variable.value for image in images for variable in image.variables if variable.name == fact.variable
    ]
    return found[-1] if found else None


def _rows_of(results: Sequence[Result], contract: Contract, words: dict[str, str]) -> Table:
    own = [result for result in results if result.rule.contract is contract]
    rows = [
        (r.rule.id, r.finding.object, r.finding.expected, r.finding.observed, r.status.value) for r in own
    ]
    head = ("rule", "object", "expected", "observed", "state")
    return Table(tuple(words[name] for name in head), tuple(rows))


def _secrets(declaration: Declaration, evidence: Evidence, words: dict[str, str]) -> Table:
    users: dict[str, list[str]] = {}
    for workload in evidence.workloads:
        for reference in evidence.references(workload, "Secret"):
            users.setdefault(reference.name, []).append(workload.label)
        for name, _ in pull_secrets(workload):
            users.setdefault(name, []).append(workload.label)
    manifests = evidence.manifests
    made = (
        {found.name for found in manifests.of("Secret", "SealedSecret", "ExternalSecret")}
        if manifests
        else set()
    )
    rows = []
    for name in sorted({*users, *made, declaration.secret.name, declaration.pull_secret.name}):
        producer = producer_of(manifests, "Secret", name) if manifests else None
        keys = keys_of(producer) if producer else None
        wanted = declaration.secret.keys if name == declaration.secret.name else ()
        missing = [key for key in wanted if key not in (keys or {})]
        used = ", ".join(dict.fromkeys(users.get(name, []))) or words["absent"]
        rows.append(
            (
                name,
                producer.label if producer else words["absent"],
                ", ".join(keys or {}) or "-",
                ", ".join(missing) or "-",
                used,
            )
        )
    head = ("secret", "producer", "keys", "missing", "used_by")
    return Table(tuple(words[name] for name in head), tuple(rows))


def _context(declaration: Declaration, evidence: Evidence, words: dict[str, str]) -> Table:
    rows = []
    for fact in declaration.workloads:
        workload = evidence.workload(fact.name)
        if workload is None:
            continue
        group = mapping_at(workload.pod, "securityContext").get("fsGroup")
        rows.append((workload.label, "fsGroup", as_text(group) or words["unset"]))
        for container in workload.containers:
            rows += [
                (
                    workload.label,
                    f"{container.name}: {field}",
                    as_text(container.security(field)) or words["unset"],
                )
                for field in _CONTEXT
            ]
    return Table((words["workload"], words["field"], words["observed"]), tuple(rows))


def _attention(results: Sequence[Result], words: dict[str, str]) -> Block:
    bad = [result for result in results if result.status is not Status.PASS]
    if not bad:
        return Paragraph(words["none"])
    rows = [
        (
            r.status.value,
            r.rule.id,
            r.severity.value,
            r.finding.object,
            r.finding.expected,
            r.finding.observed,
            r.remedy,
        )
        for r in bad
    ]
    head = ("state", "rule", "severity", "object", "expected", "observed", "remedy")
    return Table(tuple(words[name] for name in head), tuple(rows))
