"""How an error of the kernel ends a Dagster step.

Invariant: the class of the error alone decides whether the step is tried again, and the failure shows
whose fault it is, so that a refusal by the broker is never read as a violation of our own contracts.
Retries happen at this one level, and for assets that ask a remote side: what is computed from our own files
fails the same way each time. Run retries are for lost processes only.

No asset declares a policy of retries (docs/decisions/0042-an-interrupted-step-is-not-retried.md): Dagster
takes SIGTERM for a failure that the policy covers, and the run goes on until it is killed.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import dagster as dg

from observer_core import errors
from observer_core.errors import (
    BrokerError,
    BrokerRetryableError,
    ConfigurationError,
    ConservationError,
    DatabaseUnavailableError,
    DiskFullError,
    ExternalError,
    InputError,
    NetworkError,
    ObserverError,
    StaleListError,
    StorageError,
)
from observer_core.logs import redact

# After 35 and 105 seconds: the broker gives out one token a minute, so the second one is sure to ask anew.
BROKER_RETRIES = dg.RetryPolicy(max_retries=2, delay=35, backoff=dg.Backoff.LINEAR)
# After 90, 270 and 540 seconds: what is taken instead of the broker's list stands for the whole day.
SOURCE_RETRIES = dg.RetryPolicy(max_retries=3, delay=90, backoff=dg.Backoff.LINEAR)
# A server that restarts is back within seconds; a longer outage is caught up by the next run.
DATABASE_RETRIES = dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL)


class Cause(StrEnum):
    """Whose fault a failure is."""

    BROKER = "external: broker"
    NETWORK = "external: network"
    DATABASE = "external: database"
    EXTERNAL = "external"
    CONFIGURATION = "configuration"
    INPUT = "unreadable input"
    STORAGE = "storage"
    CONSERVATION = "rows lost or doubled"
    PROGRAM = "program"


_CAUSES: tuple[tuple[type[BaseException], Cause], ...] = (
    (BrokerError, Cause.BROKER),
    (StaleListError, Cause.BROKER),
    (NetworkError, Cause.NETWORK),
    (DatabaseUnavailableError, Cause.DATABASE),
    (ExternalError, Cause.EXTERNAL),
    (ConfigurationError, Cause.CONFIGURATION),
    (InputError, Cause.INPUT),
    (StorageError, Cause.STORAGE),
    (ConservationError, Cause.CONSERVATION),
)
_PASSING = (NetworkError, BrokerRetryableError, StaleListError, DatabaseUnavailableError)


def cause_of(error: BaseException) -> Cause:
    """Returns whose fault an error is."""
    return _cause_of_kind(type(error))


def cause_named(class_name: str) -> Cause | None:
    """Returns whose fault an error of the kernel is, by the name of its class; None of any other class."""
    kind = getattr(errors, class_name, None)
    return _cause_of_kind(kind) if isinstance(kind, type) and issubclass(kind, ObserverError) else None


def _cause_of_kind(kind: type[BaseException]) -> Cause:
    return next((cause for parent, cause in _CAUSES if issubclass(kind, parent)), Cause.PROGRAM)


def is_passing(error: BaseException) -> bool:
    """Returns whether another attempt may succeed though nobody does anything."""
    return isinstance(error, _PASSING)


def describe(error: BaseException) -> dict[str, dg.MetadataValue]:
    """Returns what an operator needs to know about an error, without secrets."""
    shown: dict[str, dg.MetadataValue] = {
        "cause": dg.MetadataValue.text(cause_of(error).value),
        "error": dg.MetadataValue.text(f"{type(error).__name__}: {redact(str(error))}"),
    }
    if isinstance(error, ObserverError) and error.remedy:
        shown["remedy"] = dg.MetadataValue.text(error.remedy)
    if isinstance(error, BrokerError):
        shown["broker_code"] = dg.MetadataValue.text(error.code)
    return shown


def failure_of(error: ObserverError) -> dg.Failure:
    """Returns the failure that ends a step because of an error."""
    return dg.Failure(
        description=redact(str(error)),
        metadata=describe(error),
        allow_retries=is_passing(error),
    )


def _of_the_disk(error: OSError) -> StorageError:
    """Returns what the disk's refusal means to an operator; nothing was published by halves."""
    place = error.filename or "The data volume"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"{place}: no space is left.",
            remedy="Free space or enlarge the volume; the next run does again what is not finished.",
        )
    return StorageError(f"{place}: {error.strerror or error}.", remedy="Check the data volume.")


@contextmanager
def retried(context: dg.AssetExecutionContext, retries: dg.RetryPolicy) -> Iterator[None]:
    """Asks Dagster for another attempt at the step after a failure that may pass."""
    try:
        yield
    except dg.Failure as failure:
        if not failure.allow_retries:
            raise
        pause = retries.calculate_delay(context.retry_number + 1)
        raise dg.RetryRequested(retries.max_retries, pause) from failure


@contextmanager
def typed_failures() -> Iterator[None]:
    """Turns the kernel's errors and the disk's into failures; anything else is a bug and passes as it is."""
    try:
        yield
    except ObserverError as error:
        raise failure_of(error) from error
    except OSError as error:
        raise failure_of(_of_the_disk(error)) from error
