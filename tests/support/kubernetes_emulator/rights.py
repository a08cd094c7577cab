"""What an account may do, from the rules of its roles, as the API server decides it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request in the words of RBAC.

    Attributes:
        verb: `get`, `list`, `delete`.
        group: API group; empty for the core.
        resource: Plural, with its sub-resource: `pods/exec`.
        name: The object's name; empty for a list.
        namespace: Empty for objects of the cluster.
    """

    verb: str
    group: str
    resource: str
    name: str
    namespace: str


@dataclass(frozen=True)
class Rights:
    """The rules of an account.

    Attributes:
        everywhere: Rules of cluster roles.
        by_namespace: Rules of roles, by namespace.
    """

    everywhere: tuple[dict[str, Any], ...] = ()
    by_namespace: tuple[tuple[str, dict[str, Any]], ...] = ()

    @classmethod
    def of(cls, documents: Iterable[dict[str, Any]], *roles: str) -> "Rights":
        """Returns the rights that roles and cluster roles of these names give."""
        named = [found for found in documents if found["metadata"]["name"] in roles]
        cluster = [rule for found in named if found["kind"] == "ClusterRole" for rule in found["rules"]]
        local = [
            (found["metadata"]["namespace"], rule)
            for found in named
            if found["kind"] == "Role"
            for rule in found["rules"]
        ]
        return cls(tuple(cluster), tuple(local))

    def allow(self, request: Request) -> bool:
        """Tells whether a rule allows the request."""
        rules = [*self.everywhere, *(rule for place, rule in self.by_namespace if place == request.namespace)]
        return any(_fits(rule, request) for rule in rules)


def _fits(rule: dict[str, Any], request: Request) -> bool:
    names = rule.get("resourceNames")
    return (
        request.verb in rule["verbs"]
        and request.group in rule["apiGroups"]
        and request.resource in rule["resources"]
        and (not names or request.name in names)
    )
