"""Learned spotters: folders that `avlink spot --learn` writes, found and read without torch and without their weights.

A folder holds `spotter.toml`, which this module describes, weights in safetensors if it has any, and a card.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from avlink.core.documents import parse_toml
from avlink.core.errors import BundleError
from avlink.core.input_files import read_text
from avlink.core.limits import RECIPE_BYTES
from avlink.core.motion_config import HitHeadConfig, SpotterConfig
from avlink.core.tables import Positive, Table

LEARNED = "learned"
"""The name that learned spotters have among spotters; recipes may name the folder instead."""

FILE = "spotter.toml"
WEIGHTS = "weights.safetensors"
CARD = "CARD.md"


class BuiltInTable(Table):
    """A spotter that is used as it is, or with other times and another threshold."""

    name: str
    late_s: float | None = Field(default=None, ge=-1, le=1)
    """Time by which hits are put later than they are seen; None leaves it to the spotter."""
    min_confidence: float | None = Field(default=None, ge=0, le=1)
    """Least confidence of a hit at a sensitivity of 0.5; None leaves it to the spotter."""


class HeadTable(Table):
    """Heads on a motion stem, whose weights lie in the folder, and the way from their curve to hits."""

    heads: HitHeadConfig
    stem: SpotterConfig
    window_s: float = Field(gt=0)
    """Length of the windows in which the stem reads a clip."""
    late_s: float = Field(ge=-1, le=1)
    """Time by which hits are put later than they are seen."""
    times: float = Field(gt=0)
    """Least height of a hit above its surroundings, in spreads of the clip's curve, at a sensitivity of 0.5."""
    digest: str
    """Digest of the file of weights."""


class LearnedTable(Table):
    """The tables of a learned spotter: it is either one of the built-in ones, or heads."""

    format: Literal[1] = 1
    kind: Literal["spotter"] = "spotter"
    name: str
    licence: str
    built_in: BuiltInTable | None = None
    head: HeadTable | None = None
    training: dict[str, Any] = Field(default_factory=dict)
    """Footage, counts, settings and figures, for people."""
    num_clips: Positive
    """Clips that it has learned from."""

    @model_validator(mode="after")
    def _one_way(self) -> LearnedTable:
        if (self.built_in is None) == (self.head is None):
            raise ValueError("there must be one of built_in and head")
        return self


def learned_folder(name: str) -> Path | None:
    """Return the folder of a learned spotter, given its path; None where there is none."""
    folder = Path(name).expanduser()
    return folder if name and (folder / FILE).is_file() else None


def read_learned(name: str) -> tuple[Path, LearnedTable]:
    """Return the folder of a learned spotter and its tables.

    Raises BundleError where there is none, and for one that is damaged or of another format.
    """
    folder = learned_folder(name)
    if folder is None:
        said = f"there is no learned spotter '{name}'" if name else "no learned spotter is named"
        raise BundleError(f"{said}: give the folder that `avlink spot --learn` has written, which holds {FILE}")
    path = folder / FILE
    table = parse_toml(read_text(path, RECIPE_BYTES, BundleError), path, BundleError)
    if table.get("kind") != "spotter" or table.get("format") != 1:
        raise BundleError(
            f"{path} is no learned spotter of format 1, which this avlink reads; use the version that wrote it"
        )
    try:
        # Through JSON, whose lists pydantic's strict mode takes as tuples; TOML's lists it refuses.
        return folder, LearnedTable.model_validate_json(json.dumps(table))
    except (ValueError, TypeError) as error:
        first = " ".join(str(error).split()[:20])
        raise BundleError(f"{path} cannot be read: {first}; learn it again, or copy the whole folder") from None
