"""The rules about Argo CD's Applications."""

from __future__ import annotations

from observer_contracts.catalogue.looking import CRITICAL, HIGH, repository
from observer_contracts.model import Contract, Rule
from observer_contracts.rules import synchronisation

SYNCHRONISATION_RULES: tuple[Rule, ...] = (
    Rule(
        "ARG-001",
        "No synchronisation lies in market hours",
        Contract.CLUSTER,
        HIGH,
        incident="I-21",
        why="Argo CD applies a merge within minutes: in the session that is a cut feed for whoever merges.",
        remedy="Restore the window of deploy/argocd/project.yaml: deny, `30 7 * * 1-5`, 13h10m, Asia/Seoul.",
        look="kubectl -n argocd get appproject observer -o yaml",
        checks=repository(synchronisation.no_sync_while_data_come),
    ),
    Rule(
        "ARG-002",
        "Argo CD hides no difference of what runs",
        Contract.CLUSTER,
        HIGH,
        why="What is ignored is neither shown nor set back: an edit by hand stays, and the page says Synced.",
        remedy="Remove the entry of ignoreDifferences, or narrow it to metadata or status.",
        look="kubectl -n argocd get applications -o jsonpath='{.items[*].spec.ignoreDifferences}'",
        checks=repository(synchronisation.nothing_hidden),
    ),
    Rule(
        "ARG-003",
        "Argo CD applies each deployment's own folder and values, to its own namespace",
        Contract.CLUSTER,
        CRITICAL,
        why="Two Applications that own the same objects prune them for each other, the database included.",
        remedy="Correct the destination, or the folder and the values of the sources.",
        look="kubectl -n argocd get applications -o wide",
        checks=repository(synchronisation.applied_where_it_belongs),
    ),
)
