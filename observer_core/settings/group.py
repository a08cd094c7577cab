"""How a group of settings is read.

Invariant: a value that its field does not accept is told by its variable's name, and a secret never is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from observer_core.errors import ConfigurationError


class SettingsGroup(BaseSettings):
    """A group of settings that one program reads from its environment."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        env_ignore_empty=True,
        # A validation error would print the value it refuses, and that may be a secret.
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Reads the group from the environment.

        Args:
            environment: The variables; the process's own where None.

        Raises:
            ConfigurationError: A variable has a value that its field does not accept.
        """
        source = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for field in cls.model_fields.values():
            name = field.validation_alias
            if isinstance(name, str) and source.get(name, "") != "":
                values[name] = source[name]
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = str(first["loc"][0]) if first["loc"] else cls.__name__
            secret = isinstance(_default_of(cls, name), SecretStr)
            shown = "a secret" if secret else repr(source.get(name, ""))
            raise ConfigurationError(
                f"Environment variable {name} is {shown}: {first['msg']}.",
                remedy=f"Correct {name}; `.env.example` describes it.",
            ) from None


def _default_of(model: type[SettingsGroup], variable: str) -> Any:
    for field in model.model_fields.values():
        if field.validation_alias == variable:
            return field.default
    return None
