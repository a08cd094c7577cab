"""Tokens and approval key: what the brokers ask for before they answer.

Invariant: here stand fingerprints and ends, never a secret. KIS is the day's source, so its refusal fails the
step; Kiwoom only stands in, so its refusal is a warning and fails nothing.
"""

# Dagster compares the annotation of `context` itself, so annotations are not postponed here.

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import dagster as dg

from observer_core.brokers.kis.rest import KisRestClient
from observer_core.brokers.kis.tokens import RENEW_AHEAD, TokenState, TokenStore
from observer_core.brokers.kiwoom.rest import KiwoomRestClient
from observer_core.brokers.kiwoom.tokens import RENEW_AHEAD as KIWOOM_RENEW_AHEAD
from observer_core.brokers.kiwoom.tokens import KiwoomTokenState
from observer_core.errors import ExternalError, ObserverError
from observer_pipeline import keys
from observer_pipeline.checks.contract import result_of
from observer_pipeline.checks.credentials import (
    APPROVAL_CHECK,
    KIWOOM_CHECK,
    TOKEN_CHECK,
    broker_refused,
    not_configured,
)
from observer_pipeline.checks.rules.reference import token_valid
from observer_pipeline.declaration import declare
from observer_pipeline.failures import BROKER_RETRIES, failure_of, retried
from observer_pipeline.partitions import ONE_DAY_A_RUN, day_of
from observer_pipeline.resources import Deployment
from observer_pipeline.vocabulary import Group

BROKER_POOL = "kis_rest"
KIWOOM_POOL = "kiwoom_rest"

_Results = Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]


def credential_assets(days: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """Returns the computed assets of the group `broker`."""
    token = dg.multi_asset(
        backfill_policy=ONE_DAY_A_RUN,
        name="kis_access_token",
        specs=[_token_spec(days)],
        check_specs=[TOKEN_CHECK],
        pool=BROKER_POOL,
    )
    approval = dg.multi_asset(
        backfill_policy=ONE_DAY_A_RUN,
        name="kis_approval_key",
        specs=[_approval_spec(days)],
        check_specs=[APPROVAL_CHECK],
        pool=BROKER_POOL,
    )
    kiwoom = dg.multi_asset(
        backfill_policy=ONE_DAY_A_RUN,
        name="kiwoom_access_token",
        specs=[_kiwoom_spec(days)],
        check_specs=[KIWOOM_CHECK],
        pool=KIWOOM_POOL,
    )
    return [token(_refresh_token), approval(_refresh_approval), kiwoom(_refresh_kiwoom)]


def _token_spec(days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return declare(
        keys.ACCESS_TOKEN,
        Group.BROKER,
        "The access token of the app key, in a locked cache file that all processes share; here stand only "
        "the key's fingerprint and the token's end. Right when it outlives the renewal ahead of its end. A "
        "refusal by the broker is shown as an external failure.",
        kinds=("http", "json"),
        deps=(keys.KIS_REST,),
        days=days,
        code_version="1",
    )


def _approval_spec(days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return declare(
        keys.APPROVAL_KEY,
        Group.BROKER,
        "The approval key with which the collector registers on a new websocket connection, in the same "
        "cache file as the token; here stand only the app key's fingerprint and the key's end. Right when it "
        "outlives the renewal ahead of its end.",
        kinds=("http", "json"),
        deps=(keys.KIS_REST,),
        days=days,
        code_version="1",
    )


def _kiwoom_spec(days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return declare(
        keys.KIWOOM_TOKEN,
        Group.BROKER,
        "The access token of Kiwoom's app key, so that the second source of symbols is known to work before "
        "it is needed; here stand only the key's fingerprint and the token's end. Right when the token is "
        "valid. Left out without an account, and where Kiwoom refuses: a warning then says why.",
        kinds=("http", "json"),
        deps=(keys.KIWOOM_REST,),
        days=days,
        code_version="1",
        skippable=True,
    )


def _refresh_token(context: dg.AssetExecutionContext, deployment: Deployment) -> _Results:
    async def ask(tokens: TokenStore) -> TokenState | None:
        await tokens.access_token()
        return tokens.token_state()

    with retried(context, BROKER_RETRIES):
        yield from _refresh_kis(context, deployment, TOKEN_CHECK, ask)


def _refresh_approval(context: dg.AssetExecutionContext, deployment: Deployment) -> _Results:
    async def ask(tokens: TokenStore) -> TokenState | None:
        await tokens.approval_key()
        return tokens.approval_state()

    with retried(context, BROKER_RETRIES):
        yield from _refresh_kis(context, deployment, APPROVAL_CHECK, ask)


def _refresh_kis(
    context: dg.AssetExecutionContext,
    deployment: Deployment,
    check: dg.AssetCheckSpec,
    ask: Callable[[TokenStore], Awaitable[TokenState | None]],
) -> _Results:
    day = day_of(context.partition_key)
    try:
        state = asyncio.run(_ask_kis(deployment, ask))
    except ExternalError as error:
        # Yielded before the failure, so that the check is red with the broker's own code.
        yield broker_refused(check, error, day)
        raise failure_of(error) from error
    except ObserverError as error:
        raise failure_of(error) from error
    verdict = token_valid(state.expires_at, deployment.clock.now(), needed_for=RENEW_AHEAD)
    yield result_of(verdict, check.key, day)
    yield dg.MaterializeResult(
        asset_key=check.asset_key,
        metadata={
            "fingerprint": state.fingerprint,
            "issued_at": dg.MetadataValue.timestamp(state.issued_at),
            "expires_at": dg.MetadataValue.timestamp(state.expires_at),
        },
    )


async def _ask_kis(
    deployment: Deployment, ask: Callable[[TokenStore], Awaitable[TokenState | None]]
) -> TokenState:
    settings = deployment.settings.kis
    async with KisRestClient.connect(settings, deployment.paths.token_cache, deployment.clock) as client:
        state = await ask(client.tokens)
    if state is None:
        raise RuntimeError("The token store gave a token and does not know it.")
    return state


def _refresh_kiwoom(context: dg.AssetExecutionContext, deployment: Deployment) -> _Results:
    day = day_of(context.partition_key)
    if not deployment.kiwoom.is_configured:
        reason = "No Kiwoom account: KIWOOM_APP_KEY and KIWOOM_APP_SECRET are not set."
        context.log.info(reason)
        yield not_configured(KIWOOM_CHECK, reason, day)
        return
    try:
        state = asyncio.run(_ask_kiwoom(deployment))
    except ExternalError as error:
        context.log.warning(f"Kiwoom gave no token: {error}")
        yield broker_refused(KIWOOM_CHECK, error, day)
        return
    except ObserverError as error:
        raise failure_of(error) from error
    verdict = token_valid(state.expires_at, deployment.clock.now(), needed_for=KIWOOM_RENEW_AHEAD)
    yield result_of(verdict, KIWOOM_CHECK.key, day)
    yield dg.MaterializeResult(
        asset_key=keys.KIWOOM_TOKEN,
        metadata={
            "fingerprint": state.fingerprint,
            "expires_at": dg.MetadataValue.timestamp(state.expires_at),
        },
    )


async def _ask_kiwoom(deployment: Deployment) -> KiwoomTokenState:
    path, clock = deployment.paths.token_cache, deployment.clock
    async with KiwoomRestClient.connect(deployment.kiwoom, path, clock) as client:
        await client.tokens.access_token()
        state = client.tokens.state()
    if state is None:
        raise RuntimeError("The token store gave a token and does not know it.")
    return state
