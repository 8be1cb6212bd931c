"""ImageBind at a small width, from a file in its public layout, against plain formulas."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from avlink_metrics.imagebind import load_imagebind, sound_windows
from torch.nn import functional

from avlink.core.errors import BundleError
from avlink.core.values import Waveform
from avlink.hooks import ExtractorOptions

sys.path.insert(0, str(Path(__file__).parent))
from public_layout import Layout, Tensors, film, floats, nothing, randn


def imagebind_layout(vision=(160, 2), audio=(128, 2), out=24, draw=randn) -> Layout:
    layout = Layout(1, draw)
    for name, (dim, blocks), tokens in (("vision", vision, 257), ("audio", audio, 229)):
        pre = f"modality_preprocessors.{name}"
        layout.tensors[f"{pre}.cls_token"] = draw(1, 1, dim)
        layout.tensors[f"{pre}.pos_embedding_helper.pos_embed"] = draw(1, tokens, dim)
        if name == "vision":
            layout.tensors[f"{pre}.rgbt_stem.proj.1.weight"] = draw(dim, 3, 2, 14, 14, scale=0.02)
            layout.norm("modality_trunks.vision.pre_transformer_layer.0", dim)
        else:
            layout.tensors[f"{pre}.rgbt_stem.proj.weight"] = draw(dim, 1, 16, 16, scale=0.05)
            layout.norm(f"{pre}.rgbt_stem.norm_layer", dim)
        for block in range(blocks):
            trunk = f"modality_trunks.{name}.blocks.{block}"
            layout.tensors[f"{trunk}.attn.in_proj_weight"] = draw(3 * dim, dim, scale=dim**-0.5)
            layout.tensors[f"{trunk}.attn.in_proj_bias"] = draw(3 * dim, scale=0.1)
            layout.linear(f"{trunk}.attn.out_proj", dim, dim)
            if name == "audio":
                layout.tensors[f"{trunk}.attn.bias_k"] = draw(1, 1, dim)
                layout.tensors[f"{trunk}.attn.bias_v"] = draw(1, 1, dim)
            for norm in ("norm_1", "norm_2"):
                layout.norm(f"{trunk}.{norm}", dim)
            layout.linear(f"{trunk}.mlp.fc1", 4 * dim, dim)
            layout.linear(f"{trunk}.mlp.fc2", dim, 4 * dim)
        layout.norm(f"modality_heads.{name}.0", dim)
        layout.linear(f"modality_heads.{name}.2", out, dim, bias=False)
    return layout


def imagebind(t: Tensors, name: str, x: torch.Tensor, head_dim: int) -> torch.Tensor:
    def norm(x: torch.Tensor, key: str, eps: float = 1e-6) -> torch.Tensor:
        x = x - x.mean(-1, keepdim=True)
        return x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps) * t[f"{key}.weight"] + t[f"{key}.bias"]

    def linear(x: torch.Tensor, key: str) -> torch.Tensor:
        return x @ t[f"{key}.weight"].T + t[f"{key}.bias"]

    pre = f"modality_preprocessors.{name}"
    if name == "vision":
        x = functional.conv3d(x, t[f"{pre}.rgbt_stem.proj.1.weight"], stride=(2, 14, 14)).flatten(2).transpose(1, 2)
    else:
        x = functional.conv2d(x, t[f"{pre}.rgbt_stem.proj.weight"], stride=10).flatten(2).transpose(1, 2)
        x = norm(x, f"{pre}.rgbt_stem.norm_layer", 1e-5)
    x = torch.cat([t[f"{pre}.cls_token"].repeat(len(x), 1, 1), x], 1) + t[f"{pre}.pos_embedding_helper.pos_embed"]
    if name == "vision":
        x = norm(x, "modality_trunks.vision.pre_transformer_layer.0")
    dim = x.shape[-1]
    for block in range(2):
        key = f"modality_trunks.{name}.blocks.{block}"
        q, k, v = (norm(x, f"{key}.norm_1") @ t[f"{key}.attn.in_proj_weight"].T + t[f"{key}.attn.in_proj_bias"]).split(
            dim, -1
        )
        if name == "audio":
            k, v = (
                torch.cat([a, t[f"{key}.attn.{b}"].repeat(len(x), 1, 1)], 1) for a, b in ((k, "bias_k"), (v, "bias_v"))
            )
        heads = []
        for h in range(dim // head_dim):
            part = slice(h * head_dim, (h + 1) * head_dim)
            weight = torch.softmax(q[..., part] @ k[..., part].transpose(1, 2) / head_dim**0.5, -1)
            heads.append(weight @ v[..., part])
        x = x + linear(torch.cat(heads, -1), f"{key}.attn.out_proj")
        hidden = linear(norm(x, f"{key}.norm_2"), f"{key}.mlp.fc1")
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
        x = x + linear(hidden, f"{key}.mlp.fc2")
    x = norm(x[:, 0], f"modality_heads.{name}.0") @ t[f"modality_heads.{name}.2.weight"].T
    return x / x.norm(dim=-1, keepdim=True)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory):
    layout = imagebind_layout()
    more = {
        "modality_trunks.text.blocks.0.norm_1.weight": torch.zeros(1),
        "modality_postprocessors.audio.1.log_logit_scale": torch.zeros(()),
    }
    path = layout.save(tmp_path_factory.mktemp("imagebind") / "imagebind_huge.pth", **more)
    return layout.tensors, load_imagebind(ExtractorOptions(checkpoint=path), "cpu")


class TestImageBind:
    def test_sound_is_the_mean_of_three_windows(self, loaded) -> None:
        tensors, extractor = loaded
        sound = torch.randn(5 * 16000, generator=torch.Generator().manual_seed(0)) * 0.1
        found = extractor.extract(Waveform(samples=sound.numpy()[None], sample_rate=16000))["embedding"].rows
        windows = sound_windows(sound)
        assert windows.shape == (3, 1, 128, 204)
        # Where a window of 2 s ends, after 198 frames, there is silence as zeros, normalised.
        assert torch.allclose(windows[..., 198:], torch.tensor(4.268 / 9.138))
        assert np.allclose(found, imagebind(tensors, "audio", windows, 64).mean(0, keepdim=True).numpy(), atol=1e-5)
        # The last one begins at 3 s.
        assert torch.equal(windows[2], sound_windows(sound[3 * 16000 :])[0])

    def test_pictures_are_windows_and_images(self, loaded) -> None:
        tensors, extractor = loaded
        frames = film(100, 25, 224, 300)
        found = extractor.extract(frames)
        mean, std = (
            torch.tensor(v).reshape(3, 1, 1)
            for v in ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
        )
        seen = (floats(frames) - mean) / std
        clips = [
            seen[[first, first + 49], :, :, left : left + 224].transpose(0, 1)
            for first in (0, 12, 25, 37, 50)
            for left in (0, 38, 76)
        ]
        wanted = imagebind(tensors, "vision", torch.stack(clips), 80).mean(0, keepdim=True)
        assert np.allclose(found["embedding"].rows, wanted.numpy(), atol=1e-5)
        still = seen[[6, 18, 31, 43, 56, 68, 81, 93], :, :, 38:262][:, :, None].repeat(1, 1, 2, 1, 1)
        assert np.allclose(found["image"].rows, imagebind(tensors, "vision", still, 80).numpy(), atol=1e-5)

    def test_very_short_clips_and_another_file(self, loaded, tmp_path: Path) -> None:
        _, extractor = loaded
        assert np.isfinite(extractor.extract(film(1, 25))["embedding"].rows).all()
        short = Waveform(samples=np.ones((1, 100), np.float32), sample_rate=16000)
        assert np.isfinite(extractor.extract(short)["embedding"].rows).all()
        with pytest.raises(BundleError, match="is no ImageBind"):
            load_imagebind(
                ExtractorOptions(checkpoint=Layout(1).save(tmp_path / "other.pth", weight=torch.zeros(1))), "cpu"
            )

    def test_the_public_widths_are_those_of_a_vit_h(self) -> None:
        layout = imagebind_layout((1280, 32), (768, 12), 1024, nothing)
        vision = sum(value.numel() for key, value in layout.tensors.items() if ".vision." in key)
        # OpenCLIP's ViT-H/14 has 632,076,800 weights in its eyes; here the patches have two frames.
        assert vision == 632_076_800 + 1280 * 3 * 14 * 14
