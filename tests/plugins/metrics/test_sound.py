"""VGGish and PANNs at small widths, from files in their public layouts, against formulas written down once more."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from avlink_metrics.panns import load_panns
from avlink_metrics.sound import kaldi_fbank, vggish_patches
from avlink_metrics.vggish import load_vggish
from torch.nn import functional

from avlink.core.errors import BundleError
from avlink.core.values import Waveform
from avlink.hooks import ExtractorOptions

sys.path.insert(0, str(Path(__file__).parent))
from public_layout import Tensors, nothing, randn


def noise(seconds: float, seed: int = 0) -> torch.Tensor:
    return torch.randn(round(seconds * 16000), generator=torch.Generator().manual_seed(seed)) * 0.1


def wave(sound: torch.Tensor, rate: int = 16000) -> Waveform:
    return Waveform(samples=sound.numpy()[None], sample_rate=rate)


def count(layout: Tensors) -> int:
    buffers = ("running", "tracked", "extractor")
    return sum(value.numel() for key, value in layout.items() if not any(part in key for part in buffers))


def vggish_layout(widths=(4, 6, 8, 8, 10, 10), hidden=12, out=128, draw=randn) -> Tensors:
    torch.manual_seed(1)
    found: Tensors = {}
    into = 1
    for index, width in zip((0, 3, 6, 8, 11, 13), widths, strict=True):
        found[f"features.{index}.weight"] = draw(width, into, 3, 3, scale=0.3)
        found[f"features.{index}.bias"] = draw(width)
        into = width
    for index, (to, of) in zip((0, 2, 4), ((hidden, into * 24), (hidden, hidden), (out, hidden)), strict=True):
        found[f"embeddings.{index}.weight"] = draw(to, of, scale=0.1)
        found[f"embeddings.{index}.bias"] = draw(to)
    return found


def panns_layout(widths=(4, 6, 8, 10, 12, 14), classes=527, draw=randn) -> Tensors:
    torch.manual_seed(2)
    time, bins = torch.arange(512), torch.arange(257)[:, None]
    angle = 2 * torch.pi * bins * time / 512
    window = torch.hann_window(512)
    found: Tensors = {
        "spectrogram_extractor.stft.conv_real.weight": (torch.cos(angle) * window)[:, None],
        "spectrogram_extractor.stft.conv_imag.weight": (-torch.sin(angle) * window)[:, None],
        "logmel_extractor.melW": torch.rand(257, 64) * 0.01,
    }

    def norm(name: str, width: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = torch.rand(width) + 0.5, torch.randn(width)
        found[f"{name}.running_mean"], found[f"{name}.running_var"] = torch.randn(width), torch.rand(width) + 0.5
        found[f"{name}.num_batches_tracked"] = torch.tensor(7)

    norm("bn0", 64)
    into = 1
    for number, width in enumerate(widths, start=1):
        for conv, of in (("conv1", into), ("conv2", width)):
            found[f"conv_block{number}.{conv}.weight"] = draw(width, of, 3, 3, scale=0.3)
        norm(f"conv_block{number}.bn1", width)
        norm(f"conv_block{number}.bn2", width)
        into = width
    for name, to in (("fc1", into), ("fc_audioset", classes)):
        found |= {f"{name}.weight": draw(to, into), f"{name}.bias": draw(to)}
    return found


class TestVGGish:
    def test_the_front_end_is_the_published_formula(self) -> None:
        sound = noise(2.0)
        patches = vggish_patches(sound)
        assert patches.shape == (2, 1, 96, 64)
        samples = sound.numpy().astype(np.float64)
        edges = np.linspace(1127 * np.log(1 + 125 / 700), 1127 * np.log(1 + 7500 / 700), 66)
        for patch, frame in ((0, 0), (1, 50)):
            start = (96 * patch + frame) * 160
            windowed = samples[start : start + 400] * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400))
            magnitude = np.abs(np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(400)) / 512) @ windowed)
            for band in (0, 20, 63):
                low, centre, high = edges[band : band + 3]
                total = 0.0
                for k in range(1, 257):
                    mel = 1127 * np.log(1 + k * 16000 / 512 / 700)
                    total += magnitude[k] * max(0.0, min((mel - low) / (centre - low), (high - mel) / (high - centre)))
                assert patches[patch, 0, frame, band] == pytest.approx(np.log(total + 0.01), abs=1e-5)

    def test_a_file_in_the_public_layout_gives_what_its_formula_gives(self, tmp_path: Path) -> None:
        layout = vggish_layout()
        torch.save(layout | {"pproc.pca_means": torch.zeros(128, 1)}, tmp_path / "vggish.pth")
        sound = noise(1.95)
        found = load_vggish(ExtractorOptions(checkpoint=str(tmp_path / "vggish.pth")), "cpu").extract(wave(sound))[
            "embedding"
        ]
        assert found.rows.shape == (2, 128) and found.rate == 1 / Fraction(96, 100)
        x = vggish_patches(sound)
        for index, pool in ((0, True), (3, True), (6, False), (8, True), (11, False), (13, True)):
            weight, bias = layout[f"features.{index}.weight"], layout[f"features.{index}.bias"]
            x = functional.conv2d(x, weight, bias, padding=1).clamp(min=0)
            x = functional.max_pool2d(x, 2) if pool else x
        # TensorFlow's order: time, then band, then channel.
        x = torch.stack([torch.stack([row[:, h, w] for h in range(6) for w in range(4)]).reshape(-1) for row in x])
        for index in (0, 2, 4):
            x = x @ layout[f"embeddings.{index}.weight"].T + layout[f"embeddings.{index}.bias"]
            x = x.clamp(min=0) if index < 4 else x
        assert np.allclose(found.rows, x.numpy(), atol=1e-4)
        # The last rectifier is gone, as FAD wants it.
        assert (found.rows < 0).any()

    def test_the_public_widths_are_those_of_72_million_weights(self) -> None:
        assert count(vggish_layout((64, 128, 256, 256, 512, 512), 4096, draw=nothing)) == 72_141_184

    def test_short_sounds_are_one_patch(self, tmp_path: Path) -> None:
        assert vggish_patches(noise(0.1)).shape == (1, 1, 96, 64) and vggish_patches(noise(0.0)).shape[0] == 1


class TestPanns:
    def test_a_file_in_the_public_layout_gives_what_its_formula_gives(self, tmp_path: Path) -> None:
        layout = panns_layout()
        torch.save({"iteration": 1, "model": layout}, tmp_path / "Cnn14.pth")
        sound = noise(1.3)
        found = load_panns(ExtractorOptions(checkpoint=str(tmp_path / "Cnn14.pth")), "cpu").extract(wave(sound))
        assert found["embedding"].rows.shape == (1, 14) and found["logits"].rows.shape == (1, 527)
        spectrum = torch.stft(sound, 512, 160, window=torch.hann_window(512), pad_mode="reflect", return_complex=True)
        mel = (spectrum.abs() ** 2).T @ layout["logmel_extractor.melW"]
        x = 10 * torch.log10(mel.clamp(min=1e-10))

        def norm(x: torch.Tensor, name: str, axis: int) -> torch.Tensor:
            shape = [-1 if i == axis else 1 for i in range(x.ndim)]
            mean, var, scale, shift = (
                layout[f"{name}.{part}"].reshape(shape) for part in ("running_mean", "running_var", "weight", "bias")
            )
            return (x - mean) / torch.sqrt(var + 1e-5) * scale + shift

        x = norm(x, "bn0", 1)[None, None]
        for number in range(1, 7):
            for step in "12":
                x = functional.conv2d(x, layout[f"conv_block{number}.conv{step}.weight"], padding=1)
                x = norm(x, f"conv_block{number}.bn{step}", 1).clamp(min=0)
            x = functional.avg_pool2d(x, 2) if number < 6 else x
        x = x.mean(3)
        x = x.max(2).values + x.mean(2)
        embedding = (x @ layout["fc1.weight"].T + layout["fc1.bias"]).clamp(min=0)
        logits = embedding @ layout["fc_audioset.weight"].T + layout["fc_audioset.bias"]
        assert np.allclose(found["embedding"].rows, embedding.numpy(), rtol=1e-3, atol=1e-3)
        assert np.allclose(found["logits"].rows, logits.numpy(), rtol=1e-3, atol=1e-2)

    def test_a_click_is_long_enough_and_the_public_widths_are_known(self, tmp_path: Path) -> None:
        torch.save(panns_layout(), tmp_path / "Cnn14.pth")
        extractor = load_panns(ExtractorOptions(checkpoint=str(tmp_path / "Cnn14.pth")), "cpu")
        assert np.isfinite(extractor.extract(wave(noise(0.001)))["logits"].rows).all()
        with pytest.raises(ValueError, match="8000 Hz, not 16000"):
            extractor.extract(wave(noise(0.1), 8000))
        assert count(panns_layout((64, 128, 256, 512, 1024, 2048), draw=nothing)) == 80_753_615

    def test_another_file_is_named_with_what_is_wrong(self, tmp_path: Path) -> None:
        layout = panns_layout()
        cases = {
            "it lacks fc1.bias": {key: value for key, value in layout.items() if key != "fc1.bias"},
            "it has too much intruder": layout | {"intruder": torch.zeros(1)},
            "of another shape is bn0.weight": layout | {"bn0.weight": torch.ones(3)},
            "it has no 'spectrogram_extractor.stft.conv_real.weight' \\(it begins with": {"a": torch.zeros(1)},
            "'fc1.weight' has the shape \\(3,\\)": layout | {"fc1.weight": torch.zeros(3)},
        }
        for words, tensors in cases.items():
            torch.save(tensors, tmp_path / "wrong.pth")
            with pytest.raises(BundleError, match=f"wrong.pth' is no Cnn14 of PANNs: .*{words}"):
                load_panns(ExtractorOptions(checkpoint=str(tmp_path / "wrong.pth")), "cpu")


def test_kaldis_filter_bank_is_torchaudios() -> None:
    from avlink.engine.torchaudio import torchaudio

    del torchaudio
    import torchaudio.compliance.kaldi as kaldi

    sound = noise(0.5)
    wanted = kaldi.fbank(
        sound[None],
        htk_compat=True,
        sample_frequency=16000,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=128,
        dither=0.0,
        frame_length=25,
        frame_shift=10,
    )
    found = kaldi_fbank(sound, 128)
    assert found.shape == wanted.shape == (48, 128)
    # The widest triangles hold few bins: rounding in single precision is all that differs.
    assert (found - wanted).abs().max() < 2e-3
    assert kaldi_fbank(noise(0.01), 128).shape == (0, 128)
