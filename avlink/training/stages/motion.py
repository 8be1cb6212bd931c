"""The motion stem alone: its look at single frames first, then what moves."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avlink.engine.pixels import to_pixels
from avlink.engine.system import System
from avlink.training.data.clips import ClipStore
from avlink.training.data.stills import StillStore
from avlink.training.objectives import motion_losses
from avlink.training.stages.inputs import Validate, device_of, nothing, pictures, reframe, relight


class AppearanceStage:
    """The motion stem's look at single frames: what is struck, from one picture each of very many scenes."""

    name = "appearance"

    def __init__(self, system: System, stills: StillStore, validate: Validate = nothing) -> None:
        assert system.motion is not None
        self.look, self.stills, self.num_clips = system.motion.appearance, stills, len(stills)
        self.classes = system.motion.config.classes
        # The rest of the stem takes no part; it is kept with it, so that the next stage finds it whole.
        self.trained: dict[str, nn.Module] = {"motion": system.motion}
        self.frozen: tuple[nn.Module, ...] = ()
        self.validate, self.device = validate, device_of(system)

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        pixels = to_pixels(self.stills.frames(indices)[:, None].to(self.device))[:, 0]
        count = len(indices)
        # Shown otherwise in half of the cases only: resampling takes the fine texture that tells materials apart.
        moved, mirrored = (torch.rand(2, count, 1, 1, 1, generator=generator) < 0.5).to(self.device)
        pixels = torch.where(moved, reframe(pixels, generator), pixels)
        pixels = torch.where(mirrored, pixels.flip(-1), pixels)
        logits = self.look.classify(relight(pixels[:, None], generator)[:, 0]).float()
        wanted = torch.tensor([self.classes.index(self.stills.names[index]) for index in indices], device=self.device)
        return {
            "total": nn.functional.cross_entropy(logits, wanted),
            "accuracy": (logits.argmax(-1) == wanted).float().mean(),
        }


class MotionStage:
    """The motion stem alone: onsets and what was struck, from pixels under changes of light and colour."""

    name = "motion"

    def __init__(self, system: System, clips: ClipStore, validate: Validate = nothing) -> None:
        assert system.motion is not None
        self.motion, self.clips, self.num_clips = system.motion, clips, len(clips)
        self.trained: dict[str, nn.Module] = {"motion": system.motion}
        self.frozen = system.motion.appearance.learned_alone
        self.validate, self.device = validate, device_of(system)

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        pixels = relight(pictures(self.clips, indices, generator, self.device), generator)
        config = self.motion.config
        notes = [self.clips.notes[i] for i in indices]
        losses = motion_losses(self.motion(pixels), notes, config.fps, config.classes)
        return {"total": losses["onset"] + 0.5 * losses["class"]} | losses
