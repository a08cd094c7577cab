"""The rules about runs, network, resources, images, documents and exemptions."""

from __future__ import annotations

from observer_contracts.catalogue.looking import CRITICAL, HIGH, LOW, MEDIUM, manifests, repository
from observer_contracts.helm import pod_needs
from observer_contracts.model import Contract, Rule, Source
from observer_contracts.rules import cluster, dagster_network, document, network, rights, same_contract

PLACEMENT_AND_DOCUMENT_RULES: tuple[Rule, ...] = (
    Rule(
        "RUN-001",
        "Runs and the maintenance pod have the collector's environment, mounts and context",
        Contract.ENVIRONMENT,
        HIGH,
        incident="I-12",
        why="A run that sees another folder or another user writes files that nobody reads, or none at all.",
        remedy="Correct `run_k8s_config` of the run launcher or the CronJob; the rule in brackets says more.",
        look="kubectl -n observer-prod get job -l dagster/run-id -o yaml",
        checks=manifests(same_contract.runs_as_the_collector),
    ),
    Rule(
        "NET-001",
        "The network lets through what is declared",
        Contract.NETWORK,
        HIGH,
        incident="I-20",
        why="The broker listens on 9443 and 21000: a policy that opens 443 only ends collection without an "
        "error of ours.",
        remedy="Add the egress or ingress rule that is named.",
        look="kubectl -n observer-prod get networkpolicy -o yaml",
        checks=manifests(network.policies_fit),
    ),
    Rule(
        "NET-002",
        "The network lets Dagster's pods reach what they need",
        Contract.NETWORK,
        HIGH,
        incident="I-20",
        why="A policy that no longer selects a run or the code location's port stops every run; nothing that "
        "runs already shows it.",
        remedy="Correct the labels or the port that are named.",
        look="kubectl -n observer-prod get networkpolicy -o yaml",
        checks=manifests(dagster_network.dagster_connects),
    ),
    Rule(
        "RES-001",
        "Every container asks for what it needs and is limited in memory",
        Contract.RESOURCE,
        MEDIUM,
        incident="I-33",
        why="On one small node a container without limits takes memory and disk from all others.",
        remedy="Set requests, a memory limit and a limit for ephemeral storage.",
        look="kubectl top pod -n observer-prod",
        checks={
            Source.MANIFESTS: cluster.resources_bounded,
            Source.VALUES: pod_needs.resources_bounded,
        },
    ),
    Rule(
        "IMG-001",
        "Images are fixed and come from the declared repository",
        Contract.IMAGE,
        MEDIUM,
        incident="I-21",
        why="A moving tag starts other code after any restart, inside market hours as well.",
        remedy="Pin a tag that is never moved, better a digest; name another repository in contracts.yaml.",
        look="kubectl -n observer-prod get pods -o jsonpath='{..imageID}'",
        checks=manifests(cluster.images_fixed),
    ),
    Rule(
        "RBAC-001",
        "Rights are narrow",
        Contract.SECURITY,
        HIGH,
        why="A wide role, a shared account or a mounted token turns one broken container into a broken "
        "cluster.",
        remedy="Name verbs and resources, give each workload an account of its own, and set "
        "automountServiceAccountToken: false where the API is not used.",
        look="kubectl -n observer-prod auth can-i --list",
        checks=manifests(rights.rights_are_narrow),
    ),
    Rule(
        "RBAC-002",
        "Dagster's account may start, watch and end runs",
        Contract.SECURITY,
        CRITICAL,
        why="Webserver and daemon look healthy, and every run fails before it begins: the API "
        "refuses its Job.",
        remedy="Restore account, Role and RoleBinding of deploy/base/dagster, and name the account in the "
        "values.",
        look="kubectl -n observer-prod auth can-i create jobs "
        "--as system:serviceaccount:observer-prod:dagster",
        checks={
            Source.MANIFESTS: rights.launcher_may_start_runs,
            Source.VALUES: rights.values_name_the_accounts,
        },
    ),
    Rule(
        "PDB-001",
        "No disruption budget blocks a drain",
        Contract.RESOURCE,
        LOW,
        why="A budget over a single replica keeps the node from being drained, and upgrades hang.",
        remedy="Remove the budget, or let one pod go.",
        look="kubectl -n observer-prod get pdb",
        checks=manifests(cluster.drains_are_possible),
    ),
    Rule(
        "DOC-001",
        "Documents agree with the contract",
        Contract.DOCUMENT,
        MEDIUM,
        cf="CF-6",
        incident="I-18",
        why="Whoever follows the document mounts a folder that no program uses.",
        remedy="Correct the line, or refer to docs/contracts.md, which is generated.",
        look="grep -rn /opt/platform docs",
        checks=repository(document.documents_agree),
    ),
    Rule(
        "EXM-001",
        "Exemptions are used and have not expired",
        Contract.EXEMPTION,
        MEDIUM,
        why="An exemption that nobody needs any more hides the next violation.",
        remedy="Remove the exemption, or renew it with a new reason and end.",
        look="cat contracts.yaml",
        checks={},
    ),
)
