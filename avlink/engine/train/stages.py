"""What each stage learns. The order is the paper's: codec, then each backbone alone, then the fusion between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avlink.engine.codec.mel import LogMel
from avlink.engine.flow.path import data_to_velocity, sample_path
from avlink.engine.flow.schedule import logit_normal
from avlink.engine.models.system import System
from avlink.engine.train.clips import ClipStore, slower, to_pixels
from avlink.engine.train.objectives import motion_losses, multi_resolution_stft

Validate = Callable[[], dict[str, float]]


def nothing() -> dict[str, float]:
    """The validation of a stage that has none."""
    return {}


def drop_text(captions: Sequence[str], chance: float, generator: torch.Generator) -> list[str]:
    """Captions, each emptied with probability `chance`."""
    dropped = torch.rand(len(captions), generator=generator) < chance
    return ["" if gone else caption for caption, gone in zip(captions, dropped.tolist(), strict=True)]


class VAEStage:
    """1D-VAE: L1 and L2 on crops of mel frames, and a weak pull to the standard normal."""

    name = "vae"
    crop_frames = 128

    def __init__(self, system: System, clips: ClipStore, validate: Validate = nothing) -> None:
        self.vae, self.clips, self.num_clips = system.vae, clips, len(clips)
        self.trained: dict[str, nn.Module] = {"vae": system.vae}
        self.mel = LogMel(system.config.mel)
        self.validate = validate

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        hop = self.mel.spec.hop_samples
        sound = self.clips.sound(indices)
        frames = sound.shape[1] // hop
        start = int(torch.randint(max(1, frames - self.crop_frames), (1,), generator=generator))
        # A gain of -12 to +6 dB a clip: levels beyond those of the data must survive the codec.
        gain = 2.0 ** (3 * torch.rand(len(indices), 1, generator=generator) - 2)
        mel = self.mel(sound * gain)[..., start : start + self.crop_frames]
        posterior = self.vae.posterior(mel)
        error = self.vae.reconstruct(posterior.sample(generator)).float() - mel
        l1, l2, kl = error.abs().mean(), error.square().mean(), posterior.kl()
        return {"total": l1 + 2 * l2 + 1e-3 * kl, "l1": l1, "kl": kl}


@torch.no_grad()
def whiten(system: System, clips: ClipStore, sample: int = 512) -> None:
    """Set the VAE's latent mean and deviation per channel from clips of the training set."""
    vae, mel = system.vae, LogMel(system.config.mel)
    vae.latent_mean.zero_()
    vae.latent_std.fill_(1.0)
    step = max(1, len(clips) // sample)
    latents = torch.cat([vae.encode(mel(clips.sound([i]))) for i in range(0, len(clips), step)])
    vae.latent_mean.copy_(latents.mean(dim=(0, 1)))
    vae.latent_std.copy_(latents.std(dim=(0, 1)).clamp(min=1e-3))


@torch.no_grad()
def encode_all(system: System, clips: ClipStore, batch: int = 32) -> Float[Tensor, "clips tokens channels"]:
    """Whitened latents of every clip."""
    mel = LogMel(system.config.mel)
    parts = [range(i, min(i + batch, len(clips))) for i in range(0, len(clips), batch)]
    return torch.cat([system.vae.encode(mel(clips.sound(list(part)))) for part in parts])


class VocoderStage:
    """Vocoder: mel L1 and multi-resolution STFT on crops, half of them from the VAE's own reconstructions."""

    name = "vocoder"
    crop_frames = 96

    def __init__(self, system: System, clips: ClipStore, validate: Validate = nothing) -> None:
        self.vae, self.vocoder, self.clips, self.num_clips = system.vae, system.vocoder, clips, len(clips)
        self.trained: dict[str, nn.Module] = {"vocoder": system.vocoder}
        self.mel = LogMel(system.config.mel)
        self.validate = validate

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        hop = self.mel.spec.hop_samples
        sound = self.clips.sound(indices)
        start = int(torch.randint(sound.shape[1] // hop - self.crop_frames, (1,), generator=generator))
        real = sound[:, start * hop : (start + self.crop_frames) * hop]
        gain = 2.0 ** (3 * torch.rand(len(indices), 1, generator=generator) - 2)
        real = real * gain
        given = self.mel(real)
        half = len(indices) // 2
        with torch.no_grad():
            seen = torch.cat((self.vae.decode(self.vae.encode(given[:half])).float(), given[half:]))
        made = self.vocoder(seen)
        l1 = (self.mel(made.float()) - given).abs().mean()
        stft = multi_resolution_stft(made, real)
        return {"total": 3 * l1 + stft, "mel": l1, "stft": stft}


class AudioStage:
    """Audio backbone: flow matching on latents, captions dropped one time in ten."""

    name = "audio"

    def __init__(self, system: System, clips: ClipStore, latents: Tensor, validate: Validate = nothing) -> None:
        assert system.audio_text is not None
        self.audio, self.text, self.clips, self.latents = system.audio, system.audio_text, clips, latents
        self.trained: dict[str, nn.Module] = {"audio": system.audio, "audio_text": system.audio_text}
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
        assert system.video_text is not None
        self.video, self.text, self.clips = system.video, system.video_text, clips
        self.trained: dict[str, nn.Module] = {"video": system.video, "video_text": system.video_text}
        self.num_clips, self.validate = len(clips), validate
        self.factor = picture_factor(system)

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        x_1 = slower(_pictures(self.clips, indices, generator), self.factor)
        t = logit_normal(len(indices), location=0.0, scale=1.0, generator=generator)
        path = sample_path(torch.randn(x_1.shape, generator=generator), x_1, t)
        text = self.text.encode(drop_text([self.clips.notes[i].caption for i in indices], 0.1, generator))
        out = self.video.close_after(self.video.open(path.x_t, t, text.tokens, text.mask)).float()
        velocity = data_to_velocity(out, path.x_t, t) if self.video.config.prediction == "data" else out
        return {"total": (velocity - path.velocity).square().mean()}


def picture_factor(system: System) -> int:
    """How many stored frames make one frame of the video backbone."""
    motion = system.config.motion
    return 1 if motion is None else motion.fps // system.config.picture.fps


def _pictures(clips: ClipStore, indices: list[int], generator: torch.Generator) -> Tensor:
    """Pixels at the stored rate, half of the clips mirrored: left and right sound alike."""
    frames = clips.frames(indices)
    mirrored = torch.rand(len(indices), generator=generator) < 0.5
    frames[mirrored] = frames[mirrored].flip(-2)
    return to_pixels(frames)


class MotionStage:
    """The motion stem alone: onsets and what was struck, from pixels under changes of light and colour."""

    name = "motion"

    def __init__(self, system: System, clips: ClipStore, validate: Validate = nothing) -> None:
        assert system.motion is not None
        self.motion, self.clips, self.num_clips = system.motion, clips, len(clips)
        self.trained: dict[str, nn.Module] = {"motion": system.motion}
        self.validate = validate

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        pixels = relight(_pictures(self.clips, indices, generator), generator)
        config = self.motion.config
        notes = [self.clips.notes[i] for i in indices]
        losses = motion_losses(self.motion(pixels), notes, config.fps, config.classes)
        return {"total": losses["onset"] + 0.5 * losses["class"]} | losses


def relight(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Exposure, white balance and black level of each clip changed a little. (The foundry draws its own noise.)."""
    count = pixels.shape[0]

    def draw(low: float, high: float, channels: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, channels, 1, 1, generator=generator)

    return pixels * (draw(0.7, 1.2) * draw(0.92, 1.08, 3)) + draw(-0.12, 0.12)


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
        latents: Tensor,
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
        self.use_motion = direction == "audio" and system.motion is not None
        if self.use_motion and system.motion is not None:
            self.trained["motion"] = system.motion
        self.num_clips, self.factor = len(clips), picture_factor(system)

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        assert self.system.audio_text is not None and self.system.video_text is not None
        config = self.system.config
        start_s, seconds = self._stretch(generator)
        pixels = _pictures(self.clips, indices, generator)
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
                audio_text=self.system.audio_text.encode(text_a),
                video_text=self.system.video_text.encode(text_v),
            )
            flow = (out.float() - video.velocity).square().mean()
        losses["flow"] = flow
        losses["total"] = flow + 0.1 * losses.get("onset", 0) + 0.05 * losses.get("class", 0)
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
        assert self.system.audio_text is not None and self.system.video_text is not None
        out: Tensor = self.model(
            "audio",
            x_t,
            pixels,
            t_audio=t_a,
            t_video=t_v,
            audio_text=self.system.audio_text.encode(text_a),
            video_text=None if text_v is None else self.system.video_text.encode(text_v),
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
