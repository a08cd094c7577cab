"""The evidence for the execution contracts, and the report about it.

Invariant: a run of this step never fails because a contract is broken, a cluster is away or the database
does not answer: each of them is an answer. A kind of evidence that this deployment does not have is left
out and leaves its checks as they are.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import dagster as dg

from observer_contracts.model import Result, Source, Status
from observer_contracts.reports.blocks import render_html, render_markdown
from observer_contracts.reports.results_page import results_page
from observer_core.errors import ObserverError
from observer_core.files import write_atomically
from observer_core.settings import Paths, PathSettings
from observer_pipeline import keys
from observer_pipeline.checks.execution_contracts import REPORT_CHECK, check_specs, judged, overall, table
from observer_pipeline.contract_evidence import SOURCES, ContractEvidence, Looked
from observer_pipeline.declaration import declare
from observer_pipeline.failures import describe
from observer_pipeline.vocabulary import Group

_DESCRIPTIONS = {
    Source.MANIFESTS: "The rendered manifests of the deployment, with the keys of its SealedSecrets. Right "
    "when every object is as declared: paths, database, secrets, security context.",
    Source.REPOSITORY: "Tracked files and the history of all refs: plaintext secrets, documents and sources "
    "that name other paths. Right when nothing in it leaks or misleads.",
    Source.RUNTIME: "The container in which the run executes: environment, mounts, user, what can be "
    "written, database, lock, disk. Right when it is as the manifests promise.",
    Source.LIVE: "The cluster's objects through its API: node, claims, Secrets by name, pods and what they "
    "answer. Right when what runs is what was declared; a forbidden question has no answer.",
}
_KINDS = {
    Source.MANIFESTS: "yaml",
    Source.REPOSITORY: "git",
    Source.RUNTIME: "linux",
    Source.LIVE: "kubernetes",
}


def contract_assets() -> list[dg.AssetsDefinition]:
    """Returns the assets of the group `contracts`, with a check for each contract."""
    evidence = [
        declare(
            keys.evidence(source), Group.CONTRACTS, _DESCRIPTIONS[source],
            kinds=(_KINDS[source],), code_version="1", skippable=True,
        )
        for source in SOURCES
    ]  # fmt: skip
    report = declare(
        keys.CONTRACT_REPORT,
        Group.CONTRACTS,
        "The verification report: the verdict on each contract, what needs attention and since when, and "
        "what holds. From all evidence that this deployment has. Right when no contract is broken.",
        kinds=("html",),
        deps=[spec.key for spec in evidence],
        code_version="1",
        skippable=True,
        fresh_within=timedelta(hours=3),
    )
    step = dg.multi_asset(
        name="execution_contracts",
        specs=[*evidence, report],
        check_specs=[*(spec for source in SOURCES for spec in check_specs(source)), REPORT_CHECK],
        can_subset=True,
    )
    return [step(_verify)]


def _verify(
    context: dg.AssetExecutionContext, contract_evidence: ContractEvidence
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    selected = context.selected_asset_keys
    wanted = [s for s in contract_evidence.available() if keys.evidence(s) in selected]
    looked = contract_evidence.look(wanted)
    since = _remember(context, contract_evidence, looked)
    for source in wanted:
        results = looked.of(source)
        yield dg.MaterializeResult(asset_key=keys.evidence(source), metadata=_metadata(results, since))
        yield from judged(source, results, since, obstacle=looked.obstacles.get(source, ""))
    if keys.CONTRACT_REPORT in selected:
        yield _report(context, looked, since)
        yield overall(looked.results, since)


def _metadata(results: list[Result], since: Mapping[Result, datetime]) -> dict[str, dg.MetadataValue]:
    counts = Counter(result.status for result in results)
    bad = [result for result in results if result.status is not Status.PASS]
    shown: dict[str, dg.MetadataValue] = {
        state.value.lower(): dg.MetadataValue.int(counts[state]) for state in Status
    }
    return shown | ({"findings": table(bad, since)} if bad else {})


def _remember(
    context: dg.AssetExecutionContext, evidence: ContractEvidence, looked: Looked
) -> dict[Result, datetime]:
    """Records the states in PostgreSQL, and returns since when each has held; empty where it is away."""
    from observer_core import warehouse  # noqa: PLC0415 - loads SQLAlchemy

    looked_at = [source for source in SOURCES if looked.of(source) and source not in looked.obstacles]
    states = {
        result: warehouse.ContractState(
            source=result.source.value,
            rule=result.rule.id,
            contract=result.rule.contract.value,
            severity=result.severity.value,
            object=result.finding.object,
            expected=result.finding.expected,
            status=result.status.value,
            observed=result.finding.observed,
            remedy=result.remedy,
        )
        for result in looked.results
        if result.source in looked_at
    }
    try:
        engine = warehouse.connect(evidence.database)
        warehouse.migrate(engine)
        since = warehouse.record_contract_states(
            engine, states.values(), sources=[source.value for source in looked_at], now=looked.now
        )
    except ObserverError as error:
        context.log.warning(f"The states are not recorded: {describe(error)['error'].value}")
        return {}
    return {result: since[state.fact] for result, state in states.items()}


def _report(
    context: dg.AssetExecutionContext, looked: Looked, since: Mapping[Result, datetime]
) -> dg.MaterializeResult[None]:
    page = results_page(looked.results)
    metadata = _metadata(list(looked.results), since)
    metadata["preview"] = dg.MetadataValue.md(render_markdown(page))
    path = Paths(PathSettings.load()).contract_report
    try:
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, render_html("Execution contracts", page, language="en").encode())
        metadata["path"] = dg.MetadataValue.path(str(path))
    except OSError as error:
        context.log.warning(f"The report is not written to {path}: {error.strerror}.")
    return dg.MaterializeResult(asset_key=keys.CONTRACT_REPORT, metadata=metadata)
