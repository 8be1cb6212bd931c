"""Sound, pictures, or both from words: the base models alone (T2A, T2V; section 3.1), and both at once (4.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np

from avlink.core.frames import ResampledFrames
from avlink.core.sampling import SampleConfig
from avlink.core.values import (
    Frames,
    FrameSource,
    OnStep,
    PictureRequest,
    Prompt,
    SoundRequest,
    SoundSource,
    Waveform,
)
from avlink.engine.sampling.joint import JointSampler
from avlink.engine.sampling.pictures import PictureSampler
from avlink.engine.sampling.sound import SoundSampler
from avlink.engine.system import System

Target = Literal["audio", "video", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedClip:
    """Sound and pictures of one prompt; None for the one that was not asked for."""

    sound: SoundSource | None = None
    pictures: FrameSource | None = None


class PromptSampler:
    """Sound, pictures, or both for prompts.

    A model with one shared fusion makes both at once. Any other makes pictures first, then their sound (V2A).
    """

    def __init__(self, system: System, makes: Target, *, sound: SampleConfig, pictures: SampleConfig) -> None:
        config = system.config
        samples = config.window_tokens * config.mel.hop_samples * config.vae.downsampling
        self.window_s = Fraction(samples, config.mel.sample_rate)
        """The length of a training window of sound, in seconds; that of pictures covers it."""
        self.joint = JointSampler(system, sound) if makes == "both" and system.fusion is not None else None
        self.sound = self.pictures = None
        if self.joint is None:
            if makes != "audio":
                self.pictures = PictureSampler(system, replace(pictures, use_fusion=False))
            if makes != "video":
                linked = makes == "both"
                self.sound = SoundSampler(system, replace(sound, use_fusion=linked, use_picture=linked))

    @property
    def num_steps(self) -> int:
        """Evaluations of the model for one prompt."""
        return sum(len(sampler.plan) for sampler in (self.joint, self.pictures, self.sound) if sampler is not None)

    def generate(
        self, prompt: Prompt, seed: int, duration_s: Fraction, *, on_step: OnStep | None = None
    ) -> GeneratedClip:
        """Generate sound, pictures or both, `duration_s` long.

        Raises InputError for both at once beyond a training window.
        """

        def tell_after(before: int) -> OnStep:
            def tell(done: int, _: int) -> None:
                if on_step is not None:
                    on_step(before + done, self.num_steps)

            return tell

        if self.joint is not None:
            heard, seen = self.joint.generate(prompt, seed, duration_s=duration_s, on_step=tell_after(0))
            return GeneratedClip(sound=heard, pictures=seen)
        pictures: FrameSource | None = None
        if self.pictures is not None:
            unheard = Waveform(samples=np.zeros((1, 0), np.float32), sample_rate=self.pictures.sample_rate)
            request = PictureRequest(sound=unheard, duration_s=duration_s, prompt=prompt, seed=seed)
            (pictures,) = self.pictures.generate([request], on_step=tell_after(0))
        if self.sound is None:
            return GeneratedClip(pictures=pictures)
        spec = self.sound.picture
        shown = pictures or Frames(pixels=np.zeros((1, spec.height, spec.width, 3), np.uint8), rate=spec.rate)
        held = ResampledFrames(shown, rate=spec.rate)
        asked = SoundRequest(frames=held, duration_s=duration_s, prompt=prompt, seed=seed)
        before = 0 if self.pictures is None else len(self.pictures.plan)
        (sound,) = self.sound.generate([asked], on_step=tell_after(before))
        return GeneratedClip(sound=sound, pictures=pictures)


def components_for(makes: Target) -> Iterable[str]:
    """Return the components that a bundle needs to generate `makes`."""
    heard, seen = {"vae", "vocoder", "audio_text", "audio"}, {"video_text", "video"}
    linked = {"fusion", "fusion_v2a", "fusion_hits", "motion", "controller", "readout"}
    return {"audio": heard, "video": seen, "both": heard | seen | linked}[makes]
