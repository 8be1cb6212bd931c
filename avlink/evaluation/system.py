"""What is measured: a model seen from outside, as arrays in and arrays out, and the one that a bundle holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from avlink.core.sound import read_whole
from avlink.core.values import Frames, PictureRequest, PictureSpec, Prompt, SoundRequest, Waveform
from avlink.evaluation.extracted import extractor_of
from avlink.metrics.material import MaterialClassifier

if TYPE_CHECKING:
    from avlink.engine.system import System as EngineSystem

Sounds = NDArray[np.float32]
"""(clips, samples) at the system's rate."""

Pictures = NDArray[np.uint8]
"""(clips, frames, height, width, 3), RGB."""

OnClip = Callable[[int], None]


class System(Protocol):
    """All that `avlink evaluate` asks of a model. Clips are answered one by one, each from its own seed."""

    sample_rate: int
    picture: PictureSpec
    """What `generate` takes."""
    has_motion: bool
    has_pictures: bool

    def generate(
        self,
        frames: Pictures,
        captions: Sequence[str] | None,
        seeds: Sequence[int],
        *,
        duration_s: Fraction,
        use_picture: bool = True,
        use_motion: bool = True,
        on_clip: OnClip | None = None,
    ) -> Sounds:
        """Sounds of `duration_s` for pictures at `picture`; `use_picture=False` asks the audio model alone."""
        ...

    def codec(self, sounds: Sounds) -> Sounds:
        """The sounds after VAE and vocoder, as long as they were: the best that can be generated."""
        ...

    def visualize(
        self, sounds: Sounds, seeds: Sequence[int], *, on_clip: OnClip | None = None
    ) -> tuple[Pictures, Fraction]:
        """Pictures for sounds, and their rate in frames per second."""
        ...


class BundleSystem:
    """The `System` of a bundle."""

    def __init__(
        self,
        name: str,
        *,
        device: str,
        steps: int,
        guidance: float,
        t_video: float = 0.96,
        t_audio: float = 0.8,
        extractors: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Load all weights. Raises BundleError where there is no such bundle, or it is damaged."""
        from avlink.core.bundles import find_bundle
        from avlink.engine.bundle import load_system, read_bundle
        from avlink.engine.sampling import SampleConfig, SoundSampler

        bundle = read_bundle(find_bundle(name))
        parts = {key.partition(".")[0] for key in bundle.tensors}
        self._system: EngineSystem = load_system(bundle, parts, device)
        self._config = SampleConfig(steps=steps, guidance=guidance, t_condition=t_video)
        self._t_audio = t_audio
        ready = extractor_of(bundle.config, extractors or {})
        self._extractor = None if ready is None else ready.load(device)
        sampler = SoundSampler(self._system, self._config, self._extractor)
        self.sample_rate, self.picture = sampler.sample_rate, sampler.picture
        self.has_motion = self._system.motion is not None
        self.has_pictures = not parts.isdisjoint({"fusion_a2v", "fusion"})

    @property
    def engine(self) -> EngineSystem:
        """The loaded parts, for what is measured inside of them."""
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
        on_clip: OnClip | None = None,
    ) -> Sounds:
        """See `System`."""
        from avlink.engine.sampling import SoundSampler

        config = replace(self._config, use_picture=use_picture, use_motion=use_motion)
        sampler = SoundSampler(self._system, config, self._extractor)
        made = []
        for index, pixels in enumerate(frames):
            request = SoundRequest(
                frames=Frames(pixels=pixels, rate=self.picture.rate),
                duration_s=duration_s,
                prompt=Prompt(text=captions[index] if captions else ""),
                seed=int(seeds[index]),
            )
            made.append(read_whole(sampler.generate([request])[0]).samples[0])
            if on_clip is not None:
                on_clip(index + 1)
        return np.stack(made)

    def codec(self, sounds: Sounds) -> Sounds:
        """See `System`."""
        import torch

        codec, length = self._system.codec, sounds.shape[1]
        device = self._system.vae.latent_mean.device
        made = []
        for sound in sounds:
            wave = torch.from_numpy(np.ascontiguousarray(sound))[None].to(device)
            heard = codec.decode(codec.encode(wave))[0].float().cpu().numpy()
            made.append(np.pad(heard, (0, max(0, length - len(heard))))[:length])
        return np.stack(made)

    def visualize(
        self, sounds: Sounds, seeds: Sequence[int], *, on_clip: OnClip | None = None
    ) -> tuple[Pictures, Fraction]:
        """See `System`."""
        from avlink.engine.sampling import PictureSampler

        sampler = PictureSampler(self._system, replace(self._config, t_condition=self._t_audio))
        made = []
        for index, sound in enumerate(sounds):
            wave = Waveform(samples=np.ascontiguousarray(sound)[None], sample_rate=self.sample_rate)
            request = PictureRequest(sound=wave, duration_s=wave.duration_s, prompt=Prompt(), seed=int(seeds[index]))
            frames = sampler.generate([request])[0]
            made.append(frames.read(0, frames.num_frames))
            if on_clip is not None:
                on_clip(index + 1)
        return np.stack(made), sampler.picture.rate


def slower(frames: Pictures, factor: int) -> Pictures:
    """Every `factor` frames averaged into one, as a camera with a longer exposure would see them."""
    if factor == 1:
        return frames
    whole = frames.shape[1] // factor * factor
    grouped = frames[:, :whole].reshape(len(frames), -1, factor, *frames.shape[2:])
    return np.stack([clip.mean(axis=1).round().astype(np.uint8) for clip in grouped])


def fit_materials(system: System, sounds: Sequence[NDArray[np.float32]], labels: Sequence[str]) -> MaterialClassifier:
    """A classifier fitted to true sounds of one material each, as they are and through the system's codec."""
    both = [*sounds, *system.codec(np.stack(sounds))]
    return MaterialClassifier.fit(both, system.sample_rate, [*labels, *labels])
