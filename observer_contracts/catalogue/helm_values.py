"""The rules about the values of the Helm charts."""

from __future__ import annotations

from observer_contracts.helm import code_location, deployment, effects, images, keys
from observer_contracts.model import Check, Contract, Rule, Severity, Source

_LOOK = "helm get values dagster -n observer-prod; helm get values dagster-code -n observer-prod"


def _rule(
    number: int, title: str, contract: Contract, severity: Severity, check: Check, *, why: str, remedy: str
) -> Rule:
    return Rule(
        f"HLM-{number:03}",
        title,
        contract,
        severity,
        why=why,
        remedy=remedy,
        look=_LOOK,
        checks={Source.VALUES: check},
    )


HELM_RULES: tuple[Rule, ...] = (
    _rule(
        1, "Values files can be read", Contract.RENDERING, Severity.CRITICAL, keys.readable,
        why="Helm stops, or takes the second of two equal keys and drops the first without a word.",
        remedy="Correct the line that is named.",
    ),
    _rule(
        2, "Every value is one that the chart reads", Contract.RENDERING, Severity.HIGH, keys.known_keys,
        why="Half of the charts' mappings take any key: a misspelt one is never read, and the default holds.",
        remedy="Move the key to where it belongs, or remove it.",
    ),
    _rule(
        3, "Values have the types that the chart asks for", Contract.RENDERING, Severity.HIGH, keys.types_fit,
        why="Helm refuses some, and renders others into manifests that mean something else.",
        remedy="Write the value as its type.",
    ),
    _rule(
        4, "No value is set that has no effect", Contract.RENDERING, Severity.LOW, effects.effective,
        why="Whoever reads the file believes it.",
        remedy="Remove the value, or turn on what it belongs to.",
    ),
    _rule(
        5, "Values go together", Contract.RENDERING, Severity.CRITICAL, effects.consistent,
        why="Helm fails in the middle of an upgrade, or pods never become ready, or run Jobs never end.",
        remedy="Keep one of the two.",
    ),
    _rule(
        6, "No secret stands in the values", Contract.SECRET, Severity.CRITICAL, deployment.no_secrets,
        why="Values are in the repository and in Helm's release Secret; the chart's own password is `test`.",
        remedy="Name the Secret in global.postgresqlSecretName, and take the value out; then rotate it.",
    ),
    _rule(
        7, "Dagster's containers all have the pipeline's image", Contract.IMAGE, Severity.HIGH,
        images.own_images,
        why="The official images were amd64 only until 1.13.23, have other versions inside, and run as root; "
        "a run of another version than the code location executes other code than the page shows.",
        remedy="Name the pipeline's image and one fixed tag everywhere (tools/promote.py writes it to every "
        "place), and turn off the chart's own wait.",
    ),
    _rule(
        8, "Dagster's tables are in the deployment's PostgreSQL", Contract.DATABASE, Severity.CRITICAL,
        deployment.storage_of_the_contract,
        why="A bare postgresql:// asks for psycopg 3 and every process dies at its start; the chart's own "
        "PostgreSQL is an old one without backup.",
        remedy="Write the value that is named.",
    ),
    _rule(
        9, "Dagster's pods are restricted, and only the read-only page is public", Contract.SECURITY,
        Severity.HIGH, deployment.restricted,
        why="Dagster has no login: who reaches the page can start any job; an unrestricted pod is refused by "
        "the namespace.",
        remedy="Set the field that is named; reach the other page by port-forward.",
    ),
    _rule(
        10, "Runs have the collector's environment, volumes and an account without rights", Contract.PATH,
        Severity.CRITICAL, deployment.runs_have_the_contract,
        why="A run without the data volume finds an empty folder and compacts nothing, successfully.",
        remedy="State in runLauncher.config.k8sRunLauncher what is named.",
    ),
    _rule(
        11, "Runs are watched, counted and ended", Contract.RESOURCE, Severity.MEDIUM, deployment.bounded,
        why="A lost pod leaves its run started for ever, and its place in the queue taken.",
        remedy="Write the value that is named.",
    ),
    _rule(
        12, "The code location answers where Dagster asks, and sees the collector's files", Contract.SERVICE,
        Severity.CRITICAL, code_location.code_location_answers,
        why="Webserver and daemon run without any definition: no schedule, no sensor, no run, no error but "
        "on the page of locations.",
        remedy="Write the value that is named, in the workspace or in the code location.",
    ),
)  # fmt: skip
