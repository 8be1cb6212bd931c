"""Inputs of stages: noise, dropped captions, crops of sound, augmented pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.codec_config import MelSpec
from avlink.engine.pixels import to_pixels
from avlink.engine.system import System
from avlink.training.data.clips import ClipStore

Validate = Callable[[], dict[str, float]]


def no_validation() -> dict[str, float]:
    """Return no figures."""
    return {}


def common(generator: torch.Generator) -> torch.Generator:
    """Return the generator that is the same on all ranks: they must run the same layers on the same shapes."""
    # Tests and single processes pass plain generators.
    shared: torch.Generator = getattr(generator, "common", generator)
    return shared


def noise_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return normal noise of the shape of `x`, on its device."""
    if x.device.type == "cpu":
        return torch.randn(x.shape, generator=generator)
    # Drawn on the GPU: a CPU would take longer for it than the step does.
    # Seeded from the stream of the step, which a resumed run draws again.
    there = torch.Generator(x.device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
    return torch.randn(x.shape, generator=there, device=x.device)


def device_of(system: System) -> torch.device:
    """Return the device of a system."""
    return system.vae.latent_mean.device


def random_count(count: int, share: float, generator: torch.Generator) -> int:
    """Round `count` * `share` up or down at random, so that its mean is exact; the same on all ranks in a step."""
    whole = int(count * share)
    return whole + int(torch.rand((), generator=common(generator)).item() < count * share - whole)


def drop_text(captions: Sequence[str], chance: float, generator: torch.Generator) -> list[str]:
    """Return captions, each emptied with probability `chance`, for classifier-free guidance."""
    dropped = torch.rand(len(captions), generator=generator) < chance
    return ["" if drop else caption for caption, drop in zip(captions, dropped.tolist(), strict=True)]


def sound_crops(clips: ClipStore, indices: list[int], spec: MelSpec, frames: int, generator: torch.Generator) -> Tensor:
    """Return a crop of `frames` mel frames of each clip's sound, (batch, samples), at a gain of -12 to +6 dB."""
    sound = clips.sound(indices)
    # For a crop without event its place, and the choice of the kind; for the others the event, and its place in the
    # crop.
    where, which, inside = torch.rand(3, len(indices), generator=generator).tolist()
    samples = frames * spec.hop_samples
    rows = []
    for row, index in enumerate(indices):
        room = sound.shape[1] - samples
        start = int(where[row] * room)
        events = clips.labels[index].events
        # Most of a clip of foley is silence: four crops in five hold an event.
        if events and where[row] < 0.8:
            at = events[int(which[row] * len(events))][0] * spec.sample_rate
            start = min(max(0, int(at - inside[row] * samples)), room)
        rows.append(sound[row, start : start + samples])
    # The codec must also reproduce levels beyond those of the data.
    gain = 2.0 ** (3 * torch.rand(len(indices), 1, generator=generator) - 2)
    return torch.stack(rows) * gain


def frames_per_picture(system: System, clips: ClipStore) -> int:
    """Return the number of stored frames that are averaged to one frame of the video backbone."""
    return clips.fps // system.config.picture.fps


def augmented_pixels(clips: ClipStore, indices: list[int], generator: torch.Generator, device: torch.device) -> Tensor:
    """Return pixels at the stored rate on `device`, half of the clips mirrored: left and right sound alike."""
    frames = clips.frames(indices)
    mirrored = torch.rand(len(indices), generator=generator) < 0.5
    frames[mirrored] = frames[mirrored].flip(-2)
    return to_pixels(frames.to(device))


def jitter_colour(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Change exposure, white balance and black level of each clip a little."""
    count = pixels.shape[0]

    def draw(low: float, high: float, channels: int = 1) -> Tensor:
        return (low + (high - low) * torch.rand(count, 1, channels, 1, 1, generator=generator)).to(pixels.device)

    # Pixels are in [-1, 1]: the factor changes contrast about mid grey, the sum brightness.
    return pixels * (draw(0.7, 1.2) * draw(0.92, 1.08, 3)) + draw(-0.12, 0.12)


def random_affine(pixels: Float[Tensor, "frames 3 height width"], generator: torch.Generator) -> Tensor:
    """Scale, rotate and shift each frame a little, as if the camera stood elsewhere."""
    count = pixels.shape[0]

    def draw(reach: float) -> Tensor:
        return (reach * (2 * torch.rand(count, generator=generator) - 1)).to(pixels.device)

    # Log-uniform: shrinking is as likely as enlarging.
    size, turn = torch.exp(draw(0.2)), draw(0.15)
    aspect = pixels.shape[-1] / pixels.shape[-2]
    cos, sin = size * torch.cos(turn), size * torch.sin(turn)
    # affine_grid counts in half widths and half heights, so a rotation must be corrected for the aspect ratio.
    matrix = torch.stack((cos, -sin / aspect, draw(0.12), sin * aspect, cos, draw(0.12)), dim=1).reshape(count, 2, 3)
    grid = nn.functional.affine_grid(matrix, list(pixels.shape), align_corners=False)
    # Reflection: black borders would tell that a picture was moved.
    return nn.functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
