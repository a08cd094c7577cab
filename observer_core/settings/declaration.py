"""How a setting is declared, and how the declarations are listed.

Invariant: a field made by `setting` carries its variable's name, layer and description; nothing
else about a variable exists anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import NoDecode

# A tuple is written as text with commas, not as JSON.
Names = Annotated[tuple[str, ...], NoDecode]


class Layer(StrEnum):
    """Who provides a variable in a deployment."""

    CONFIG_MAP = "configmap"
    SECRET = "secret"
    POD = "pod"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable as declared.

    Attributes:
        name: The variable.
        default: Its default as text; empty where the deployment must provide it.
        layer: Who provides it.
        description: What it means, with its unit.
        secret: Whether its value must never be printed.
    """

    name: str
    default: str
    layer: Layer
    description: str
    secret: bool


def setting(name: str, default: Any, description: str, *, layer: Layer = Layer.OPTIONAL, **more: Any) -> Any:
    """Declares a field that is read from the environment variable `name`; no number is infinite or none."""
    if isinstance(default, float):
        more["allow_inf_nan"] = False
    return Field(
        default=default,
        validation_alias=name,
        description=description,
        json_schema_extra={"layer": layer.value},
        **more,
    )


def variables(*models: type[BaseModel]) -> Iterator[Variable]:
    """Yields the variables of the models, in the order of declaration."""
    for model in models:
        for field in model.model_fields.values():
            extra = field.json_schema_extra
            if not isinstance(extra, dict) or not isinstance(field.validation_alias, str):
                continue
            yield Variable(
                name=field.validation_alias,
                default=_text(field.default),
                layer=Layer(str(extra["layer"])),
                description=field.description or "",
                secret=isinstance(field.default, SecretStr),
            )


def _text(default: object) -> str:
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, bool):
        return "1" if default else "0"
    if isinstance(default, tuple):
        return ",".join(str(part) for part in default)
    return "" if default is None else str(default)
