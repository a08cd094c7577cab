"""Contract 2 in the container: the database has the declared address, answers, and has its tables."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.runtime.observations import (
    Contact,
    Reach,
    Runtime,
    Session,
    SessionState,
)
from observer_contracts.evidence.seeing import Unseen
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, unknown
from observer_contracts.rules.runtime.seen import external, in_environment, runtime_of

_LATE = "The collector records without it, and loads catch up; see the pod and the log of the database."


def host_resolves(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """DB-001: DB_HOST is the declared Service, and its name resolves."""
    runtime, fact = runtime_of(evidence), declaration.database
    yield from _value(runtime, fact.host_variable, fact.host)
    contact, expected = runtime.database, f"the name {fact.host} resolves"
    where = in_environment(runtime, fact.host_variable)
    if isinstance(contact, Unseen):
        yield unknown(fact.host, expected, contact.reason, where)
    elif contact.host != fact.host:
        yield unknown(fact.host, expected, f"{shown(contact.host)} is asked for instead", where)
    elif contact.reach is Reach.NO_SUCH_NAME:
        yield failed(contact.host, expected, str(contact.reach), where)
    elif contact.reach is Reach.NAME_UNANSWERED:
        yield external(contact.host, expected, str(contact.reach), where, remedy="See the cluster's CoreDNS.")
    else:
        yield passed(contact.host, expected, "it does", where)


def _value(runtime: Runtime, variable: str, wanted: str) -> Iterator[Finding]:
    found = runtime.text(variable)
    if found:
        verdict = passed if found.strip() == wanted else failed
        where = in_environment(runtime, variable)
        yield verdict(runtime.label, f"{variable} = {wanted}", shown(found), where)


def server_answers(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """DB-002: the declared port answers, a session opens, and the server has the declared version."""
    runtime, fact = runtime_of(evidence), declaration.database
    yield from _value(runtime, fact.port_variable, str(fact.port))
    contact, session = runtime.database, runtime.session
    where = in_environment(runtime, fact.port_variable)
    about, expected = f"{fact.host}:{fact.port}", "PostgreSQL answers there"
    if isinstance(contact, Unseen):
        yield unknown(about, expected, contact.reason, where)
    elif contact.reach in (Reach.NO_SUCH_NAME, Reach.NAME_UNANSWERED):
        yield unknown(about, expected, f"{contact.reach} (DB-001)", where)
    elif contact.reach is not Reach.REACHED:
        yield external(_address(contact), expected, str(contact.reach), where, remedy=_LATE)
    else:
        yield passed(_address(contact), expected, "the port is open", where)
        yield _session(session, contact, fact.major_version)


def _address(contact: Contact) -> str:
    return f"{contact.host}:{contact.port}"


def _session(session: Session | Unseen, contact: Contact, major: str) -> Finding:
    about, expected = _address(contact), f"a session of PostgreSQL {major} answers `select 1`"
    if isinstance(session, Unseen):
        return unknown(about, expected, session.reason)
    if session.state is SessionState.LOGIN_REFUSED:
        remedy = "Compare DB_USER and DB_PASSWORD with the role in the database; seal them again."
        return failed(about, expected, str(session.state), remedy=remedy)
    if session.state is SessionState.NO_DATABASE:
        return unknown(about, expected, f"{session.state} (DB-003)")
    if session.state is not SessionState.OPEN:
        return external(about, expected, str(session.state), remedy=_LATE)
    right = session.answered and str(session.major_version) == major
    return (passed if right else failed)(about, expected, f"PostgreSQL {session.major_version}")


def tables_are_there(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """DB-003: DB_NAME is the declared database, it exists, and its migrations have run."""
    runtime, fact = runtime_of(evidence), declaration.database
    yield from _value(runtime, fact.name_variable, fact.name)
    session = runtime.session
    about, expected = f"database {fact.name}", f"migrations up to {fact.migration}"
    where = in_environment(runtime, fact.name_variable)
    if isinstance(session, Unseen):
        yield unknown(about, expected, session.reason, where)
    elif session.state is SessionState.NO_DATABASE:
        yield failed(about, "it exists", str(session.state), where)
    elif session.state is not SessionState.OPEN:
        yield unknown(about, expected, f"{session.state} (DB-002)", where)
    elif isinstance(session.migrations, Unseen):
        yield unknown(about, expected, session.migrations.reason, where)
    elif fact.migration in session.migrations:
        yield passed(about, expected, "all there", where)
    else:
        found = ", ".join(shown(version) for version in session.migrations) or "none"
        remedy = "Run any job of the pipeline: each one brings the schema up to date before it loads."
        yield failed(about, expected, f"migrations: {found}", where, remedy=remedy)
