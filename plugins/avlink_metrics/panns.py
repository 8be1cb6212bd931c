"""PANNs' Cnn14 at 16 kHz (Kong et al. 2020): 2048 features and 527 logits of AudioSet's classes for a whole sound.

Key layout of `Cnn14_16k_mAP=0.438.pth`: `spectrogram_extractor.stft.conv_real`, `logmel_extractor.melW`, `bn0`,
`conv_block1` to `conv_block6`, `fc1`, `fc_audioset`. Its windowed Fourier bases and mel filter bank are weights too.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional

from avlink import Content, Features
from avlink.hooks import ExtractorOptions
from avlink_metrics.sound import mono
from avlink_metrics.weights import Shapes, fill, open_weights

HOP = 160
_BLOCKS = 6
_LEAST_FRAMES = 32
"""The shortest input: five poolings by 2 leave one frame."""


class _ConvBlock(nn.Module):
    def __init__(self, shapes: Shapes, prefix: str) -> None:
        super().__init__()
        out, into, *_ = shapes.of(f"{prefix}.conv1.weight", 4)
        self.conv1 = nn.Conv2d(into, out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x)))


class Cnn14(nn.Module):
    """Maps (sounds, samples) to features (sounds, 2048) and logits (sounds, 527)."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        bins, _, window = shapes.of("spectrogram_extractor.stft.conv_real.weight", 3)
        bands = shapes.of("logmel_extractor.melW", 2)[1]
        self.spectrogram_extractor = nn.Module()
        self.spectrogram_extractor.stft = stft = nn.Module()
        # torchlibrosa computes the STFT as two convolutions with windowed sines and cosines, kept in the checkpoint.
        stft.conv_real = nn.Conv1d(1, bins, window, stride=HOP, bias=False)
        stft.conv_imag = nn.Conv1d(1, bins, window, stride=HOP, bias=False)
        self.logmel_extractor = nn.Module()
        self.logmel_extractor.melW = nn.Parameter(torch.empty(bins, bands))
        self.bn0 = nn.BatchNorm2d(bands)
        self._window = window
        for number in range(1, _BLOCKS + 1):
            self.add_module(f"conv_block{number}", _ConvBlock(shapes, f"conv_block{number}"))
        out, into = shapes.of("fc1.weight", 2)
        self.fc1 = nn.Linear(into, out)
        self.fc_audioset = nn.Linear(out, shapes.of("fc_audioset.weight", 2)[0])

    def log_mel(self, sounds: Tensor) -> Tensor:
        """Return 10 lg of mel power, at least 1e-10, (sounds, frames, bands); windows are centred, ends reflected."""
        half = self._window // 2
        padded = functional.pad(sounds[:, None], (half, half), mode="reflect")
        stft = self.spectrogram_extractor.get_submodule("stft")
        power = stft.get_submodule("conv_real")(padded) ** 2 + stft.get_submodule("conv_imag")(padded) ** 2
        mel = power.transpose(1, 2) @ self.logmel_extractor.get_parameter("melW")
        return 10 * torch.log10(mel.clamp(min=1e-10))

    def forward(self, sounds: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        x = self.log_mel(sounds)[:, None]
        # bn0 normalises each mel band, so bands are its channels.
        x = self.bn0(x.transpose(1, 3)).transpose(1, 3)
        for number in range(1, _BLOCKS + 1):
            x = self.get_submodule(f"conv_block{number}")(x)
            if number < _BLOCKS:
                x = functional.avg_pool2d(x, 2)
        # Mean over bands, then maximum plus mean over time, as in the paper's Cnn14.
        x = x.mean(dim=3)
        embedding = functional.relu(self.fc1(x.amax(dim=2) + x.mean(dim=2)))
        return embedding, self.fc_audioset(embedding)


class PannsExtractor:
    """Returns "embedding": (1, 2048); "logits": (1, 527), before the sigmoid."""

    sample_rate: int | None = 16000
    frame_rate: Fraction | None = None
    side: int | None = None

    def __init__(self, network: Cnn14, device: str) -> None:
        self._network, self._device = network, device

    @torch.inference_mode()
    def extract(self, content: Content) -> Mapping[str, Features]:
        """See the class. A sound of less than 0.31 s is padded with silence."""
        sound = mono(content, 16000)
        least = _LEAST_FRAMES * HOP
        sound = functional.pad(sound, (0, max(0, least - len(sound))))
        embedding, logits = self._network(sound[None].to(self._device))
        return {"embedding": Features(rows=embedding.cpu().numpy()), "logits": Features(rows=logits.cpu().numpy())}


def load_panns(options: ExtractorOptions, device: str) -> PannsExtractor:
    """Return the extractor. Raises BundleError if the file holds something else."""
    shapes = open_weights(options.checkpoint, "Cnn14 of PANNs")
    return PannsExtractor(fill(Cnn14(shapes), shapes, device), device)
