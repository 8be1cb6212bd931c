"""What stages take in: captions dropped, pictures mirrored and relit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.architecture import MelSpec
from avlink.engine.pixels import to_pixels
from avlink.engine.system import System
from avlink.training.data.clips import ClipStore

Validate = Callable[[], dict[str, float]]


def nothing() -> dict[str, float]:
    """The validation of a stage that has none."""
    return {}


def common(generator: torch.Generator) -> torch.Generator:
    """Where to draw what all ranks must agree on in a step: which layers run, and on how much."""
    shared: torch.Generator = getattr(generator, "common", generator)
    return shared


def noise_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Normal noise for `x`. A GPU draws it itself, seeded by `generator`: a CPU would take longer than the step."""
    if x.device.type == "cpu":
        return torch.randn(x.shape, generator=generator)
    there = torch.Generator(x.device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
    return torch.randn(x.shape, generator=there, device=x.device)


def device_of(system: System) -> torch.device:
    """Where a system computes."""
    return system.vae.latent_mean.device


def portion(count: int, share: float, generator: torch.Generator) -> int:
    """So many of `count` clips that they are `share` of all over many steps; the same for all ranks in a step."""
    whole = int(count * share)
    return whole + int(torch.rand((), generator=common(generator)).item() < count * share - whole)


def drop_text(captions: Sequence[str], chance: float, generator: torch.Generator) -> list[str]:
    """Captions, each emptied with probability `chance`."""
    dropped = torch.rand(len(captions), generator=generator) < chance
    return ["" if gone else caption for caption, gone in zip(captions, dropped.tolist(), strict=True)]


def crops(clips: ClipStore, indices: list[int], spec: MelSpec, frames: int, generator: torch.Generator) -> Tensor:
    """`frames` mel frames' worth of each clip's sound, (batch, samples), four times in five around one of its events.

    Most of a clip of foley is silence, from which nothing is learned twice. Gains of -12 to +6 dB: levels beyond those
    of the data must survive the codec.
    """
    sound = clips.sound(indices)
    where, which, inside = torch.rand(3, len(indices), generator=generator).tolist()
    samples = frames * spec.hop_samples
    rows = []
    for row, index in enumerate(indices):
        room = sound.shape[1] - samples
        start = int(where[row] * room)
        events = clips.notes[index].events
        if events and where[row] < 0.8:
            at = events[int(which[row] * len(events))][0] * spec.sample_rate
            start = min(max(0, int(at - inside[row] * samples)), room)
        rows.append(sound[row, start : start + samples])
    gain = 2.0 ** (3 * torch.rand(len(indices), 1, generator=generator) - 2)
    return torch.stack(rows) * gain


def picture_factor(system: System, clips: ClipStore) -> int:
    """How many stored frames make one frame of the video backbone."""
    return clips.fps // system.config.picture.fps


def pictures(clips: ClipStore, indices: list[int], generator: torch.Generator, device: torch.device) -> Tensor:
    """Pixels at the stored rate on `device`, half of the clips mirrored: left and right sound alike."""
    frames = clips.frames(indices)
    mirrored = torch.rand(len(indices), generator=generator) < 0.5
    frames[mirrored] = frames[mirrored].flip(-2)
    return to_pixels(frames.to(device))


def relight(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Exposure, white balance and black level of each clip changed a little. (The foundry draws its own noise.)."""
    count = pixels.shape[0]

    def draw(low: float, high: float, channels: int = 1) -> Tensor:
        return (low + (high - low) * torch.rand(count, 1, channels, 1, 1, generator=generator)).to(pixels.device)

    return pixels * (draw(0.7, 1.2) * draw(0.92, 1.08, 3)) + draw(-0.12, 0.12)


def reframe(pixels: Float[Tensor, "frames 3 height width"], generator: torch.Generator) -> Tensor:
    """Each frame shown a little larger or smaller, turned and shifted, as if the camera stood elsewhere."""
    count = pixels.shape[0]

    def draw(reach: float) -> Tensor:
        return (reach * (2 * torch.rand(count, generator=generator) - 1)).to(pixels.device)

    size, turn = torch.exp(draw(0.2)), draw(0.15)
    aspect = pixels.shape[-1] / pixels.shape[-2]
    cos, sin = size * torch.cos(turn), size * torch.sin(turn)
    # Rows of the matrix are in units of half a width and half a height.
    matrix = torch.stack((cos, -sin / aspect, draw(0.12), sin * aspect, cos, draw(0.12)), dim=1).reshape(count, 2, 3)
    grid = nn.functional.affine_grid(matrix, list(pixels.shape), align_corners=False)
    return nn.functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
