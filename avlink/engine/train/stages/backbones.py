"""Each backbone alone: flow matching on latents and on pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avlink.engine.flow.path import data_to_velocity, sample_path
from avlink.engine.flow.schedule import logit_normal
from avlink.engine.models.system import System
from avlink.engine.train.clips import ClipStore, slower
from avlink.engine.train.latents import Latents
from avlink.engine.train.stages.inputs import Validate, drop_text, nothing, picture_factor, pictures


class AudioStage:
    """Audio backbone: flow matching on latents, captions dropped one time in ten."""

    name = "audio"

    def __init__(self, system: System, clips: ClipStore, latents: Latents, validate: Validate = nothing) -> None:
        self.audio, self.text, self.clips, self.latents = system.audio, system.text_encoder("audio"), clips, latents
        self.trained: dict[str, nn.Module] = {"audio": system.audio}
        if system.audio_text is not None:
            self.trained["audio_text"] = system.audio_text
        self.frozen: tuple[nn.Module, ...] = ()
        self.num_clips, self.validate = len(clips), validate

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        x_1 = self.latents[indices]
        t = logit_normal(len(indices), location=0.0, scale=1.0, generator=generator)
        path = sample_path(torch.randn(x_1.shape, generator=generator), x_1, t)
        text = self.text.encode(drop_text([self.clips.notes[i].caption for i in indices], 0.1, generator))
        out = self.audio.close_after(self.audio.open(path.x_t, t, text.tokens, text.mask))
        return {"total": (out.float() - path.velocity).square().mean()}


class VideoStage:
    """Video backbone: flow matching on pixels; a data-predicting network is scored by the velocity it implies."""

    name = "video"

    def __init__(self, system: System, clips: ClipStore, validate: Validate = nothing) -> None:
        self.video, self.text, self.clips = system.video, system.text_encoder("video"), clips
        self.trained: dict[str, nn.Module] = {"video": system.video}
        if system.video_text is not None:
            self.trained["video_text"] = system.video_text
        self.frozen: tuple[nn.Module, ...] = ()
        self.num_clips, self.validate = len(clips), validate
        self.factor = picture_factor(system)

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        x_1 = slower(pictures(self.clips, indices, generator), self.factor)
        t = logit_normal(len(indices), location=0.0, scale=1.0, generator=generator)
        path = sample_path(torch.randn(x_1.shape, generator=generator), x_1, t)
        text = self.text.encode(drop_text([self.clips.notes[i].caption for i in indices], 0.1, generator))
        out = self.video.close_after(self.video.open(path.x_t, t, text.tokens, text.mask)).float()
        velocity = data_to_velocity(out, path.x_t, t) if self.video.config.prediction == "data" else out
        return {"total": (velocity - path.velocity).square().mean()}
