"""A real Prometheus (Debian's package) with the component's rules, at the speed of a virtual day."""

import asyncio
import subprocess
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml
from monitoring_rules import rule_file

from observer.stack.ports import ephemeral

_SCRAPE = "500ms"
_EVALUATE = "150ms"


class PrometheusServer:
    """One Prometheus; an asynchronous context manager.

    Args:
        program: Path of `prometheus`.
        folder: Its files.
        ports: Where collectors listen on this machine.
        speed: How many times as fast the market runs.
    """

    def __init__(self, program: str, folder: Path, *, ports: Sequence[int], speed: int) -> None:
        self._program, self._folder = program, folder
        self._port = ephemeral()[0]
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        rule_file(folder / "rules.yaml", scale=speed)
        (folder / "prometheus.yaml").write_text(
            yaml.safe_dump(
                {
                    "global": {
                        "scrape_interval": _SCRAPE,
                        "scrape_timeout": _SCRAPE,
                        "evaluation_interval": _EVALUATE,
                    },
                    "rule_files": ["rules.yaml"],
                    "scrape_configs": [
                        {
                            "job_name": "observer-collector",
                            # The label of each target that a ServiceMonitor finds.
                            "static_configs": [
                                {
                                    "targets": [f"127.0.0.1:{port}" for port in ports],
                                    "labels": {"namespace": "observer-prod"},
                                }
                            ],
                        }
                    ],
                }
            )
        )

    async def __aenter__(self) -> Self:
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    f"--config.file={self._folder / 'prometheus.yaml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                    "--log.level=warn",
                ],
                stdout=log,
                stderr=log,
            )
        while True:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            try:
                async with aiohttp.ClientSession() as http, http.get(self._address("/-/ready")) as answer:
                    if answer.status == 200:
                        return self
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        await asyncio.to_thread(self._process.wait)

    async def firing(self) -> set[str]:
        """Returns the names of the alerts that fire now."""
        return await self._names('ALERTS{alertstate="firing"}')

    async def fired(self) -> set[str]:
        """Returns the names of the alerts that have fired at any time."""
        return await self._names('max_over_time(ALERTS{alertstate="firing"}[1h])')

    async def value(self, expression: str) -> float | None:
        """Returns the value of an expression; None where it has none, or several."""
        found = await self._query(expression)
        return float(found[0]["value"][1]) if len(found) == 1 else None

    async def until_value(self, expression: str, value: float) -> None:
        """Returns once an expression has a value."""
        while await self.value(expression) != value:
            await asyncio.sleep(0.1)

    async def until_firing(self, *names: str) -> None:
        """Returns once all of these fire."""
        while not set(names) <= await self.firing():
            await asyncio.sleep(0.1)

    async def until_quiet(self, *, but: Set[str] = frozenset()) -> None:
        """Returns once nothing fires but what is named."""
        while await self.firing() - but:
            await asyncio.sleep(0.1)

    async def _names(self, expression: str) -> set[str]:
        return {found["metric"]["alertname"] for found in await self._query(expression)}

    async def _query(self, expression: str) -> list[dict[str, Any]]:
        async with (
            aiohttp.ClientSession() as http,
            http.get(self._address("/api/v1/query"), params={"query": expression}) as answer,
        ):
            body = await answer.json()
        assert body["status"] == "success", body
        found: list[dict[str, Any]] = body["data"]["result"]
        return found

    def _address(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"
