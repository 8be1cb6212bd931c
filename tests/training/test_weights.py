from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from avlink.training.weights import is_done, load_stages, save_stage


def _filled(value: float) -> dict[str, torch.Tensor]:
    return {name: torch.full_like(tensor, value) for name, tensor in nn.Linear(2, 2).state_dict().items()}


def test_a_stage_begins_with_the_newest_weights_of_those_before_it(tmp_path: Path) -> None:
    save_stage(tmp_path, "appearance", {"motion": _filled(1)})
    save_stage(tmp_path, "motion", {"motion": _filled(2)})
    save_stage(tmp_path, "fusion_v2a", {"motion": _filled(3), "fusion_v2a": _filled(4)})
    assert is_done(tmp_path, "motion") and not is_done(tmp_path, "audio")

    def loaded(before: str | None) -> tuple[set[str], float]:
        modules = {"motion": nn.Linear(2, 2), "audio": nn.Linear(2, 2)}
        names = load_stages(tmp_path, before, modules)
        return names, float(modules["motion"].weight[0, 0].detach())

    assert loaded("motion") == ({"motion"}, 1.0)
    assert loaded("fusion_v2a") == ({"motion"}, 2.0)
    assert loaded(None) == ({"motion"}, 3.0)
    assert loaded("vae")[0] == set()
