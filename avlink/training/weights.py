"""What finished stages leave behind: the averaged weights of each component, by stage."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from avlink.core.recipe.stages import STAGES


def save_stage(folder: Path, stage: str, weights: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Keep the whole weights of the components that `stage` trained."""
    place = folder / "weights"
    place.mkdir(parents=True, exist_ok=True)
    for name, state in weights.items():
        hidden = place / f".{stage}.{name}.{os.getpid()}"
        save_file(dict(state), hidden)
        os.replace(hidden, place / f"{stage}.{name}.safetensors")


def load_before(folder: Path, stage: str | None, modules: dict[str, nn.Module]) -> set[str]:
    """Load into `modules` what the newest stage before `stage` (None: of all) trained; returns the names loaded."""
    loaded = set()
    order: Iterable[str] = STAGES if stage is None else STAGES[: STAGES.index(stage)]
    for earlier in order:
        for name, module in modules.items():
            path = folder / "weights" / f"{earlier}.{name}.safetensors"
            if path.is_file():
                module.load_state_dict(load_file(path))
                loaded.add(name)
    return loaded


def is_done(folder: Path, stage: str) -> bool:
    """Whether `stage` ran to its end in this folder."""
    return any((folder / "weights").glob(f"{stage}.*.safetensors"))
