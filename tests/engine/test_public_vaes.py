"""Public VAEs at small width, in each packaging, against what their description says; what is refused."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from avlink.core.errors import BundleError
from avlink.engine.codec.mel import LogMel
from avlink.engine.codec.vae import MelVAE
from avlink.engine.public.checkpoint import read_checkpoint
from avlink.engine.public.vae import GENAU_MEL, MAKE_AN_AUDIO_MEL, read_vae
from avlink.engine.public.vocoder import VOCOS_MEL

sys.path.insert(0, str(Path(__file__).parent))
from layouts import GENAU, MAA2, Tensors, transformers, vae_layout


def vae_forward(w: Tensors, mel: Tensor, *, levels: int, enc: int, dec: int, late: bool) -> tuple[Tensor, Tensor]:
    """(posterior mean, decoded mean) by the description alone."""

    def conv(name: str, x: Tensor, **more: Any) -> Tensor:
        weight = w[f"{name}.weight"]
        return F.conv1d(x, weight, w[f"{name}.bias"], padding=more.pop("padding", weight.shape[-1] // 2), **more)

    def norm(name: str, x: Tensor) -> Tensor:
        return F.group_norm(x, 32, w[f"{name}.weight"], w[f"{name}.bias"], eps=1e-6)

    def block(name: str, x: Tensor) -> Tensor:
        y = conv(f"{name}.conv1", F.silu(norm(f"{name}.norm1", x)))
        y = conv(f"{name}.conv2", F.silu(norm(f"{name}.norm2", y)))
        return y + (conv(f"{name}.nin_shortcut", x) if f"{name}.nin_shortcut.weight" in w else x)

    def middle(name: str, x: Tensor) -> Tensor:
        x = block(f"{name}.block_1", x)
        q, k, v = (conv(f"{name}.attn_1.{part}", norm(f"{name}.attn_1.norm", x)) for part in "qkv")
        weights = torch.softmax(torch.einsum("bci,bcj->bij", q, k) * q.shape[1] ** -0.5, dim=-1)
        x = x + conv(f"{name}.attn_1.proj_out", torch.einsum("bij,bcj->bci", weights, v))
        return block(f"{name}.block_2", x)

    x = conv("encoder.conv_in", mel)
    for level in range(levels):
        for i in range(enc):
            x = block(f"encoder.down.{level}.block.{i}", x)
        if f"encoder.down.{level}.downsample.conv.weight" in w:
            x = conv(f"encoder.down.{level}.downsample.conv", F.pad(x, (0 if late else 1, 1)), stride=2, padding=0)
    x = conv("encoder.conv_out", F.silu(norm("encoder.norm_out", middle("encoder.mid", x))))
    mean = conv("quant_conv", x).chunk(2, dim=1)[0]
    x = middle("decoder.mid", conv("decoder.conv_in", conv("post_quant_conv", mean)))
    for level in reversed(range(levels)):
        for i in range(dec):
            x = block(f"decoder.up.{level}.block.{i}", x)
        if f"decoder.up.{level}.upsample.conv.weight" in w:
            x = conv(f"decoder.up.{level}.upsample.conv", F.interpolate(x, scale_factor=2, mode="nearest"))
    return mean, conv("decoder.conv_out", F.silu(norm("decoder.norm_out", x)))


Packer = Callable[[Tensors], Any]
PACKAGINGS: dict[str, Packer] = {
    "state_dict": lambda w: {"state_dict": w | {"loss.logvar": torch.zeros(())}, "epoch": 3},
    "diffusion": lambda w: {
        "state_dict": {f"first_stage_model.{k}": v for k, v in w.items()} | {"scale_factor": torch.tensor(1.25)}
    },
    "numpy scalars": lambda w: {"state_dict": w, "best": np.float64(0.5), "step": np.int64(7)},
    "compiled": lambda w: {f"_orig_mod.{k}": v for k, v in w.items()},
}


@pytest.mark.parametrize("packaging", PACKAGINGS)
@pytest.mark.parametrize("shape", [GENAU, MAA2], ids=["genau", "make-an-audio-2"])
@torch.no_grad()
def test_vaes_compute_what_their_description_says(shape: dict[str, Any], packaging: str, tmp_path: Path) -> None:
    weights = vae_layout(**shape)
    torch.save(PACKAGINGS[packaging](weights), tmp_path / "vae.ckpt")
    part = read_vae(read_checkpoint(tmp_path / "vae.ckpt"))
    vae = part.module
    assert isinstance(vae, MelVAE)
    assert part.mel == (MAKE_AN_AUDIO_MEL if shape is MAA2 else GENAU_MEL)
    assert vae.config.downsampling == 2 ** len(shape["down"])
    mel = torch.randn(2, shape["mels"], 24)
    mean, decoded = vae_forward(weights, mel, levels=3, enc=shape["enc"], dec=shape["dec"], late=shape is MAA2)
    torch.testing.assert_close(vae.posterior(mel).mean, mean, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(vae.reconstruct(mean), decoded, atol=1e-5, rtol=1e-4)
    scale = 1.25 if packaging == "diffusion" else 1.0
    torch.testing.assert_close(vae.encode(mel), mean.transpose(1, 2) * scale, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(vae.decode(vae.encode(mel)), decoded, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("spec", [GENAU_MEL, MAKE_AN_AUDIO_MEL, VOCOS_MEL], ids=["genau", "maa2", "vocos"])
def test_spectrograms_are_those_of_another_library(spec: Any) -> None:
    utils = transformers().audio_utils
    filters = utils.mel_filter_bank(
        spec.n_fft // 2 + 1,
        spec.n_mels,
        spec.fmin_hz,
        spec.fmax_hz,
        spec.sample_rate,
        norm="slaney" if spec.filters == "slaney" else None,
        mel_scale=spec.filters,
    )
    sound = torch.randn(1, spec.sample_rate).clamp(-1, 1) * 0.3
    edge = spec.n_fft // 2 if spec.centered else (spec.n_fft - spec.hop_samples) // 2
    padded = np.pad(sound[0].numpy().astype(np.float64), edge, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(spec.n_fft) / spec.n_fft)
    frames = np.lib.stride_tricks.sliding_window_view(padded, spec.n_fft)[:: spec.hop_samples]
    power = np.abs(np.fft.rfft(frames * window)) ** 2 + spec.power_floor
    logarithm = np.log10 if spec.log == "decimal" else np.log
    expected = logarithm(np.maximum(np.sqrt(power) @ filters, spec.floor)).T
    made = LogMel(spec)(sound)[0].numpy()
    assert made.shape[1] == sound.shape[1] // spec.hop_samples
    np.testing.assert_allclose(made, expected[:, : made.shape[1]], atol=2e-3)
    amplitudes = LogMel(spec).amplitudes(torch.from_numpy(made)[None])[0].numpy()
    np.testing.assert_allclose(
        amplitudes, np.maximum(np.sqrt(power) @ filters, spec.floor).T[:, : made.shape[1]], rtol=5e-3
    )


class Evil:
    """Code that a pickle may run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("/nonexistent"),))


def test_a_checkpoint_that_runs_code_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "evil.ckpt"
    torch.save({"state_dict": {"a": torch.zeros(1)}, "callback": Evil()}, path)
    with pytest.raises(BundleError, match=r"would run code when read \(.*pathlib\.Path"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda path: None, "there is no checkpoint"),
        (lambda path: path.write_bytes(b""), "is no checkpoint, or broken"),
        (lambda path: path.write_bytes(pickle.dumps([1, 2])), "is no checkpoint, or broken|holds no tensors"),
        (lambda path: torch.save({"step": 3}, path), "holds no tensors by name"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_a_sentence(make: Any, message: str, tmp_path: Path) -> None:
    make(tmp_path / "x.ckpt")
    with pytest.raises(BundleError, match=message) as caught:
        read_checkpoint(tmp_path / "x.ckpt")
    assert "\n" not in str(caught.value)


def test_a_tensor_too_few_or_too_many_is_named(tmp_path: Path) -> None:
    weights = vae_layout(**GENAU)
    missing = {key: value for key, value in weights.items() if key != "encoder.norm_out.bias"}
    torch.save(missing, tmp_path / "few.ckpt")
    with pytest.raises(BundleError, match=r"does not fit GenAU's 1D-VAE: 'encoder.norm_out.bias' is missing$"):
        read_vae(read_checkpoint(tmp_path / "few.ckpt"))
    torch.save(weights | {"decoder.extra": torch.zeros(1)}, tmp_path / "many.ckpt")
    with pytest.raises(BundleError, match=r"'decoder\.extra' has no place"):
        read_vae(read_checkpoint(tmp_path / "many.ckpt"))
    flat = {key: value[..., None] if value.ndim == 3 else value for key, value in weights.items()}
    torch.save(flat, tmp_path / "flat.ckpt")
    with pytest.raises(BundleError, match="an autoencoder of 2 dimensions; AVLink's is of one"):
        read_vae(read_checkpoint(tmp_path / "flat.ckpt"))
