"""The readout's stage: motion tokens that the frozen video backbone tells, as the motion stem sees them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avlink.engine.flow.path import sample_path
from avlink.engine.pixels import lower_frame_rate
from avlink.engine.system import System
from avlink.training.data.clips import ClipStore
from avlink.training.objectives import motion_losses
from avlink.training.stages.inputs import (
    Validate,
    augmented_pixels,
    device_of,
    frames_per_picture,
    no_validation,
    noise_like,
)

_TOLD = 4
"""Clips of a batch whose tokens the stem tells too: it costs more than the backbone, and onsets teach most."""


class ReadoutStage:
    """A readout: onsets and classes through the motion stem's heads, and the stem's tokens themselves."""

    name = "readout"

    def __init__(
        self, system: System, clips: ClipStore, t_video: float = 0.96, validate: Validate = no_validation
    ) -> None:
        assert system.readout is not None and system.motion is not None
        self.stem, self.system, self.clips = system.motion, system, clips
        self.num_clips, self.t_video = len(clips), t_video
        self.trained: dict[str, nn.Module] = {"readout": system.readout}
        self.frozen: tuple[nn.Module, ...] = ()
        self.validate, self.device = validate, device_of(system)
        self.factor = frames_per_picture(system, clips)

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        pixels = augmented_pixels(self.clips, indices, generator, self.device)
        with torch.no_grad():
            v_1 = lower_frame_rate(pixels, self.factor)
            t_v = torch.full((len(indices),), self.t_video, device=self.device)
            v_t = sample_path(noise_like(v_1, generator), v_1, t_v).x_t
            told = self.stem(pixels[:_TOLD]).tokens
        # No gradient is kept in the backbone, which is frozen.
        tokens = self.system.motion_tokens(v_t, t_v)
        config, labels = self.stem.config, [self.clips.labels[index] for index in indices]
        losses = motion_losses(self.stem.told_by(tokens), labels, config.fps, config.classes)
        losses["tokens"] = (tokens[:_TOLD].float() - told.float()).square().mean()
        return losses | {"total": losses["onset"] + 0.1 * losses["class"] + losses["tokens"]}
