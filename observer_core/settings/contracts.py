"""Settings of the verification of the execution contracts."""

from __future__ import annotations

from pathlib import Path

from pydantic import field_validator

from observer_core.settings.declaration import Names, setting
from observer_core.settings.group import SettingsGroup


class ContractSettings(SettingsGroup):
    """What `verify_contracts` looks at in this deployment."""

    sources: Names = setting(
        "OBSERVER_CONTRACT_SOURCES",
        ("manifests", "repository"),
        "Evidence that the pipeline looks at: manifests, repository, runtime, live.",
    )
    manifests: Path | None = setting(
        "OBSERVER_CONTRACT_MANIFESTS",
        None,
        "Manifests of the deployment; `deploy/overlays/production` beside the program where empty.",
    )
    repository: Path | None = setting(
        "OBSERVER_CONTRACT_REPOSITORY", None, "Repository that is searched; that of the program where empty."
    )
    parameters: Path | None = setting(
        "OBSERVER_CONTRACT_PARAMETERS", None, "contracts.yaml; that of the repository where empty."
    )

    @field_validator("sources", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("sources", mode="after")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - {"manifests", "repository", "runtime", "live"})
        if unknown:
            raise ValueError(f"unknown evidence: {', '.join(unknown)}")
        return value
