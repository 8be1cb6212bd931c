"""Public vocoders at small width, in each packaging, against transformers and what their descriptions say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import firwin
from torch import Tensor
from torch.nn import functional as F

from avlink.core.codec_config import BigVGANConfig, HiFiGANConfig, VocosConfig
from avlink.core.errors import BundleError
from avlink.engine.codec.gan import sinc_filter
from avlink.engine.public.checkpoint import read_checkpoint
from avlink.engine.public.vocoder import VOCOS_MEL, read_vocoder

sys.path.insert(0, str(Path(__file__).parent))
from layouts import GENAU, Layout, Tensors, hifigan_layout, split_by_weight_norm, transformers, vae_layout

AUDIOLDM = {"mels": 64, "channels": 64, "kernels": (16, 16, 8, 4, 4)}
AUDIOLDM_RATES = (5, 4, 2, 2, 2)


def speech_t5_hifigan(weights: Tensors) -> Any:
    """transformers' HiFi-GAN with the same weights: another implementation."""
    library = transformers()
    config = library.SpeechT5HifiGanConfig(
        model_in_dim=64,
        sampling_rate=16000,
        upsample_initial_channel=64,
        upsample_rates=list(AUDIOLDM_RATES),
        upsample_kernel_sizes=list(AUDIOLDM["kernels"]),
        normalize_before=False,
    )
    model = library.SpeechT5HifiGan(config).eval()
    state = {key.replace("ups.", "upsampler."): value for key, value in weights.items()}
    model.load_state_dict(state | {"mean": torch.zeros(64), "scale": torch.ones(64)})
    return model


@pytest.mark.parametrize("packaging", ["generator", "modern", "in a vae", "in a diffusion model", "transformers"])
@torch.no_grad()
def test_hifigan_is_the_one_of_transformers_in_every_packaging(packaging: str, tmp_path: Path) -> None:
    weights = hifigan_layout(**AUDIOLDM)  # type: ignore[arg-type]
    other = speech_t5_hifigan(weights)
    path = tmp_path / "hifigan.ckpt"
    if packaging == "transformers":
        other.save_pretrained(tmp_path / "vocoder")
        path = tmp_path / "vocoder"
    elif packaging in ("generator", "modern"):
        torch.save({"generator": split_by_weight_norm(weights, modern=packaging == "modern")}, path)
    else:
        inside = {f"vocoder.{key}": value for key, value in weights.items()} | vae_layout(**GENAU)
        prefix = "first_stage_model." if "diffusion" in packaging else ""
        torch.save({"state_dict": {prefix + key: value for key, value in inside.items()}}, path)
    checkpoint = read_checkpoint(path)
    inner = checkpoint.under("vocoder.")
    part = read_vocoder(checkpoint, inner or None)
    assert isinstance(part.config, HiFiGANConfig) and part.config.rates == AUDIOLDM_RATES
    assert part.licence == "CC-BY-NC-SA-4.0" and part.mel.hop_samples == 160
    mel = torch.randn(1, 64, 21)
    torch.testing.assert_close(part.module(mel), other(mel[0].T)[None, : 21 * 160], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_hifigans_third_version_has_blocks_of_the_second_kind(tmp_path: Path) -> None:
    w = hifigan_layout(mels=80, channels=32, kernels=(16, 16, 8), second=True)
    torch.save({"generator": w}, tmp_path / "g.pt")
    part = read_vocoder(read_checkpoint(tmp_path / "g.pt"))
    assert isinstance(part.config, HiFiGANConfig) and part.config.resblock == 2 and part.mel.sample_rate == 22050
    mel = torch.randn(1, 80, 9)
    x = F.conv1d(mel, w["conv_pre.weight"], w["conv_pre.bias"], padding=3)
    for stage, (rate, kernel) in enumerate(zip((8, 8, 4), (16, 16, 8), strict=True)):
        x = F.conv_transpose1d(
            F.leaky_relu(x, 0.1), w[f"ups.{stage}.weight"], w[f"ups.{stage}.bias"], rate, (kernel - rate) // 2
        )
        outs = []
        for kind, (size, dilations) in enumerate(((3, (1, 2)), (5, (2, 6)), (7, (3, 12)))):
            y = x
            for d, dilation in enumerate(dilations):
                name = f"resblocks.{stage * 3 + kind}.convs.{d}"
                pad = dilation * (size - 1) // 2
                y = y + F.conv1d(F.leaky_relu(y, 0.1), w[f"{name}.weight"], w[f"{name}.bias"], 1, pad, dilation)
            outs.append(y)
        x = sum(outs[1:], outs[0]) / 3
    expected = torch.tanh(F.conv1d(F.leaky_relu(x, 0.01), w["conv_post.weight"], w["conv_post.bias"], padding=3))[:, 0]
    torch.testing.assert_close(part.module(mel), expected, atol=1e-5, rtol=1e-4)


def bigvgan_layout(*, mels: int, channels: int, kernels: tuple[int, ...], second_version: bool) -> Tensors:
    made = Layout(2)

    def activation(name: str, width: int) -> None:
        made.vector(f"{name}.act.alpha", width)
        made.vector(f"{name}.act.beta", width)
        made.tensors[f"{name}.upsample.filter"] = kaiser()
        made.tensors[f"{name}.downsample.lowpass.filter"] = kaiser()

    made.conv("conv_pre", channels, mels, 7)
    for stage, kernel in enumerate(kernels):
        a, b = channels >> stage, channels >> (stage + 1)
        made.conv(f"ups.{stage}.0", a, b, kernel, bias_size=b)
        for kind, size in enumerate((3, 7, 11)):
            name = f"resblocks.{stage * 3 + kind}"
            for d in range(3):
                made.conv(f"{name}.convs1.{d}", b, b, size)
                made.conv(f"{name}.convs2.{d}", b, b, size)
            for number in range(6):
                activation(f"{name}.activations.{number}", b)
    activation("activation_post", channels >> len(kernels))
    made.conv("conv_post", 1, channels >> len(kernels), 7, bias=not second_version)
    return made.tensors


def kaiser() -> Tensor:
    """scipy's filter: cut off at half of half the rate, its transition 0.6 of it wide to each side."""
    from scipy.signal import kaiser_atten, kaiser_beta

    # The publishers count the taps of one half.
    beta = kaiser_beta(kaiser_atten(6, 4 * 0.3))
    return torch.from_numpy(firwin(12, 0.5, window=("kaiser", beta))).float()[None, None]


def test_the_low_pass_of_bigvgan_is_scipys() -> None:
    torch.testing.assert_close(sinc_filter(12, 0.25, 0.3), kaiser(), atol=1e-6, rtol=1e-5)


def snake(w: Tensors, name: str, x: Tensor) -> Tensor:
    """The periodic activation at twice the rate: zeros between the samples, the filter, and back; edges are held."""
    taps = w[f"{name}.upsample.filter"][0, 0].double().numpy()
    wide = np.pad(x.double().numpy(), ((0, 0), (0, 0), (8, 8)), mode="edge")
    full = np.apply_along_axis(lambda row: np.convolve(_zeros_between(row), taps), -1, wide) * 2
    n = x.shape[-1]
    start = 16 + 5
    up = full[..., start : start + 2 * n]
    alpha, beta = (w[f"{name}.act.{key}"].double().exp().numpy()[:, None] for key in ("alpha", "beta"))
    bent = up + np.sin(alpha * up) ** 2 / beta
    held = np.pad(bent, ((0, 0), (0, 0), (5, 6)), mode="edge")
    down = np.apply_along_axis(lambda row: np.convolve(row, taps, mode="valid")[::2], -1, held)
    return torch.from_numpy(down[..., :n]).to(x.dtype)


def _zeros_between(row: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    wide = np.zeros(2 * row.shape[0])
    wide[::2] = row
    return wide


@pytest.mark.parametrize("second_version", [False, True])
@torch.no_grad()
def test_bigvgan_computes_what_its_description_says(second_version: bool, tmp_path: Path) -> None:
    kernels, rates = (8, 4), (4, 2)
    w = bigvgan_layout(mels=80, channels=16, kernels=kernels, second_version=second_version)
    settings = {
        "upsample_rates": rates,
        "sampling_rate": 24000,
        "n_fft": 64,
        "hop_size": 8,
        "fmin": 0,
        "fmax": None,
        "resblock_dilation_sizes": [[1, 3, 5]] * 3,
        "snake_logscale": True,
    }
    if second_version:
        settings |= {"use_tanh_at_final": False, "use_bias_at_final": False}
    torch.save({"generator": split_by_weight_norm(w)}, tmp_path / "bigvgan_generator.pt")
    (tmp_path / "config.json").write_text(json.dumps(settings))
    part = read_vocoder(read_checkpoint(tmp_path / "bigvgan_generator.pt"))
    assert isinstance(part.config, BigVGANConfig) and part.config.tanh is not second_version
    assert part.mel.fmax_hz == 12000 and part.licence == "MIT"
    mel = torch.randn(1, 80, 7)
    x = F.conv1d(mel, w["conv_pre.weight"], w["conv_pre.bias"], padding=3)
    for stage, (rate, kernel) in enumerate(zip(rates, kernels, strict=True)):
        x = F.conv_transpose1d(x, w[f"ups.{stage}.0.weight"], w[f"ups.{stage}.0.bias"], rate, (kernel - rate) // 2)
        outs = []
        for kind, size in enumerate((3, 7, 11)):
            name, y = f"resblocks.{stage * 3 + kind}", x
            for d, dilation in enumerate((1, 3, 5)):
                first, second = f"{name}.convs1.{d}", f"{name}.convs2.{d}"
                t = snake(w, f"{name}.activations.{2 * d}", y)
                t = F.conv1d(t, w[f"{first}.weight"], w[f"{first}.bias"], 1, dilation * (size - 1) // 2, dilation)
                t = snake(w, f"{name}.activations.{2 * d + 1}", t)
                y = y + F.conv1d(t, w[f"{second}.weight"], w[f"{second}.bias"], 1, (size - 1) // 2)
            outs.append(y)
        x = sum(outs[1:], outs[0]) / 3
    x = snake(w, "activation_post", x)
    x = F.conv1d(x, w["conv_post.weight"], w.get("conv_post.bias"), padding=3)[:, 0]
    expected = x.clamp(-1, 1) if second_version else torch.tanh(x)
    torch.testing.assert_close(part.module(mel), expected, atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_vocos_computes_what_its_description_says(tmp_path: Path) -> None:
    made = Layout(3)
    made.conv("backbone.embed", 24, 100, 7)
    made.norm("backbone.norm", 24)
    for i in range(2):
        name = f"backbone.convnext.{i}"
        made.conv(f"{name}.dwconv", 24, 1, 7)
        made.norm(f"{name}.norm", 24)
        made.linear(f"{name}.pwconv1", 72, 24)
        made.linear(f"{name}.pwconv2", 24, 72)
        made.vector(f"{name}.gamma", 24)
    made.norm("backbone.final_layer_norm", 24)
    made.linear("head.out", 1026, 24)
    w = made.tensors
    extra = {
        "head.istft.window": torch.hann_window(1024),
        "feature_extractor.mel_spec.spectrogram.window": torch.ones(4),
    }
    torch.save(w | extra, tmp_path / "pytorch_model.bin")
    part = read_vocoder(read_checkpoint(tmp_path))
    assert part.config == VocosConfig(dim=24, layers=2, mlp_ratio=3) and part.mel == VOCOS_MEL
    mel = torch.randn(1, 100, 40)

    def norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, (24,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-6)

    x = F.conv1d(mel, w["backbone.embed.weight"], w["backbone.embed.bias"], padding=3)
    x = norm("backbone.norm", x.mT).mT
    for i in range(2):
        name = f"backbone.convnext.{i}"
        y = F.conv1d(x, w[f"{name}.dwconv.weight"], w[f"{name}.dwconv.bias"], padding=3, groups=24)
        y = F.gelu(F.linear(norm(f"{name}.norm", y.mT), w[f"{name}.pwconv1.weight"], w[f"{name}.pwconv1.bias"]))
        y = F.linear(y, w[f"{name}.pwconv2.weight"], w[f"{name}.pwconv2.bias"]) * w[f"{name}.gamma"]
        x = x + y.mT
    head = F.linear(norm("backbone.final_layer_norm", x.mT), w["head.out.weight"], w["head.out.bias"]).mT
    magnitude, phase = head[:, :513].exp().clamp(max=100.0), head[:, 513:]
    spectrum = magnitude * (phase.cos() + 1j * phase.sin())
    expected = torch.istft(spectrum, 1024, 256, window=torch.hann_window(1024), center=True)
    sound = part.module(mel)
    assert sound.shape == (1, 40 * 256)
    # Up to where the last frame, which the publishers do not repeat, reaches: nine frames of three convolutions.
    settled = (40 - 1 - 9) * 256 - 512
    torch.testing.assert_close(sound[:, :settled], expected[:, :settled], atol=1e-4, rtol=1e-3)


def test_rates_that_are_told_nowhere_are_asked_for(tmp_path: Path) -> None:
    torch.save(hifigan_layout(mels=64, channels=32, kernels=(12, 8)), tmp_path / "g.pt")
    with pytest.raises(BundleError, match="told nowhere; give its JSON configuration with --config"):
        read_vocoder(read_checkpoint(tmp_path / "g.pt"))
