"""Rights: no account has more than it uses, and none that starts others lacks what it needs.

Invariant: the account `default` is nobody's own: whoever runs as it, or gives it rights, shares them with
every pod that names none.
"""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration import dagster
from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.manifests import Manifests
from observer_contracts.evidence.objects import KubernetesObject, text_at
from observer_contracts.evidence.workloads import Workload
from observer_contracts.helm.charts import Chart
from observer_contracts.helm.values import HelmValues, Layered
from observer_contracts.model import Finding
from observer_contracts.rules.findings import candidates, failed, passed, shown, warned

_SECRET_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection", "*"})
_SHARED = "default"


def rights_are_narrow(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """RBAC-001: no role is wide, each workload has its own account, and a token only where it is used."""
    if evidence.manifests is None:
        return
    for role in evidence.manifests.of("Role", "ClusterRole"):
        wide = [place for place, rule in role.items("rules") if _too_wide(rule)]
        expected = "named verbs and resources, Secrets read-only"
        for place in wide:
            yield failed(role.label, expected, "too wide", role.where(*place))
        if not wide:
            yield passed(role.label, expected, "narrow", role.where("rules"))
    for binding in evidence.manifests.of("RoleBinding", "ClusterRoleBinding"):
        if binding.text("roleRef", "name") in ("cluster-admin", "admin", "edit"):
            yield failed(
                binding.label, "a role of its own", binding.text("roleRef", "name"), binding.where("roleRef")
            )
    yield from _subjects_there(evidence.manifests)
    by_hand = evidence.workload(declaration.writer.maintenance)
    if by_hand is not None:
        yield from _account_there(evidence.manifests, by_hand)
    for fact in declaration.workloads:
        workload = evidence.workload(fact.name)
        if workload is None:
            continue
        yield from _account_there(evidence.manifests, workload)
        yield _token(evidence.manifests, workload)


def _token(manifests: Manifests, workload: Workload) -> Finding:
    account = manifests.find("ServiceAccount", text_at(workload.pod, "serviceAccountName"))
    found = workload.pod.get("automountServiceAccountToken")
    if found is None and account is not None:
        found = account.fields.get("automountServiceAccountToken")
    verdict = passed if found is False else warned
    observed = "no token" if found is False else "the token of its account is mounted"
    where = workload.where("automountServiceAccountToken")
    return verdict(workload.label, "automountServiceAccountToken: false", observed, where)


def _subjects_there(manifests: Manifests) -> Iterator[Finding]:
    """A binding to an account that is not there gives its rights to whoever makes it later."""
    accounts = [found.name for found in manifests.of("ServiceAccount")]
    for binding in manifests.of("RoleBinding") if accounts else []:
        for place, subject in binding.items("subjects"):
            name, namespace = text_at(subject, "name"), text_at(subject, "namespace")
            own = namespace in ("", binding.namespace) and text_at(subject, "kind") == "ServiceAccount"
            where = binding.where(*place)
            if own and name == _SHARED:
                observed = f"{shown(name)}: every pod without an account has these rights"
                yield failed(binding.label, "an account of its own", observed, where)
            elif own and name not in accounts:
                observed = f"no such account. {candidates(name, accounts)}".strip()
                yield failed(binding.label, f"a ServiceAccount {name}", observed, where)


def _account_there(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    """The API server refuses a pod whose account does not exist; where none is made, none is asked for."""
    name = text_at(workload.pod, "serviceAccountName")
    accounts = [found.name for found in manifests.of("ServiceAccount")]
    where = workload.where("serviceAccountName")
    if name in ("", _SHARED):
        if accounts:
            observed = f"{shown(name) if name else 'not set'}: the account that every pod shares"
            remedy = f"Set serviceAccountName. {candidates(workload.name, accounts)}".strip()
            yield failed(workload.label, "a ServiceAccount of its own", observed, where, remedy=remedy)
        return
    if name == dagster.CONTROL_ACCOUNT:
        observed = f"{shown(name)}, which starts Jobs with any image and any volume"
        yield failed(workload.label, "an account without the launcher's rights", observed, where)
        return
    hint = "there" if name in accounts else f"no such account. {candidates(name, accounts)}".strip()
    yield (passed if name in accounts else failed)(workload.label, f"a ServiceAccount {name}", hint, where)


def _too_wide(rule: dict[str, object]) -> bool:
    named, on = _words(rule, "verbs"), _words(rule, "resources")
    return "*" in named or "*" in on or ("secrets" in on and bool(named & _SECRET_WRITES))


def _words(rule: dict[str, object], key: str) -> set[str]:
    words = rule.get(key)
    return {str(word) for word in words} if isinstance(words, list) else set()


def launcher_may_start_runs(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """RBAC-002: the account of Dagster's webserver and daemon may start runs, watch them and end them."""
    manifests = evidence.manifests
    account = manifests.find("ServiceAccount", dagster.CONTROL_ACCOUNT) if manifests else None
    if manifests is None or account is None:
        return
    bindings = [found for found in manifests.of("RoleBinding") if _binds(found, account)]
    names = [found.text("roleRef", "name") for found in bindings if found.text("roleRef", "kind") == "Role"]
    roles = [role for role in manifests.of("Role") if role.name in names]
    rules = [rule for role in roles for _, rule in role.items("rules")]
    missing = [
        f"{verb} {resource}"
        for group, resource, verbs in dagster.LAUNCHER_RIGHTS
        for verb in verbs
        if not any(_allows(rule, group, resource, verb) for rule in rules)
    ]
    expected = f"a Role bound to {account.label} with which runs are started, watched and ended"
    where = roles[0].where("rules") if roles else account.where("metadata")
    if not missing:
        yield passed(account.label, expected, ", ".join(role.label for role in roles), where)
    elif not roles:
        observed = "no Role is bound to it: no run starts"
        yield failed(
            account.label, expected, observed, where, remedy="Bind the Role of deploy/base/dagster to it."
        )
    else:
        observed = f"{', '.join(role.label for role in roles)} lacks {', '.join(missing)}"
        yield failed(
            account.label, expected, observed, where, remedy="Add the verbs that are named to the Role."
        )


def _binds(binding: KubernetesObject, account: KubernetesObject) -> bool:
    return any(
        text_at(subject, "kind") == "ServiceAccount"
        and text_at(subject, "name") == account.name
        and text_at(subject, "namespace") in ("", binding.namespace, account.namespace)
        for _, subject in binding.items("subjects")
    )


def _allows(rule: dict[str, object], group: str, resource: str, verb: str) -> bool:
    wanted = (("apiGroups", group), ("resources", resource), ("verbs", verb))
    narrowed = bool(rule.get("resourceNames"))
    return not narrowed and all(_words(rule, key) & {word, "*"} for key, word in wanted)


def values_name_the_accounts(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """RBAC-002: the values give webserver and daemon the account with rights, and the code one without."""
    values: HelmValues | None = evidence.values
    wanted = {Chart.SYSTEM: dagster.CONTROL_ACCOUNT, Chart.CODE: dagster.RUN_ACCOUNT}
    for layered in values.charts if values else ():
        yield _named_account(layered, wanted[layered.chart])


def _named_account(layered: Layered, wanted: str) -> Finding:
    place = ("global", "serviceAccountName")
    if not layered.at(*place):
        place = ("serviceAccount", "name")
    found, where, expected = layered.at(*place), layered.where(*place), f"{'.'.join(place)}: {wanted}"
    if found == wanted:
        return passed(str(layered.chart), expected, "as declared", where)
    observed = shown(str(found)) if found else "not set: an account that the chart names after the release"
    remedy = f"Name {wanted}, which deploy/base/dagster/accounts.yaml makes."
    return failed(str(layered.chart), expected, observed, where, remedy=remedy)
