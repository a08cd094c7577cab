"""What the stack asks of Dagster, through the same API as its web page.

Invariant: a run is asked for by job and partition and never twice at once; what Dagster answers is
turned into the values below, and an answer of another kind is an error that quotes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import httpx

from observer_core.errors import ExternalError, NetworkError

LOCATION = "observer"
_REPOSITORY = "__repository__"
_PAGE = 1000
_SECONDS = 60.0

_LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PythonError { message }
    ... on PipelineNotFoundError { message }
    ... on UnauthorizedError { message }
  }
}"""
_RUN = """
query Run($id: ID!) {
  runOrError(runId: $id) {
    __typename
    ... on Run { status }
    ... on RunNotFoundError { message }
    ... on PythonError { message }
  }
}"""
_RUNS = """
query Runs($limit: Int!) {
  runsOrError(limit: $limit) {
    __typename
    ... on Runs { results { runId status jobName tags { key value } } }
    ... on PythonError { message }
  }
}"""
_UNFINISHED = """
query Unfinished {
  runsOrError(filter: { statuses: [QUEUED, NOT_STARTED, STARTING, STARTED, CANCELING] }) {
    __typename
    ... on Runs { results { runId } }
    ... on PythonError { message }
  }
}"""
_ABANDON = """
mutation Abandon($ids: [String!]!) {
  terminateRuns(runIds: $ids, terminatePolicy: MARK_AS_CANCELED_IMMEDIATELY) {
    __typename
    ... on TerminateRunsResult { terminateRunResults { __typename } }
    ... on PythonError { message }
  }
}"""
_EVENTS = """
query Events($id: ID!, $after: String, $limit: Int!) {
  logsForRun(runId: $id, afterCursor: $after, limit: $limit) {
    __typename
    ... on EventConnection {
      cursor
      hasMore
      events {
        __typename
        ... on ExecutionStepFailureEvent { stepKey error { message causes { message } } }
        ... on RunFailureEvent { message error { message } }
        ... on AssetCheckEvaluationEvent {
          evaluation { checkName success severity description assetKey { path } }
        }
      }
    }
    ... on RunNotFoundError { message }
    ... on PythonError { message }
  }
}"""
_LOCATIONS = """
{
  workspaceOrError {
    __typename
    ... on Workspace {
      locationEntries {
        loadStatus
        locationOrLoadError { __typename ... on PythonError { message } }
      }
    }
    ... on PythonError { message }
  }
}"""


class RunStatus(StrEnum):
    """Dagster's states of a run, as far as they differ for us."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"
    CANCELED = "canceled"


_STATUS = {
    "SUCCESS": RunStatus.SUCCESS,
    "FAILURE": RunStatus.FAILURE,
    "CANCELED": RunStatus.CANCELED,
    "QUEUED": RunStatus.WAITING,
    "NOT_STARTED": RunStatus.WAITING,
}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One evaluation of an asset check."""

    asset: str
    check: str
    passed: bool
    severity: str
    description: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as Dagster lists it."""

    run_id: str
    job: str
    status: RunStatus
    partition: str


class DagsterClient:
    """The GraphQL API of a Dagster webserver.

    Args:
        address: Such as `http://127.0.0.1:3000`.
        client: The HTTP client; its owner closes it.
    """

    def __init__(self, address: str, client: httpx.AsyncClient) -> None:
        self.address = address
        self._client = client

    async def is_loaded(self) -> bool:
        """Returns whether the webserver answers and has loaded the code location.

        Raises:
            ExternalError: The code location cannot be loaded; the message says why.
        """
        try:
            answer = await self._ask(_LOCATIONS, {}, "workspaceOrError", "Workspace")
        except NetworkError:
            return False
        entries = answer["locationEntries"]
        loaded = [entry["locationOrLoadError"] for entry in entries if entry["loadStatus"] == "LOADED"]
        for location in loaded:
            # The code server may still be starting; the webserver asks it again by itself.
            failed = location and location["__typename"] == "PythonError"
            if failed and "UNAVAILABLE" not in location["message"]:
                raise ExternalError(f"Dagster cannot load the code location: {location['message']}")
        return bool(loaded) and all(one and one["__typename"] == "RepositoryLocation" for one in loaded)

    async def launch(self, job: str, *, partition: str, tags: Mapping[str, str] | None = None) -> str:
        """Requests a run of a job for one partition.

        Returns:
            The run's id.

        Raises:
            ExternalError: Dagster does not accept the request.
        """
        all_tags = {"dagster/partition": partition, **(tags or {})}
        params = {
            "selector": {
                "repositoryLocationName": LOCATION,
                "repositoryName": _REPOSITORY,
                "jobName": job,
            },
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in all_tags.items()]},
        }
        answer = await self._ask(_LAUNCH, {"params": params}, "launchRun", "LaunchRunSuccess")
        run_id: str = answer["run"]["runId"]
        return run_id

    async def status(self, run_id: str) -> RunStatus:
        """Returns the state of a run."""
        answer = await self._ask(_RUN, {"id": run_id}, "runOrError", "Run")
        return _STATUS.get(answer["status"], RunStatus.RUNNING)

    async def runs(self, limit: int = _PAGE) -> list[RunRecord]:
        """Returns the newest runs, newest first."""
        answer = await self._ask(_RUNS, {"limit": limit}, "runsOrError", "Runs")
        return [
            RunRecord(
                run["runId"],
                run["jobName"],
                _STATUS.get(run["status"], RunStatus.RUNNING),
                next((tag["value"] for tag in run["tags"] if tag["key"] == "dagster/partition"), ""),
            )
            for run in answer["results"]
        ]

    async def abandon_unfinished(self) -> int:
        """Marks the runs as canceled whose processes ended with an earlier stack; nobody else would.

        Returns:
            How many there were.
        """
        answer = await self._ask(_UNFINISHED, {}, "runsOrError", "Runs")
        ids = [run["runId"] for run in answer["results"]]
        if ids:
            await self._ask(_ABANDON, {"ids": ids}, "terminateRuns", "TerminateRunsResult")
        return len(ids)

    async def failure(self, run_id: str) -> str:
        """Returns why a run failed: each failed step with its innermost message."""
        reasons = []
        for event in await self._events(run_id):
            error = event.get("error")
            if event["__typename"] == "ExecutionStepFailureEvent" and error:
                innermost = error["causes"][-1] if error["causes"] else error
                reasons.append(f"{event['stepKey']}: {innermost['message'].strip()}")
            elif event["__typename"] == "RunFailureEvent" and not reasons:
                reasons.append((error or event)["message"].strip())
        return "; ".join(reasons) or "Dagster recorded no reason."

    async def event_count(self, run_id: str) -> int:
        """Returns how many events a run has told so far."""
        return len(await self._events(run_id))

    async def checks(self, run_id: str) -> list[CheckResult]:
        """Returns the evaluations of asset checks in a run, in their order."""
        return [
            CheckResult(
                "/".join(found["assetKey"]["path"]),
                found["checkName"],
                found["success"],
                found["severity"],
                found["description"] or "",
            )
            for event in await self._events(run_id)
            if event["__typename"] == "AssetCheckEvaluationEvent" and (found := event["evaluation"])
        ]

    async def _events(self, run_id: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            variables = {"id": run_id, "after": cursor, "limit": _PAGE}
            answer = await self._ask(_EVENTS, variables, "logsForRun", "EventConnection")
            events += answer["events"]
            cursor = answer["cursor"]
            if not answer["hasMore"]:
                return events

    async def _ask(self, query: str, variables: dict[str, Any], field: str, expected: str) -> dict[str, Any]:
        try:
            response = await self._client.post(
                f"{self.address}/graphql", json={"query": query, "variables": variables}, timeout=_SECONDS
            )
        except httpx.TransportError as error:
            raise NetworkError(f"The Dagster webserver {self.address} does not answer: {error!r}.") from error
        if response.status_code != httpx.codes.OK:
            raise ExternalError(
                f"The Dagster webserver answered {response.status_code}: {response.text[:500]}"
            )
        body = response.json()
        answer = (body.get("data") or {}).get(field)
        if body.get("errors") or not answer or answer["__typename"] != expected:
            raise ExternalError(f"Dagster refused {field}: {body.get('errors') or answer}")
        found: dict[str, Any] = answer
        return found
