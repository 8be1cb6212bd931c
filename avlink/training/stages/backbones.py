"""The stages of the backbones, each alone: flow matching on latents and on pixels (paper, section 3.1)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.recipe.stages import BACKBONE_RATES, Rates
from avlink.engine.flow.loss import flow_matching_loss, motion_loss
from avlink.engine.flow.path import sample_path
from avlink.engine.flow.schedule import logit_normal
from avlink.engine.pixels import lower_frame_rate
from avlink.engine.system import System
from avlink.training.data.clips import ClipStore
from avlink.training.data.precomputed import Precomputed
from avlink.training.stages.inputs import (
    Validate,
    augmented_pixels,
    device_of,
    drop_text,
    frames_per_picture,
    no_validation,
    noise_like,
)


class AudioStage:
    """Audio backbone: flow matching on latents."""

    name = "audio"

    def __init__(
        self,
        system: System,
        clips: ClipStore,
        latents: Precomputed,
        validate: Validate = no_validation,
        rates: Rates = BACKBONE_RATES,
    ) -> None:
        self.audio, self.text, self.clips, self.latents = system.audio, system.text_encoder("audio"), clips, latents
        self.trained: dict[str, nn.Module] = {"audio": system.audio}
        if system.audio_text is not None:
            self.trained["audio_text"] = system.audio_text
        self.frozen: tuple[nn.Module, ...] = ()
        self.num_clips, self.validate, self.rates, self.device = len(clips), validate, rates, device_of(system)
        seconds = rates.shortest_s
        self.shortest = None if seconds is None else max(1, round(seconds * system.config.tokens_per_second))

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        rates = self.rates
        x_1 = self._stretches(self.latents[indices], generator).to(self.device)
        t = logit_normal(len(indices), location=rates.time_location, scale=rates.time_scale, generator=generator)
        t = t.to(self.device)
        # One flow time a clip, not a token: all tokens of a sample are equally noisy, as when sampling.
        path = sample_path(noise_like(x_1, generator), x_1, t)
        text = self.text.encode(drop_text([self.clips.labels[i].caption for i in indices], rates.text_drop, generator))
        return {"total": flow_matching_loss(self.audio(path.x_t, t, text), path)}

    def _stretches(
        self, latents: Float[Tensor, "batch tokens channels"], generator: torch.Generator
    ) -> Float[Tensor, "batch length channels"]:
        """Return a stretch of each clip, all of one random length; whole clips without `shortest_s`."""
        tokens = latents.shape[1]
        if self.shortest is None or self.shortest >= tokens:
            return latents
        # Padding to the longest of a batch would waste half of it, so that the length is drawn for all. The generator
        # is that of a micro-batch: lengths differ within a batch of several.
        length = int(torch.randint(self.shortest, tokens + 1, (), generator=generator))
        starts = torch.randint(tokens - length + 1, (len(latents),), generator=generator).tolist()
        return torch.stack([clip[start : start + length] for clip, start in zip(latents, starts, strict=True)])


class VideoStage:
    """Video backbone: flow matching on pixels; a data-predicting network is scored by the velocity it implies."""

    name = "video"

    def __init__(
        self,
        system: System,
        clips: ClipStore,
        validate: Validate = no_validation,
        rates: Rates = BACKBONE_RATES,
        motion_weight: float = 0.0,
    ) -> None:
        self.video, self.text, self.clips = system.video, system.text_encoder("video"), clips
        self.trained: dict[str, nn.Module] = {"video": system.video}
        if system.video_text is not None:
            self.trained["video_text"] = system.video_text
        self.frozen: tuple[nn.Module, ...] = ()
        self.num_clips, self.validate, self.rates, self.device = len(clips), validate, rates, device_of(system)
        self.factor, self.motion_weight = frames_per_picture(system, clips), motion_weight

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        rates = self.rates
        x_1 = lower_frame_rate(augmented_pixels(self.clips, indices, generator, self.device), self.factor)
        t = logit_normal(len(indices), location=rates.time_location, scale=rates.time_scale, generator=generator)
        t = t.to(self.device)
        path = sample_path(noise_like(x_1, generator), x_1, t)
        text = self.text.encode(drop_text([self.clips.labels[i].caption for i in indices], rates.text_drop, generator))
        out = self.video(path.x_t, t, text)
        losses = {"flow": flow_matching_loss(out, path)}
        if self.motion_weight:
            losses["motion"] = motion_loss(out, path)
        return losses | {"total": losses["flow"] + self.motion_weight * losses.get("motion", 0)}
