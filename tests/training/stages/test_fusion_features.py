"""Features of an extractor in the stage of the Fusion Blocks: cut as the sound is, and withheld where it is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avlink.core.architecture import AVLinkConfig, ExtractedConfig
from avlink.core.recipe.stages import FUSION_RATES
from avlink.engine.system import System
from avlink.training.data.clips import ClipLabels, ClipStore
from avlink.training.stages.fusion import FusionStage

sys.path.insert(0, str(Path(__file__).parents[2] / "engine"))
from tiny import TINY

FPS, ROWS = 10, 52
HEARD = ExtractedConfig(name="log-mel", dim=3, fps=FPS, medium="sound")


def _stage(folder: Path, name: str, **options: Any) -> FusionStage:
    fusion = TINY.fusion.model_copy(update={"extracted": HEARD, "injection": "text", "local_windows": (1, 2)})
    config = AVLinkConfig.model_validate(TINY.model_copy(update={"fusion": fusion, "motion": None}).model_dump())
    frames = np.zeros((4, 124, 36, 64, 3), np.uint8)
    ClipStore.write_shard(folder, 0, frames, np.zeros((4, 82560), np.float32), [ClipLabels(caption="a")] * 4)
    task = {"fusion_a2v": "a2v", "fusion_v2a": "v2a"}[name]
    system = System(config).requires_grad_(False)
    latents = torch.zeros(4, config.window_tokens, 4)
    return FusionStage(system, ClipStore(folder), latents, name=name, tasks=(task,), **options)


def _told(stage: FusionStage, seed: int) -> list[dict[str, Any]]:
    """Return what the model was given in one step."""
    forward, told = stage.model.forward, []

    def spy(*given: Any, **named: Any) -> Any:
        told.append({"v_t": given[2], **named})
        return forward(*given, **named)

    stage.model.forward = spy  # type: ignore[method-assign]
    losses = stage.loss([3, 0, 1, 2], torch.Generator().manual_seed(seed))
    stage.model.forward = forward  # type: ignore[method-assign]
    assert losses["total"].isfinite()
    return told


def test_a_stretch_has_the_rows_of_its_time(tmp_path: Path) -> None:
    """Rows count up from 1, so that each tells its place."""
    features = 1 + torch.arange(ROWS).float()[None, :, None].expand(4, ROWS, 3)
    stage = _stage(tmp_path, "fusion_a2v", features=features)
    stage.shorter, starts = 1.0, set()
    for seed in range(12):
        (told,) = _told(stage, seed)
        rows = told["features"][-1, :, 0]
        start_s, rest = divmod(int(rows[0]) - 1, FPS)
        assert rest == 0 and rows.tolist() == list(range(int(rows[0]), int(rows[0]) + len(rows)))
        # Pictures and rows cover the same time, each to its last tick.
        assert abs(len(rows) / FPS - told["v_t"].shape[1] / 6) < 1 / 6
        starts.add(start_s)
    assert len(starts) > 2


def test_clips_without_their_sound_have_features_of_zeros(tmp_path: Path) -> None:
    rates = FUSION_RATES.model_copy(update={"no_condition": 0.5})
    stage = _stage(tmp_path, "fusion_a2v", features=torch.ones(4, ROWS, 3), rates=rates)
    (told,) = _told(stage, 0)
    assert told["t_a"].tolist()[:2] == [0, 0] and told["t_a"][2:].all()
    assert not told["features"][:2].any() and told["features"][2:].all()


def test_sound_learns_from_the_video_backbone(tmp_path: Path) -> None:
    stage = _stage(tmp_path, "fusion_v2a", rates=FUSION_RATES.model_copy(update={"no_condition": 0.0}))
    ran: list[int] = []
    stage.system.video.blocks[0].register_forward_hook(lambda *_: ran.append(0))
    (told,) = _told(stage, 0)
    assert stage.model.extracted is None and told["features"] is None and ran
