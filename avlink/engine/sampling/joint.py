"""Sound and pictures at once, both from noise, for a model whose shared fusion was trained for it (section 4.4)."""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor

from avlink.core.clock import to_index
from avlink.core.errors import InputError
from avlink.core.sampling import SampleConfig
from avlink.core.values import Frames, OnStep, Prompt, Waveform
from avlink.engine.avlink import AVLink
from avlink.engine.flow.solver import guide, solve
from avlink.engine.pixels import to_bytes
from avlink.engine.sampling.base import SHORTEST_S, Sampler
from avlink.engine.system import System


class JointSampler(Sampler):
    """Sound and pictures for a prompt, of a training window at most. Both modalities share one flow time."""

    def __init__(self, system: System, config: SampleConfig) -> None:
        """Link the model; raises InputError if it has a fusion for each direction instead of a shared one."""
        super().__init__(system, config)
        self.model: AVLink = system.linked("both")
        self.longest_s = Fraction(system.config.picture.frames, system.config.picture.fps)

    @torch.no_grad()
    def generate(
        self, prompt: Prompt, seed: int, *, duration_s: Fraction | None = None, on_step: OnStep | None = None
    ) -> tuple[Waveform, Frames]:
        """Return mono sound and RGB pictures of `duration_s`, by default of a training window, which is the longest.

        Raises InputError beyond that.
        """
        config = self.system.config
        picture = config.picture
        tokens, frames = config.window_tokens, picture.frames
        if duration_s is not None:
            if duration_s > self.longest_s:
                raise InputError(f"sound and pictures at once last {float(self.longest_s):g} s at most")
            # Rounded up, and cut below.
            tokens = min(tokens, -int(-max(float(duration_s), SHORTEST_S) * self.rate // 1))
            frames = min(frames, picture.frames_of(max(float(duration_s), SHORTEST_S)))
        sizes = (
            (1, tokens, config.vae.latent_channels),
            (1, frames, 3, picture.height, picture.width),
        )
        generator = torch.Generator().manual_seed(seed)
        noise = [torch.randn(size, generator=generator).to(self.device) for size in sizes]
        texts = self._texts(prompt.text), self._texts(prompt.negative)

        def velocity(state: Tensor, t: float) -> Tensor:
            weight = self._guidance(t)
            # (1,), for both: with one flow time each side sees the other as noisy as itself, as in training.
            times = self._times(t, 1)
            a_t, v_t = (x.reshape(size) for x, size in zip(_split(state, noise), sizes, strict=True))
            with self._precision():
                seen = [
                    self.model("both", a_t, v_t, t_a=times, t_v=times, text_a=of_sound, text_v=of_picture)
                    # The last of a guidance of 1 is the first: there is nothing to guide away from.
                    for of_sound, of_picture in (texts if weight != 1 else texts[:1])
                ]
            keep, drop = (_join([side.audio, side.video]) for side in (seen[0], seen[-1]))
            return guide(keep, drop, weight)

        # One vector of both, as each velocity depends on both states.
        end = _split(solve(velocity, _join(noise), self.plan, on_step), noise)
        a_1, v_1 = (x.reshape(size) for x, size in zip(end, sizes, strict=True))
        samples = self.system.codec.decode(a_1).clamp(-1, 1).float().cpu().numpy()
        pixels, rate = to_bytes(v_1[0]), config.mel.sample_rate
        if duration_s is not None:
            samples = samples[:, : to_index(duration_s, rate)]
            pixels = pixels[: max(1, to_index(duration_s, Fraction(picture.fps)))]
        return Waveform(samples=samples, sample_rate=rate), Frames(pixels=pixels, rate=Fraction(picture.fps))


def _join(parts: list[Tensor]) -> Tensor:
    return torch.cat([part.flatten().float() for part in parts])


def _split(state: Tensor, like: list[Tensor]) -> tuple[Tensor, ...]:
    return torch.split(state, [part.numel() for part in like])
