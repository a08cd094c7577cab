"""The words of the contracts: severities, states, evidence, findings and rules.

Invariant: everything here is immutable, and nothing here can hold the value of a secret: a location
names a file, a line, an object and a field, never what stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from observer_contracts.declaration.facts import Declaration
    from observer_contracts.evidence.evidence import Evidence


class Severity(StrEnum):
    """How much a broken rule costs, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Status(StrEnum):
    """The answer of a rule about one object, worst first.

    `UNKNOWN` means that there is no evidence, and is never green. `EXTERNAL` means that the broker
    or the network failed, which is no violation of ours.
    """

    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    WARN = "WARN"
    EXTERNAL = "EXTERNAL"
    EXEMPT = "EXEMPT"
    PASS = "PASS"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Status).index(self)


class Source(StrEnum):
    """Where evidence comes from."""

    MANIFESTS = "manifests"
    REPOSITORY = "repository"
    RUNTIME = "runtime"
    LIVE = "live"
    VALUES = "helm-values"
    CONFIGURATION = "configuration"


class Contract(StrEnum):
    """The groups of the catalogue; the first four are the specification's immutable contracts."""

    PATH = "path"
    DATABASE = "database"
    SECRET = "secret"
    SECURITY = "security"
    ENVIRONMENT = "environment"
    VOLUME = "volume"
    SERVICE = "service"
    PROBE = "probe"
    NETWORK = "network"
    RESOURCE = "resource"
    IMAGE = "image"
    RENDERING = "rendering"
    CLUSTER = "cluster"
    SOURCE_CODE = "source-code"
    DOCUMENT = "document"
    EXTERNAL = "external"
    EXEMPTION = "exemption"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a piece of evidence was seen.

    Attributes:
        source: The kind of evidence.
        file: The file as it was given or found; empty where there is none.
        line: The line, counted from 1; None where it is not known.
        object: The object as `Kind/name`, a commit or a process.
        field: The field inside of it.
    """

    source: Source
    file: str = ""
    line: int | None = None
    object: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says about one object.

    Attributes:
        status: The answer.
        object: What the answer is about: `Kind/name`, a file, a path.
        expected: What the contract asks for.
        observed: What there is.
        evidence: Where it was seen.
        remedy: What to do, where that is more exact than the rule's own remedy.
    """

    status: Status
    object: str
    expected: str
    observed: str
    evidence: tuple[Location, ...] = ()
    remedy: str = ""


Check = Callable[["Declaration", "Evidence"], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the catalogue.

    Attributes:
        id: Its name for ever.
        title: What holds when the rule passes.
        contract: The contract that it belongs to.
        severity: What a violation costs.
        cf: The specification's critical finding it stands for, such as `CF-1`.
        incident: The incident it prevents, such as `I-12`.
        why: What happens in operation when it is broken.
        remedy: What to do.
        look: A command that shows the fact to a person.
        checks: The pure function of each source of evidence.
        severity_in_the_pod: What a violation costs the running container, where that is less: the collector
            records without what it only loads into.
    """

    id: str
    title: str
    contract: Contract
    severity: Severity
    why: str
    remedy: str
    look: str
    checks: Mapping[Source, Check] = field(repr=False, compare=False)
    cf: str | None = None
    incident: str | None = None
    severity_in_the_pod: Severity | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A finding together with the rule that made it.

    Attributes:
        source: The kind of evidence that was looked at; of two equal findings one is kept.
    """

    rule: Rule
    finding: Finding
    source: Source = field(default=Source.CONFIGURATION, compare=False)

    @property
    def status(self) -> Status:
        return self.finding.status

    @property
    def severity(self) -> Severity:
        """What the violation costs where it was seen."""
        own = self.rule.severity_in_the_pod if self.source is Source.RUNTIME else None
        return own or self.rule.severity

    @property
    def remedy(self) -> str:
        return self.finding.remedy or self.rule.remedy

    @property
    def order(self) -> tuple[int, int, str, str]:
        """Sorts the worst first."""
        return (self.status.rank, self.severity.rank, self.rule.id, self.finding.object)
