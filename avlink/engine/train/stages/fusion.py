"""The fusion of one direction, between frozen backbones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avlink.engine.flow.path import sample_path
from avlink.engine.flow.schedule import logit_normal
from avlink.engine.models.system import System
from avlink.engine.train.clips import ClipStore, slower
from avlink.engine.train.latents import Latents
from avlink.engine.train.objectives import motion_losses
from avlink.engine.train.stages.inputs import Validate, drop_text, nothing, picture_factor, pictures, relight


class FusionStage:
    """Fusion Blocks of one direction between frozen backbones (eq. 5), and the motion stem with them.

    Flow times of the generated side are logit-normal at -1 (appendix D.1), the conditioning side stands at its fixed
    time; its text is dropped one time in five, the generated side's one time in two (C.1); one clip in ten loses all
    conditions for guidance (C.2). One step in five trains on a shorter stretch, so that short clips work.
    """

    def __init__(
        self,
        system: System,
        clips: ClipStore,
        latents: Latents,
        *,
        direction: str,
        t_condition: float,
        validate: Validate = nothing,
    ) -> None:
        self.system, self.clips, self.latents = system, clips, latents
        self.direction, self.t_condition, self.validate = direction, t_condition, validate
        self.name = "fusion_v2a" if direction == "audio" else "fusion_a2v"
        fusion = system.fusion_v2a if direction == "audio" else system.fusion_a2v
        self.model = system.linked(fusion)
        self.trained: dict[str, nn.Module] = {self.name: fusion}
        self.frozen: tuple[nn.Module, ...] = ()
        self.use_motion = direction == "audio" and system.motion is not None
        if self.use_motion and system.motion is not None:
            self.trained["motion"] = system.motion
            self.frozen = system.motion.appearance.learned_alone
        self.num_clips, self.factor = len(clips), picture_factor(system)

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        config = self.system.config
        start_s, seconds = self._stretch(generator)
        pixels = pictures(self.clips, indices, generator)
        first = start_s * config.picture.fps * self.factor
        count = -int(-seconds * config.picture.fps // 1) * self.factor
        pixels = pixels[:, first : first + count]
        token = round(start_s * config.tokens_per_second)
        latents = self.latents[indices][:, token : token + round(seconds * config.tokens_per_second)]
        fixed = torch.full((len(indices),), self.t_condition)
        moving = logit_normal(len(indices), location=-1.0, scale=1.0, generator=generator)
        made_audio = self.direction == "audio"
        t_a, t_v = (moving, fixed) if made_audio else (fixed, moving)
        gone = max(1, len(indices) // 10)
        if not made_audio:
            # Without its sound a clip hears noise at flow time 0.
            t_a[:gone] = 0.0
        slow = slower(pixels, self.factor)
        audio = sample_path(torch.randn(latents.shape, generator=generator), latents, t_a)
        video = sample_path(torch.randn(slow.shape, generator=generator), slow, t_v)
        captions = [self.clips.notes[i].caption for i in indices]
        own, other = drop_text(captions, 0.5, generator), drop_text(captions, 0.2, generator)
        own[:gone] = [""] * gone
        text_a, text_v = (own, other) if made_audio else (other, own)
        if not made_audio:
            text_a[:gone] = [""] * gone
        losses: dict[str, Tensor] = {}
        motion = None
        if self.use_motion and self.system.motion is not None:
            seen = self.system.motion(relight(pixels, generator))
            motion = seen.tokens
            stem = self.system.motion.config
            notes = [self.clips.notes[i] for i in indices]
            losses |= motion_losses(seen, notes, stem.fps, stem.classes, shift_s=float(start_s))
        if made_audio:
            dropped = self._audio(audio.x_t[:gone], None, t_a[:gone], t_v[:gone], text_a[:gone], None, None)
            kept = self._audio(
                audio.x_t[gone:],
                video.x_t[gone:],
                t_a[gone:],
                t_v[gone:],
                text_a[gone:],
                text_v[gone:],
                None if motion is None else motion[gone:],
            )
            flow = (torch.cat((dropped, kept)).float() - audio.velocity).square().mean()
        else:
            out = self.model(
                "video",
                audio.x_t,
                video.x_t,
                t_audio=t_a,
                t_video=t_v,
                audio_text=self.system.text_encoder("audio").encode(text_a),
                video_text=self.system.text_encoder("video").encode(text_v),
            )
            flow = (out.float() - video.velocity).square().mean()
        losses["flow"] = flow
        # The flow loss hardly moves while synchrony is learned; what the stem sees is what holds it back.
        losses["total"] = flow + 0.5 * losses.get("onset", 0) + 0.25 * losses.get("class", 0)
        return losses

    def _audio(
        self,
        x_t: Tensor,
        pixels: Tensor | None,
        t_a: Tensor,
        t_v: Tensor,
        text_a: list[str],
        text_v: list[str] | None,
        motion: Tensor | None,
    ) -> Tensor:
        out: Tensor = self.model(
            "audio",
            x_t,
            pixels,
            t_audio=t_a,
            t_video=t_v,
            audio_text=self.system.text_encoder("audio").encode(text_a),
            video_text=None if text_v is None else self.system.text_encoder("video").encode(text_v),
            motion=motion,
        )
        return out

    def _stretch(self, generator: torch.Generator) -> tuple[int, float]:
        """(start in whole seconds, length in seconds) of this step's stretch of every clip."""
        config = self.system.config
        whole = config.window_tokens / config.tokens_per_second
        short, where = torch.rand(2, generator=generator).tolist()
        if short > 0.2 or whole < 3:
            return 0, whole
        seconds = 0.64 + (whole - 1.64) * short / 0.2
        return int(where * (whole - seconds)), seconds
