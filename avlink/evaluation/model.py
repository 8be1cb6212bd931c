"""The model under evaluation, as arrays in and arrays out, and the one that a bundle holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from avlink.core.hits import Hit
from avlink.core.sampling import PICTURES, SampleConfig
from avlink.core.sound import read_whole
from avlink.core.values import Frames, PictureRequest, PictureSpec, Prompt, SoundRequest, Waveform
from avlink.evaluation.extractors import fusion_extractor
from avlink.metrics.material import MaterialClassifier

if TYPE_CHECKING:
    from avlink.core.architecture import Described
    from avlink.core.features import FeatureExtractor
    from avlink.engine.system import System

Sounds = NDArray[np.float32]
"""(clips, samples) at the model's rate."""

Pictures = NDArray[np.uint8]
"""(clips, frames, height, width, 3), RGB."""

OnClip = Callable[[int], None]
"""Called with the number of clips that are done."""


class EvaluatedModel(Protocol):
    """The interface that `avlink evaluate` needs. Clips are generated one by one, each from its own seed."""

    sample_rate: int
    picture: PictureSpec
    """The pictures that `generate` takes."""
    has_motion: bool
    has_pictures: bool
    follows_hits: bool
    """True for a model with a temporal controller."""

    def generate(
        self,
        frames: Pictures,
        captions: Sequence[str] | None,
        seeds: Sequence[int],
        *,
        duration_s: Fraction,
        use_picture: bool = True,
        use_motion: bool = True,
        use_backbone: bool = True,
        hits: Sequence[tuple[Hit, ...]] | None = None,
        on_clip: OnClip | None = None,
    ) -> Sounds:
        """Return sounds of `duration_s` for pictures at `picture`; `use_picture=False` uses the audio model alone.

        `use_motion=False` and `use_backbone=False` withhold what the motion stem and the video backbone see.
        `hits`, one tuple per clip, condition a model that follows them.
        """
        ...

    def codec(self, sounds: Sounds) -> Sounds:
        """Return the sounds after VAE and vocoder, at their length: the best that can be generated."""
        ...

    def visualize(
        self, sounds: Sounds, seeds: Sequence[int], *, on_clip: OnClip | None = None
    ) -> tuple[Pictures, Fraction]:
        """Return pictures for sounds, and their rate in frames per second."""
        ...


class BundleModel:
    """The `EvaluatedModel` of a bundle."""

    def __init__(
        self,
        name: str,
        *,
        device: str,
        sound: SampleConfig | None = None,
        pictures: SampleConfig = PICTURES,
        t_video: float | None = None,
        t_audio: float | None = None,
        extractors: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Load all weights. Settings of sound, and flow times of conditions, are the bundle's unless they are given.

        Raises BundleError where there is no such bundle, or it is damaged.
        """
        from avlink.core.bundles import find_bundle
        from avlink.engine.bundle import load_system, read_bundle
        from avlink.engine.sampling import SoundSampler

        bundle = read_bundle(find_bundle(name))
        # All components that the bundle has, as both directions may be evaluated.
        parts = {key.partition(".")[0] for key in bundle.tensors}
        self._system: System = load_system(bundle, parts, device)
        # Without a fusion, as where an aligner alone guides, the audio backbone generates by itself.
        sound = sound or bundle.sound
        linked = sound.use_fusion and not parts.isdisjoint({"fusion", "fusion_v2a"})
        self._config = replace(sound, t_condition=t_video or bundle.conditioning.t_video, use_fusion=linked)
        self._pictures = replace(pictures, t_condition=t_audio or bundle.conditioning.t_audio)
        self._given, self._device = extractors or {}, device
        sampler = SoundSampler(self._system, self._config, self._extractor("pictures"))
        self.sample_rate, self.picture = sampler.sample_rate, sampler.picture
        self.has_motion = self._system.motion is not None
        self.has_pictures = not parts.isdisjoint({"fusion_a2v", "fusion"})
        self.follows_hits = self._system.controller is not None

    @cache  # noqa: B019 (a model lives as long as its evaluation)
    def _extractor(self, medium: Described) -> FeatureExtractor | None:
        """Return the extractor that describes a medium to the model, loaded on first use; None if it reads none."""
        ready = fusion_extractor(self._system.config, self._given, medium=medium)
        return None if ready is None else ready.load(self._device)

    @property
    def system(self) -> System:
        """The loaded components, for scores of their inner values."""
        return self._system

    def generate(
        self,
        frames: Pictures,
        captions: Sequence[str] | None,
        seeds: Sequence[int],
        *,
        duration_s: Fraction,
        use_picture: bool = True,
        use_motion: bool = True,
        use_backbone: bool = True,
        hits: Sequence[tuple[Hit, ...]] | None = None,
        on_clip: OnClip | None = None,
    ) -> Sounds:
        """See `EvaluatedModel`."""
        from avlink.engine.sampling import SoundSampler

        config = replace(self._config, use_picture=use_picture, use_motion=use_motion, use_backbone=use_backbone)
        sampler = SoundSampler(self._system, config, self._extractor("pictures"))
        sounds = []
        for index, pixels in enumerate(frames):
            request = SoundRequest(
                frames=Frames(pixels=pixels, rate=self.picture.rate),
                duration_s=duration_s,
                prompt=Prompt(text=captions[index] if captions else ""),
                seed=int(seeds[index]),
                hits=None if hits is None else hits[index],
            )
            sounds.append(read_whole(sampler.generate([request])[0]).samples[0])
            if on_clip is not None:
                on_clip(index + 1)
        return np.stack(sounds)

    def codec(self, sounds: Sounds) -> Sounds:
        """See `EvaluatedModel`."""
        import torch

        codec, length = self._system.codec, sounds.shape[1]
        device = self._system.vae.latent_mean.device
        decoded = []
        for sound in sounds:
            wave = torch.from_numpy(np.ascontiguousarray(sound))[None].to(device)
            samples = codec.decode(codec.encode(wave))[0].float().cpu().numpy()
            # The codec works in whole latent tokens, so its sound may be longer or shorter than the original.
            decoded.append(np.pad(samples, (0, max(0, length - len(samples))))[:length])
        return np.stack(decoded)

    def visualize(
        self, sounds: Sounds, seeds: Sequence[int], *, on_clip: OnClip | None = None
    ) -> tuple[Pictures, Fraction]:
        """See `EvaluatedModel`."""
        from avlink.engine.sampling import PictureSampler

        sampler = PictureSampler(self._system, self._pictures, self._extractor("sound"))
        pictures = []
        for index, sound in enumerate(sounds):
            wave = Waveform(samples=np.ascontiguousarray(sound)[None], sample_rate=self.sample_rate)
            request = PictureRequest(sound=wave, duration_s=wave.duration_s, prompt=Prompt(), seed=int(seeds[index]))
            frames = sampler.generate([request])[0]
            pictures.append(frames.read(0, frames.num_frames))
            if on_clip is not None:
                on_clip(index + 1)
        return np.stack(pictures), sampler.picture.rate


def average_frames(frames: Pictures, factor: int) -> Pictures:
    """Average every `factor` frames into one, as a longer exposure would; frames of an incomplete group are dropped."""
    if factor == 1:
        return frames
    import torch

    from avlink.engine.pixels import lower_frame_rate

    whole = frames.shape[1] // factor * factor
    # One clip at a time: floats take four times the memory of bytes.
    clips = (torch.from_numpy(clip[:whole]).permute(0, 3, 1, 2)[None].float() for clip in frames)
    averaged = (lower_frame_rate(clip, factor)[0].round().to(torch.uint8).permute(0, 2, 3, 1) for clip in clips)
    return np.stack([clip.numpy() for clip in averaged])


def fit_materials(
    model: EvaluatedModel, sounds: Sequence[NDArray[np.float32]], labels: Sequence[str]
) -> MaterialClassifier:
    """Return a classifier fitted to true sounds of one material each, as they are and through the model's codec."""
    both = [*sounds, *model.codec(np.stack(sounds))]
    return MaterialClassifier.fit(both, model.sample_rate, [*labels, *labels])
