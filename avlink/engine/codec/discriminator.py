"""Discriminators of recorded and decoded sound, on complex spectrograms at several resolutions (EnCodec, 2022)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

_FLOOR = 1e-5


class STFTDiscriminator(nn.Module):
    """Convolutions on the STFT of one window length, whose strides are mostly along frequency."""

    window: Tensor

    def __init__(self, n_fft: int, channels: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        # Compressed real and imaginary part, and the log magnitude.
        shapes = [
            (3, channels, (7, 3), (4, 1)),
            (channels, 2 * channels, (5, 3), (4, 2)),
            (2 * channels, 2 * channels, (5, 3), (2, 2)),
            (2 * channels, 2 * channels, (3, 3), (1, 1)),
        ]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, kernel, stride, (kernel[0] // 2, kernel[1] // 2)) for a, b, kernel, stride in shapes
        )
        self.score = nn.Conv2d(2 * channels, 1, 3, padding=1)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, sound: Float[Tensor, "batch samples"]) -> tuple[Tensor, list[Tensor]]:
        """Return scores, (batch, 1, bands, frames), and the activations of all layers."""
        spectrum = torch.stft(sound.float(), self.n_fft, self.n_fft // 4, window=self.window, return_complex=True)
        # A full-scale sine has magnitude 1.
        parts = torch.view_as_real(spectrum) * (4 / self.n_fft)
        magnitude = (parts.square().sum(-1) + _FLOOR**2).sqrt()
        # Magnitudes to the power of 0.3: quiet bins count too.
        pressed = parts * magnitude.pow(-0.7)[..., None]
        x = torch.stack((pressed[..., 0], pressed[..., 1], magnitude.log() / 4 + 1), dim=1)
        activations = []
        for layer in self.layers:
            x = leaky_relu(layer(x), 0.1)
            activations.append(x)
        return self.score(x), activations


class Discriminator(nn.Module):
    """One `STFTDiscriminator` for each window length."""

    def __init__(self, sizes: tuple[int, ...] = (2048, 1024, 512), channels: int = 16) -> None:
        super().__init__()
        self.parts = nn.ModuleList(STFTDiscriminator(n_fft, channels) for n_fft in sizes)

    def forward(self, sound: Float[Tensor, "batch samples"]) -> list[tuple[Tensor, list[Tensor]]]:
        """Return the scores and activations of each part."""
        return [part(sound) for part in self.parts]


Judgement = list[tuple[Tensor, list[Tensor]]]


def discriminator_loss(true: Judgement, made: Judgement) -> Float[Tensor, ""]:
    """Return the hinge loss of scores of true and of decoded sound."""
    losses = [(1 - a).relu().mean() + (1 + b).relu().mean() for (a, _), (b, _) in zip(true, made, strict=True)]
    return torch.stack(losses).mean()


def adversarial_losses(true: Judgement, made: Judgement) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return what decoded sound lacks in score, and the L1 distance of activations (feature matching)."""
    fooled = torch.stack([-score.mean() for score, _ in made]).mean()
    distances = [
        (b - a.detach()).abs().mean() / (a.detach().abs().mean() + 1e-3)
        for (_, ours), (_, theirs) in zip(true, made, strict=True)
        for a, b in zip(ours, theirs, strict=True)
    ]
    return fooled, torch.stack(distances).mean()
