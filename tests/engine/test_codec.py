"""Mel, VAE and vocoders: lengths, inverses, alignment, and sound of any length."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from avlink.core.architecture import GriffinLimConfig, HiFiGANConfig, MelSpec, VocosConfig
from avlink.engine.codec.mel import LogMel
from avlink.engine.codec.vocoder import build_vocoder
from avlink.engine.system import System

sys.path.insert(0, str(Path(__file__).parent))
from tiny import TINY

SPEC = MelSpec()


def _hit(at: int, samples: int = 16000) -> torch.Tensor:
    time = torch.arange(samples - at) / 16000
    sound = torch.zeros(1, samples)
    sound[0, at:] = 0.5 * torch.sin(2 * torch.pi * 700 * time) * torch.exp(-time / 0.05)
    return sound


@pytest.mark.parametrize("samples", [160, 1600, 82560, 82559])
def test_one_mel_frame_per_hop(samples: int) -> None:
    assert LogMel(SPEC)(torch.randn(2, samples)).shape == (2, 64, samples // 160)


def test_scaled_mel_is_minus_one_in_silence_and_louder_is_higher() -> None:
    mel = LogMel(SPEC)
    torch.testing.assert_close(mel(torch.zeros(1, 1600)), torch.full((1, 64, 10), -1.0), atol=1e-5, rtol=0)
    assert mel(_hit(0))[0].mean() < mel(2 * _hit(0))[0].mean()


def test_amplitudes_invert_the_logarithm() -> None:
    mel = LogMel(SPEC)
    values = mel(_hit(0))
    torch.testing.assert_close(
        mel.amplitudes(values), (mel.filters.T @ mel.magnitudes(_hit(0))).clamp(min=SPEC.floor), rtol=1e-3, atol=1e-6
    )


@pytest.mark.parametrize(
    "config",
    [
        VocosConfig(dim=32, layers=1),
        HiFiGANConfig(channels=32, resblock_kernels=(3,), dilations=((1,),)),
        GriffinLimConfig(iterations=4),
    ],
)
@torch.no_grad()
def test_vocoders_make_a_hop_a_frame(config: VocosConfig | HiFiGANConfig | GriffinLimConfig) -> None:
    sound = build_vocoder(config, SPEC)(torch.rand(2, 64, 33) * 2 - 1)
    assert sound.shape == (2, 33 * 160) and torch.isfinite(sound).all()


def test_hifigan_refuses_rates_that_do_not_make_the_hop() -> None:
    with pytest.raises(ValueError, match="hop is 160"):
        build_vocoder(HiFiGANConfig(rates=(4, 4), kernels=(8, 8)), SPEC)


def test_griffin_lim_neither_delays_nor_forgets() -> None:
    real = _hit(8000)
    made = build_vocoder(GriffinLimConfig(), SPEC)(LogMel(SPEC)(real))
    energy = made[0].square().cumsum(0) / made.square().sum()
    start = int((energy > 0.02).nonzero()[0])
    assert abs(start - 8000) < 120
    assert (LogMel(SPEC)(made) - LogMel(SPEC)(real)).abs().mean() < 0.05


@torch.no_grad()
def test_vocos_inverts_a_true_spectrum() -> None:
    """Overlap-add against the analysis of `LogMel`: with the true spectrum in, the sound comes out."""
    vocos = build_vocoder(VocosConfig(dim=32, layers=1), SPEC)
    sound = torch.randn(1, 8000)
    pad = (1024 - 160) // 2
    padded = torch.nn.functional.pad(sound, (pad, pad))
    spectrum = torch.stft(padded, 1024, 160, window=torch.hann_window(1024), center=False, return_complex=True)
    vocos.spectrum = lambda mel: spectrum  # type: ignore[method-assign,assignment]
    made = vocos(torch.zeros(1, 64, 50))
    torch.testing.assert_close(made[:, 600:-600], sound[:, 600:-600], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("samples", [1300, 12345, 82560, 200_000])
@torch.no_grad()
def test_codec_keeps_every_started_token(samples: int) -> None:
    codec = System(TINY).eval().codec
    latents = codec.encode(torch.randn(1, samples) * 0.1)
    tokens = -(-samples // 640)
    assert latents.shape == (1, tokens, 4)
    assert codec.decode(latents).shape == (1, tokens * 640)


@torch.no_grad()
def test_decoding_in_blocks_is_decoding_at_once() -> None:
    codec = System(TINY).eval().codec
    latents = torch.randn(1, 700, 4)
    blocks = list(codec.decode_blocks(latents))
    assert len(blocks) == 6
    at_once = codec.vocoder(codec.decode_mel(latents))
    torch.testing.assert_close(torch.cat(blocks, dim=1), at_once, atol=1e-5, rtol=1e-4)
