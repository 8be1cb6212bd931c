"""The history of a bundle: the table `training` of its `bundle.toml`, as far as sampling depends on it.

The table is for people, and may be of another version: what cannot be read counts as not said. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from avlink.core.recipe.stages import ONE_WAY, Conditioning, TeacherTable
from avlink.core.sampling import SOUND, SampleConfig

_MAKE_SOUND = {"fusion_joint", *(stage for stage, task in ONE_WAY.items() if task == "v2a")}


def conditioning_of(training: Mapping[str, Any]) -> Conditioning:
    """Return the flow times of the conditioning side that a model was trained for; the paper's if it does not tell."""
    try:
        return Conditioning.model_validate(training.get("conditioning", {}))
    except ValidationError:
        return Conditioning()


def sound_of(training: Mapping[str, Any]) -> SampleConfig:
    """Return settings of sound for pictures: those of a reflow, if it was the last to train a model's Fusion Blocks."""
    config = replace(SOUND, t_condition=conditioning_of(training).t_video)
    for stages in _stages(training):
        if _MAKE_SOUND.isdisjoint(stages):
            continue
        reflow = stages.get("reflow_v2a")
        try:
            return TeacherTable.model_validate(reflow["teacher"]).of_student(config) if reflow else config
        except (KeyError, TypeError, ValidationError):
            return config
    return config


def _stages(training: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the tables of stages, the last training first; of several bundles that one started from, in their order."""
    if not isinstance(training, Mapping):
        return
    stages, before = training.get("stages"), training.get("before")
    if isinstance(stages, Mapping):
        yield stages
    # The weights of a later bundle replace those of an earlier one.
    for one in reversed(before) if isinstance(before, list) else [before]:
        yield from _stages(one)
