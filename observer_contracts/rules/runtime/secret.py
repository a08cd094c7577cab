"""Contract 3 in the container: the credentials arrived, stay private, and the broker's word about them."""

from __future__ import annotations

from collections.abc import Iterator

from observer_contracts.declaration.facts import Declaration
from observer_contracts.evidence.evidence import Evidence
from observer_contracts.evidence.seeing import Unseen
from observer_contracts.model import Finding
from observer_contracts.rules.findings import failed, passed, shown, unknown
from observer_contracts.rules.runtime.seen import external, in_environment, in_file, runtime_of

_PRIVATE = 0o600


def keys_arrived(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-002: the process has every key that it needs, with a value."""
    runtime = runtime_of(evidence)
    for key in declaration.secret.keys:
        if key not in declaration.declared_variables:
            continue
        found = runtime.variables.get(key)
        observed = "not set" if found is None else "empty" if not found.length else f"{found.length} bytes"
        verdict = passed if found is not None and found.length else failed
        yield verdict(runtime.label, f"{key} set and not empty", observed, in_environment(runtime, key))


def token_cache_private(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-011: only the process's own user can read the cached token."""
    runtime = runtime_of(evidence)
    cache = runtime.token_cache
    expected = f"mode {_PRIVATE:04o}"
    if isinstance(cache, Unseen):
        yield unknown("token cache", expected, cache.reason)
    elif cache is None:
        yield passed("token cache", expected, "no token is cached yet")
    else:
        verdict = passed if cache.mode == _PRIVATE else failed
        yield verdict(cache.path, expected, f"mode {cache.mode:04o}", in_file(runtime, cache.path))


def broker_accepts(declaration: Declaration, evidence: Evidence) -> Iterator[Finding]:
    """SEC-010: the broker accepts the app key; its refusal is no violation of ours."""
    runtime = runtime_of(evidence)
    expected = "the broker gives a token for the app key"
    state = runtime.broker
    if isinstance(state, Unseen):
        yield unknown("broker", expected, state.reason)
    elif state.refusal:
        observed = f"{state.refusal} {shown(state.text)}"
        yield external("broker", expected, observed)
    elif state.valid:
        yield passed("broker", expected, f"a token is valid until {state.valid_until}")
    else:
        yield unknown("broker", expected, f"the last token ended at {state.valid_until}")
