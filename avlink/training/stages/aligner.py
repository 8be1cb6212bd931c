"""The aligner's stage: a clip's own sound against the sound of others, and against itself at another time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avlink.core.errors import InputError
from avlink.engine.flow.path import sample_path
from avlink.engine.nn.aligner import alignment
from avlink.engine.pixels import lower_frame_rate, to_pixels
from avlink.engine.system import System
from avlink.engine.train.loop import step_generator
from avlink.engine.train.ranks import share_out
from avlink.training.data.clips import ClipStore
from avlink.training.data.precomputed import Precomputed
from avlink.training.stages.inputs import (
    Validate,
    augmented_pixels,
    device_of,
    frames_per_picture,
    jitter_colour,
    no_validation,
    noise_like,
)

_APART_S = 0.3
"""The least shift of a clip's own sound that must be told apart: smaller ones do not show in six pictures a second."""
_SHIFTED = 3
"""Shifted stretches of each clip's own sound."""
_STRETCH = 0.6
"""Share of a clip that is compared; the rest is room for shifts."""
_CLEAN = 0.25
"""Share of the steps on clean latents, where predicted data is read; the others take any flow time."""
_DRAWS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _AlignedPairs:
    """Pictures of a stretch of each clip, and latents of sound: the true ones, then shifted ones of the same clips."""

    pixels: Float[Tensor, "batch frames 3 height width"]
    true: Float[Tensor, "batch tokens channels"]
    shifted: Float[Tensor, "batch shifts tokens channels"]


class AlignerStage:
    """An aligner: InfoNCE among the clips of a batch and shifts of each, on latents at all flow times.

    Contrasts in time, besides those between clips, are those of CAVP (Diff-Foley, Luo et al. 2023). The batch is that
    of a forward pass: a `micro_batch` has fewer clips to tell apart. `loss` raises InputError for clips that are too
    short to be shifted.
    """

    name = "aligner"

    def __init__(
        self, system: System, clips: ClipStore, latents: Precomputed, validate: Validate = no_validation
    ) -> None:
        assert system.aligner is not None
        self.aligner, self.clips, self.latents, self.num_clips = system.aligner, clips, latents, len(clips)
        self.trained: dict[str, nn.Module] = {"aligner": system.aligner}
        self.frozen: tuple[nn.Module, ...] = ()
        self.validate, self.device = validate, device_of(system)
        self.factor = frames_per_picture(system, clips)
        self.tokens_per_frame = system.config.tokens_per_second / clips.fps
        self.apart = math.ceil(_APART_S * clips.fps)

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        pixels = jitter_colour(augmented_pixels(self.clips, indices, generator, self.device), generator)
        pairs = self._pairs(pixels, indices, _SHIFTED, generator)
        # One flow time for all: a cleaner sound would be told from noisier ones by that.
        clean, drawn = torch.rand(2, generator=generator).tolist()
        t = 1.0 if clean < _CLEAN else drawn
        picture = self.aligner.see(pairs.pixels)
        heard = self._hear(torch.cat((pairs.true[:, None], pairs.shifted), dim=1), t, generator)
        both = min(picture.shape[1], heard.shape[2])
        picture, heard = picture[:, :both], heard[:, :, :both]
        scale = self.aligner.sharpness.exp().clamp(max=100) / both
        # In fp32: bfloat16 would round away the small differences of shifted sounds.
        with torch.autocast(self.device.type, enabled=False):
            others = scale * einsum(picture, heard[:, 0], "i moments space, j moments space -> i j")
            shifted = scale * einsum(picture, heard[:, 1:], "i moments space, i k moments space -> i k")
        choices, own = torch.cat((others, shifted), dim=1), torch.arange(len(indices), device=self.device)
        # Each picture chooses its sound among all; each sound its picture among those of the batch.
        total = (cross_entropy(choices, own) + cross_entropy(others.T, own)) / 2
        return {"total": total, "accuracy": (choices.argmax(1) == own).float().mean()}

    def compare(self, index: int, other: int, t: float, generator: torch.Generator) -> tuple[float, float, float]:
        """Return the alignment of a clip's pictures with its true sound, with another clip's, and with it shifted."""
        pixels = to_pixels(self.clips.frames([index, other]).to(self.device))
        pairs = self._pairs(pixels, [index, other], 1, generator)
        sounds = torch.cat((pairs.true, pairs.shifted[0]))[:, None]
        heard = self._hear(sounds, t, generator)[:, 0]
        found = alignment(heard, self.aligner.see(pairs.pixels[:1]).expand(len(heard), -1, -1)).tolist()
        return found[0], found[1], found[2]

    def _hear(
        self, x_1: Float[Tensor, "batch sounds tokens channels"], t: float, generator: torch.Generator
    ) -> Float[Tensor, "batch sounds moments space"]:
        flat = rearrange(x_1, "batch sounds tokens channels -> (batch sounds) tokens channels")
        times = torch.full((len(flat),), t, device=self.device)
        heard = self.aligner.hear(sample_path(noise_like(flat, generator), flat, times).x_t, times)
        return rearrange(heard, "(batch sounds) moments space -> batch sounds moments space", batch=len(x_1))

    def _pairs(self, pixels: Tensor, indices: list[int], shifts: int, generator: torch.Generator) -> _AlignedPairs:
        """Return stretches of `pixels` at the stored rate from random places, with their sound and `shifts` others."""
        # Stretches are cut from the inputs. Vectors of whole clips, moved against each other, would be told apart by
        # the padding of the layers, which shows where a clip begins and ends.
        frames = max(1, round(_STRETCH * pixels.shape[1] / self.factor)) * self.factor
        room = pixels.shape[1] - frames
        if room < 2 * self.apart:
            seconds = 2 * self.apart / self.clips.fps / (1 - _STRETCH)
            raise InputError(f"stage 'aligner' shifts sound by {_APART_S} s: it needs clips of {seconds:.1f} s or more")
        starts = torch.randint(room + 1, (len(indices),), generator=generator)
        latents = self.latents[indices].to(self.device)
        sounds = []
        for clip, at in zip(latents, starts.tolist(), strict=True):
            places = (at, *self._elsewhere(at, room, shifts, generator))
            sounds.append(torch.stack([self._stretch(clip, start, frames) for start in places]))
        seen = torch.stack([clip[at : at + frames] for clip, at in zip(pixels, starts.tolist(), strict=True)])
        cut = torch.stack(sounds)
        return _AlignedPairs(pixels=lower_frame_rate(seen, self.factor), true=cut[:, 0], shifted=cut[:, 1:])

    def _elsewhere(self, at: int, room: int, shifts: int, generator: torch.Generator) -> list[int]:
        """Return the first frames of stretches that are at least `_APART_S` from the one at `at`."""
        far = [start for start in range(room + 1) if abs(start - at) >= self.apart]
        return [far[int(share * len(far))] for share in torch.rand(shifts, generator=generator).tolist()]

    def _stretch(
        self, latents: Float[Tensor, "tokens channels"], start: int, frames: int
    ) -> Float[Tensor, "length channels"]:
        length = int(frames * self.tokens_per_frame)
        first = min(round(start * self.tokens_per_frame), len(latents) - length)
        return latents[first : first + length]


@torch.no_grad()
def told_apart(stage: AlignerStage) -> dict[str, float]:
    """Accuracy of preferring a clip's true sound to another clip's, and to itself at another time; chance is .5.

    At flow time 1, and at 0.5 (`_noisy`), with random draws that are the same every time. A single clip has no other:
    it is compared with itself from another place.
    """
    count = stage.num_clips
    if not count:
        return {}

    def wins(index: int) -> list[float]:
        found = []
        for draw in range(_DRAWS):
            other = (index + 1 + draw % max(1, count - 1)) % count
            for t in (1.0, 0.5):
                generator = step_generator("told apart", draw, index)
                true, others, shifted = stage.compare(index, other, t, generator)
                # Of two sounds that are alike, such as silent ones, either is right.
                found += [0.5 + 0.5 * ((true > wrong) - (true < wrong)) for wrong in (others, shifted)]
        return found

    table = torch.tensor(share_out(count, wins)).reshape(count * _DRAWS, 4).mean(0).tolist()
    return dict(zip(("other", "shifted", "other_noisy", "shifted_noisy"), table, strict=True))
