"""Recipes of the kind spot: the spotter, the clips that it sees, and the hits that count."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from avlink.core.recipe.schema import ReadTable, RunRecipe, SelectTable
from avlink.core.tables import Table


class SpotterChoice(Table):
    """The spotter by name, with its options."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


class SpotRecipe(RunRecipe):
    """`kind = "spot"`: marks for the sounding events that are seen in the clips of a timeline or a media file."""

    kind: Literal["spot"] = "spot"
    format: Literal[1] = 1
    read: ReadTable = ReadTable()
    select: SelectTable = SelectTable()
    spotter: SpotterChoice = SpotterChoice(name="motion")
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    """Least confidence of a hit that is marked."""
