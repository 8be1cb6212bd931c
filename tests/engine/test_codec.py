"""Mel, VAE and vocoders: lengths, inverses, alignment, and sound of any length."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from avlink.core.architecture import AVLinkConfig
from avlink.core.codec_config import ConvNeXtVAEConfig, GriffinLimConfig, HiFiGANConfig, MelSpec, VocosConfig
from avlink.engine.codec.mel import LogMel
from avlink.engine.codec.vae import MelVAE
from avlink.engine.codec.vocoder import Vocos, build_vocoder, white_noise
from avlink.engine.sampling.sound import soft_limited
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
    vocos.spectrum = lambda mel: (spectrum, None)  # type: ignore[method-assign,assignment]
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


WIDE = MelSpec(sample_rate=48000, n_fft=1920, hop_samples=480, n_mels=128, fmax_hz=24000.0, floor=5e-5, ceiling=20.0)
NOISY = VocosConfig(dim=32, layers=1, head_frames=2, mel_base=True, noise=True)


@pytest.mark.parametrize(("start", "samples"), [(0, 10), (65530, 20), (131072, 65536), (70000, 200_000)])
def test_white_noise_is_one_signal_wherever_it_is_cut(start: int, samples: int) -> None:
    torch.testing.assert_close(white_noise(start, samples), white_noise(0, start + samples)[:, start:], atol=0, rtol=0)


@torch.no_grad()
def test_an_untrained_vocoder_with_a_mel_base_makes_noise_of_that_mel() -> None:
    """Noise of any colour and loudness: its mel comes back without a bias in any band or at any time."""
    torch.manual_seed(0)
    mel = LogMel(WIDE)
    noise = torch.randn(8, 96000)
    colour = torch.fft.irfft(torch.fft.rfft(noise) / (1 + torch.arange(48001) / 2000), n=96000)
    true = mel(colour * torch.linspace(0.003, 0.3, 96000))
    vocoder = build_vocoder(NOISY, WIDE)
    assert isinstance(vocoder, Vocos)
    vocoder.out.weight.zero_()
    # Both parts start with half of the power: all of it as noise, for the tonal part is no noise.
    bias = vocoder.out.bias.view(2, 3, -1)
    bias[:, 0], bias[:, 2] = -20.0, bias[:, 2] + 0.5 * math.log(2)
    decibels = (mel(vocoder(true)) - true)[..., 4:-4] * mel.scale * 20 / math.log(10)
    assert decibels.mean().abs() < 0.3
    # Below the width of a bin bands share one: their means are looser.
    assert decibels.mean((0, 2)).abs().max() < 2.0
    assert decibels.mean((0, 1)).reshape(8, -1).mean(1).abs().max() < 0.6


@torch.no_grad()
def test_corrections_bring_a_sound_to_its_mel_whatever_the_network_has_learned() -> None:
    """Of hits in near silence, through untrained weights: 1 dB from the mel, where it is 4 times as far without."""
    torch.manual_seed(0)
    mel = LogMel(WIDE)
    sound = torch.randn(4, 96000) * 1e-3
    for at in (9600, 40000, 70000):
        sound[:, at:] += torch.randn(4, 96000 - at) * torch.exp(-torch.arange(96000 - at) / 2400) * 0.3
    true = mel(sound)
    errors = []
    for corrections in (0, 3):
        vocoder = build_vocoder(NOISY.model_copy(update={"corrections": corrections}), WIDE)
        made = vocoder(true)
        assert made.shape == sound.shape and torch.isfinite(made).all()
        errors.append(float((mel(made) - true).abs().mean() * mel.scale * 20 / math.log(10)))
    assert errors[1] < 1.5 and errors[1] < 0.5 * errors[0]
    # Silence stays silent, where noise at the floor of the mel would hiss at -86 dB.
    sound[:, 48000:] = 0.0
    silent = vocoder(mel(sound))[:, 49000:]
    assert 20 * math.log10(float(silent.square().mean().sqrt()) + 1e-12) < -110


@torch.no_grad()
def test_blocks_of_noise_join_without_a_seam() -> None:
    config = TINY.model_copy(
        update={"vocoder": VocosConfig(dim=32, layers=1, mel_base=True, noise=True, corrections=2)}
    )
    codec = System(AVLinkConfig.model_validate(config.model_dump())).eval().codec
    latents = torch.randn(2, 700, 4)
    at_once = codec.vocoder(codec.decode_mel(latents))
    torch.testing.assert_close(codec.decode(latents), at_once, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_convnext_vae_keeps_a_hit_from_the_silence_far_from_it() -> None:
    """Latents and mels depend on near frames alone, and there is one token for `downsampling` frames."""
    torch.manual_seed(0)
    config = ConvNeXtVAEConfig(
        kind="convnext", dim=16, encoder_layers=2, decoder_layers=2, fine_dim=16, downsampling=4, latent_channels=6
    )
    vae = MelVAE(config, 64).eval()
    mel = torch.rand(1, 64, 400) - 1
    hit = mel.clone()
    hit[..., 200] = 1.0
    latents, other = vae.encode(mel), vae.encode(hit)
    assert latents.shape == (1, 100, 6)
    changed = (latents - other).abs().amax((0, 2)) > 0
    assert changed[50] and not changed[:40].any() and not changed[60:].any()
    moved = (vae.decode(latents) - vae.decode(other)).abs().amax((0, 1)) > 0
    assert moved[200] and not moved[:120].any() and not moved[280:].any()


@pytest.mark.parametrize("change", [{"head_frames": 7}, {"noise": True, "centered": True}])
def test_a_head_that_does_not_fit_the_mel_is_refused(change: dict[str, object]) -> None:
    mel = {"centered": change.pop("centered", False)}
    with pytest.raises(ValidationError, match=r"must divide mel\.n_fft|need mel\.centered = false"):
        AVLinkConfig.model_validate({"mel": mel, "vocoder": {"kind": "vocos", **change}})


def test_limited_sound_keeps_what_is_quiet_and_the_order_of_what_is_loud() -> None:
    x = torch.linspace(-4, 4, 4001)[None]
    made = soft_limited(x)
    quiet = x.abs() <= 0.7
    assert torch.equal(made[quiet], x[quiet])
    assert (made.diff() >= 0).all() and made.abs().max() <= 1
    # No corner at which the level jumps, and mirrored for negative samples.
    assert (made.diff() <= x.diff() * 1.001).all()
    torch.testing.assert_close(made.flip(1), -made)
