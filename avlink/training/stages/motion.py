"""The stages of motion stems: the appearance network on single frames first, then a stem on clips."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avlink.engine.pixels import to_pixels
from avlink.engine.system import System
from avlink.training.data.clips import ClipStore, StillStore
from avlink.training.objectives import motion_losses
from avlink.training.stages.inputs import (
    Validate,
    augmented_pixels,
    device_of,
    jitter_colour,
    no_validation,
    random_affine,
)


class AppearanceStage:
    """The motion stem's appearance network: the material that is struck, from one picture each of very many scenes."""

    name = "appearance"

    def __init__(self, system: System, stills: StillStore, validate: Validate = no_validation) -> None:
        assert system.motion is not None
        self.look, self.stills, self.num_clips = system.motion.appearance, stills, len(stills)
        self.classes = system.motion.config.classes
        # The rest of the stem gets no gradients, but is saved with it, so that the next stage finds it whole.
        self.trained: dict[str, nn.Module] = {"motion": system.motion}
        self.frozen: tuple[nn.Module, ...] = ()
        self.validate, self.device = validate, device_of(system)

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        pixels = to_pixels(self.stills.frames(indices)[:, None].to(self.device))[:, 0]
        count = len(indices)
        # Half of the pictures only: resampling removes the fine texture that tells materials apart.
        moved, mirrored = (torch.rand(2, count, 1, 1, 1, generator=generator) < 0.5).to(self.device)
        pixels = torch.where(moved, random_affine(pixels, generator), pixels)
        pixels = torch.where(mirrored, pixels.flip(-1), pixels)
        logits = self.look.classify(jitter_colour(pixels[:, None], generator)[:, 0]).float()
        wanted = torch.tensor([self.classes.index(self.stills.names[index]) for index in indices], device=self.device)
        return {
            "total": nn.functional.cross_entropy(logits, wanted),
            "accuracy": (logits.argmax(-1) == wanted).float().mean(),
        }


class MotionStage:
    """A motion stem alone: onsets and materials, from pixels under changes of light and colour."""

    name = "motion"

    def __init__(self, system: System, clips: ClipStore, validate: Validate = no_validation) -> None:
        stem = system.motion
        assert stem is not None
        self.motion, self.clips, self.num_clips = stem, clips, len(clips)
        self.trained: dict[str, nn.Module] = {self.name: stem}
        self.frozen = stem.appearance.learned_alone
        self.validate, self.device = validate, device_of(system)

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        pixels = jitter_colour(augmented_pixels(self.clips, indices, generator, self.device), generator)
        config = self.motion.config
        labels = [self.clips.labels[i] for i in indices]
        losses = motion_losses(self.motion(pixels), labels, config.fps, config.classes)
        # Synchrony depends on onsets, so materials weigh half.
        return {"total": losses["onset"] + 0.5 * losses["class"]} | losses
