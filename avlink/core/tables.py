"""The base of all tables of recipes and bundles. Imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Ints = Annotated[tuple[Positive, ...], Field(strict=False)]


class Table(BaseModel):
    """Base of all tables of recipes and bundles: frozen, without unknown keys and without coercion of values."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def kind_of(value: object) -> object:
    """Return the `kind` of a table, whether it is built yet or not; None where it has none."""
    return value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
