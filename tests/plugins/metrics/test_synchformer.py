"""Synchformer at a small width, from a file in its public layout, against its formula written down once more."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from avlink_metrics.sound import synchformer_mel
from avlink_metrics.synchformer import load_synchformer

from avlink.core.errors import BundleError, TooShort
from avlink.core.features import AudioVideo
from avlink.core.values import Frames, Waveform
from avlink.hooks import ExtractorOptions

sys.path.insert(0, str(Path(__file__).parent))
from public_layout import Tensors, nothing, randn

from avlink.metrics.pretrained_scores import offset_error


def layout(dim: int = 128, judge: int = 192, depth: int = 1, draw=randn) -> Tensors:
    torch.manual_seed(0)
    found: Tensors = {}

    def linear(name: str, out: int, into: int, *kernel: int) -> None:
        found[f"{name}.weight"] = draw(out, into, *kernel, scale=(into * int(np.prod(kernel))) ** -0.5)
        found[f"{name}.bias"] = draw(out, scale=0.1)

    def norm(name: str, width: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = 1 + draw(width, scale=0.1), draw(width, scale=0.1)

    def gather(name: str) -> None:
        found[f"{name}.cls_token"] = draw(1, 1, dim)
        found[f"{name}.self_attn.in_proj_weight"] = draw(3 * dim, dim, scale=dim**-0.5)
        found[f"{name}.self_attn.in_proj_bias"] = draw(3 * dim, scale=0.1)
        linear(f"{name}.self_attn.out_proj", dim, dim)
        linear(f"{name}.linear1", 4 * dim, dim)
        linear(f"{name}.linear2", dim, 4 * dim)
        norm(f"{name}.norm1", dim)
        norm(f"{name}.norm2", dim)

    eyes, ears = "vfeat_extractor", "afeat_extractor"
    found[f"{eyes}.cls_token"] = draw(1, 1, dim)
    found[f"{eyes}.pos_embed"], found[f"{eyes}.temp_embed"] = draw(1, 197, dim), draw(1, 8, dim)
    linear(f"{eyes}.patch_embed.proj", dim, 3, 16, 16)
    linear(f"{eyes}.patch_embed_3d.proj", dim, 3, 2, 16, 16)
    for block in range(depth):
        name = f"{eyes}.blocks.{block}"
        for part in ("attn", "timeattn"):
            linear(f"{name}.{part}.qkv", 3 * dim, dim)
            linear(f"{name}.{part}.proj", dim, dim)
        for part in ("norm1", "norm2", "norm3"):
            norm(f"{name}.{part}", dim)
        linear(f"{name}.mlp.fc1", 4 * dim, dim)
        linear(f"{name}.mlp.fc2", dim, 4 * dim)
    norm(f"{eyes}.norm", dim)
    gather(f"{eyes}.spatial_attn_agg")
    found[f"{ears}.ast.embeddings.cls_token"] = draw(1, 1, dim)
    found[f"{ears}.ast.embeddings.distillation_token"] = draw(1, 1, dim)
    found[f"{ears}.ast.embeddings.position_embeddings"] = draw(1, 74, dim)
    linear(f"{ears}.ast.embeddings.patch_embeddings.projection", dim, 1, 16, 16)
    for block in range(depth):
        name = f"{ears}.ast.encoder.layer.{block}"
        for part in ("query", "key", "value"):
            linear(f"{name}.attention.attention.{part}", dim, dim)
        linear(f"{name}.attention.output.dense", dim, dim)
        linear(f"{name}.intermediate.dense", 4 * dim, dim)
        linear(f"{name}.output.dense", dim, 4 * dim)
        norm(f"{name}.layernorm_before", dim)
        norm(f"{name}.layernorm_after", dim)
    norm(f"{ears}.ast.layernorm", dim)
    gather(f"{ears}.freq_attn_agg")
    linear("vproj", judge, dim)
    linear("aproj", judge, dim)
    found["transformer.OFF_tok"], found["transformer.MOD_tok"] = draw(1, 1, judge), draw(1, 1, judge)
    found["transformer.pos_emb_cfg.pos_emb"] = draw(1, 198, judge)
    for block in range(1 if depth == 1 else 3):
        name = f"transformer.blocks.{block}"
        for part in ("key", "query", "value", "proj"):
            linear(f"{name}.attn.{part}", judge, judge)
        norm(f"{name}.ln1", judge)
        norm(f"{name}.ln2", judge)
        linear(f"{name}.mlp.0", 4 * judge, judge)
        linear(f"{name}.mlp.2", judge, 4 * judge)
    for part in ("vis_in_lnorm", "aud_in_lnorm", "ln_f"):
        norm(f"transformer.{part}", judge)
    linear("transformer.off_head", 21, judge)
    return found


class Formula:
    """The network by its definition, a segment at a time."""

    def __init__(self, tensors: Tensors) -> None:
        self.t = tensors

    def linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ self.t[f"{name}.weight"].T + self.t[f"{name}.bias"]

    def norm(self, x: torch.Tensor, name: str, eps: float) -> torch.Tensor:
        x = x - x.mean(-1, keepdim=True)
        x = x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps)
        return x * self.t[f"{name}.weight"] + self.t[f"{name}.bias"]

    @staticmethod
    def gelu(x: torch.Tensor) -> torch.Tensor:
        return x * 0.5 * (1 + torch.erf(x / 2**0.5))

    @staticmethod
    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, head: int) -> torch.Tensor:
        parts = []
        for h in range(0, q.shape[-1], head):
            weight = torch.softmax(q[:, h : h + head] @ k[:, h : h + head].T / head**0.5, -1)
            parts.append(weight @ v[:, h : h + head])
        return torch.cat(parts, -1)

    def gather(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """One set of tokens (tokens, dim) to one."""
        x = torch.cat((self.t[f"{name}.cls_token"][0], x))
        seen = self.norm(x, f"{name}.norm1", 1e-6)
        qkv = seen @ self.t[f"{name}.self_attn.in_proj_weight"].T + self.t[f"{name}.self_attn.in_proj_bias"]
        x = x + self.linear(self.attend(*qkv.chunk(3, -1), 64), f"{name}.self_attn.out_proj")
        hidden = self.gelu(self.linear(self.norm(x, f"{name}.norm2", 1e-6), f"{name}.linear1"))
        return (x + self.linear(hidden, f"{name}.linear2"))[0]

    def divided(self, x: torch.Tensor, name: str, groups: list[list[int]]) -> torch.Tensor:
        q, k, v = self.linear(x, f"{name}.qkv").chunk(3, -1)
        found = torch.empty_like(x)
        found[:1] = self.attend(q[:1], k, v, 64)
        for group in groups:
            among = [0, *group]
            found[group] = self.attend(q[group], k[among], v[among], 64)
        return self.linear(found, f"{name}.proj")

    def see(self, pictures: torch.Tensor) -> torch.Tensor:
        """(3, 16, 224, 224) to (8, dim)."""
        name = "vfeat_extractor"
        kernel, bias = self.t[f"{name}.patch_embed_3d.proj.weight"], self.t[f"{name}.patch_embed_3d.proj.bias"]
        tokens = [self.t[f"{name}.cls_token"][0, 0] + self.t[f"{name}.pos_embed"][0, 0]]
        for f in range(8):
            for p in range(196):
                top, left = p // 14 * 16, p % 14 * 16
                patch = pictures[:, 2 * f : 2 * f + 2, top : top + 16, left : left + 16]
                token = kernel.flatten(1) @ patch.flatten() + bias
                tokens.append(token + self.t[f"{name}.pos_embed"][0, 1 + p] + self.t[f"{name}.temp_embed"][0, f])
        x = torch.stack(tokens)
        places = [[1 + f * 196 + p for f in range(8)] for p in range(196)]
        moments = [[1 + f * 196 + p for p in range(196)] for f in range(8)]
        block = f"{name}.blocks.0"
        x = x + self.divided(self.norm(x, f"{block}.norm3", 1e-6), f"{block}.timeattn", places)
        x = x + self.divided(self.norm(x, f"{block}.norm1", 1e-6), f"{block}.attn", moments)
        hidden = self.gelu(self.linear(self.norm(x, f"{block}.norm2", 1e-6), f"{block}.mlp.fc1"))
        x = self.norm(x + self.linear(hidden, f"{block}.mlp.fc2"), f"{name}.norm", 1e-6)
        return torch.stack([self.gather(x[group], f"{name}.spatial_attn_agg") for group in moments])

    def hear(self, mel: torch.Tensor) -> torch.Tensor:
        """(128, 66) to (6, dim)."""
        name = "afeat_extractor.ast"
        kernel = self.t[f"{name}.embeddings.patch_embeddings.projection.weight"]
        bias = self.t[f"{name}.embeddings.patch_embeddings.projection.bias"]
        tokens = [self.t[f"{name}.embeddings.{part}"][0, 0] for part in ("cls_token", "distillation_token")]
        for f in range(12):
            for c in range(6):
                tokens.append(kernel.flatten(1) @ mel[10 * f : 10 * f + 16, 10 * c : 10 * c + 16].flatten() + bias)
        x = torch.stack(tokens) + self.t[f"{name}.embeddings.position_embeddings"][0]
        layer = f"{name}.encoder.layer.0"
        seen = self.norm(x, f"{layer}.layernorm_before", 1e-12)
        qkv = [self.linear(seen, f"{layer}.attention.attention.{part}") for part in ("query", "key", "value")]
        x = x + self.linear(self.attend(*qkv, 64), f"{layer}.attention.output.dense")
        hidden = self.gelu(self.linear(self.norm(x, f"{layer}.layernorm_after", 1e-12), f"{layer}.intermediate.dense"))
        x = self.norm(x + self.linear(hidden, f"{layer}.output.dense"), f"{name}.layernorm", 1e-12)
        columns = [[2 + f * 6 + c for f in range(12)] for c in range(6)]
        return torch.stack([self.gather(x[column], "afeat_extractor.freq_attn_agg") for column in columns])

    def judge(self, seen: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        name = "transformer"
        v = self.norm(self.linear(seen.flatten(0, 1), "vproj"), f"{name}.vis_in_lnorm", 1e-5)
        a = self.norm(self.linear(heard.flatten(0, 1), "aproj"), f"{name}.aud_in_lnorm", 1e-5)
        x = torch.cat((self.t[f"{name}.OFF_tok"][0], v, self.t[f"{name}.MOD_tok"][0], a))
        x = x + self.t[f"{name}.pos_emb_cfg.pos_emb"][0]
        block = f"{name}.blocks.0"
        norm = self.norm(x, f"{block}.ln1", 1e-5)
        qkv = [self.linear(norm, f"{block}.attn.{part}") for part in ("query", "key", "value")]
        x = x + self.linear(self.attend(*qkv, 96), f"{block}.attn.proj")
        hidden = self.gelu(self.linear(self.norm(x, f"{block}.ln2", 1e-5), f"{block}.mlp.0"))
        x = self.norm(x + self.linear(hidden, f"{block}.mlp.2"), f"{name}.ln_f", 1e-5)
        return self.linear(x[0], f"{name}.off_head")


@pytest.fixture(scope="module")
def scene() -> AudioVideo:
    pixels = np.random.default_rng(0).integers(0, 256, (130, 224, 224, 3), dtype=np.uint8)
    sound = np.random.default_rng(1).standard_normal((1, 83_000)).astype(np.float32) * 0.1
    frames = Frames(pixels=pixels, rate=Fraction(25))
    return AudioVideo(sound=Waveform(samples=sound, sample_rate=16000), frames=frames)


def test_a_file_in_the_public_layout_gives_what_its_formula_gives(scene: AudioVideo, tmp_path: Path) -> None:
    tensors = layout()
    torch.save(tensors, tmp_path / "synchformer_state_dict.pth")
    extractor = load_synchformer(ExtractorOptions(checkpoint=str(tmp_path / "synchformer_state_dict.pth")), "cpu")
    heard, seen = [], []
    network = extractor._network
    for kept, part in ((seen, network.vfeat_extractor), (heard, network.afeat_extractor)):
        part.register_forward_hook(lambda module, args, found, kept=kept: kept.append(found[0]))
    found = extractor.extract(scene)["logits"].rows
    assert found.shape == (2, 21) and len(seen) == len(heard) == 15
    formula = Formula(tensors)
    pixels = torch.from_numpy(scene.frames.read(0, 130)).permute(3, 0, 1, 2).float() / 127.5 - 1
    sound = torch.from_numpy(scene.sound.read(0, 83_000)[0])
    for i in (0, 14):
        assert torch.allclose(seen[i], formula.see(pixels[:, 8 * i : 8 * i + 16]), atol=1e-4)
        mel = synchformer_mel(sound[5120 * i : 5120 * i + 10240])
        assert torch.allclose(heard[i], formula.hear(mel), atol=1e-4)
    # Of 15 segments the first 14, and all but the first.
    for row, part in zip(found, (slice(0, 14), slice(1, 15)), strict=True):
        wanted = formula.judge(torch.stack(seen[part]), torch.stack(heard[part]))
        assert np.allclose(row, wanted.numpy(), atol=2e-4)


def test_the_spectrogram_is_torchaudios() -> None:
    from avlink.engine.torchaudio import torchaudio

    sound = torch.randn(10240, generator=torch.Generator().manual_seed(0)) * 0.1
    mel = torchaudio.transforms.MelSpectrogram(16000, win_length=400, hop_length=160, n_fft=1024, n_mels=128)(sound)
    found = synchformer_mel(sound)
    assert found.shape == (128, 66) and torch.allclose(found[:, 65], torch.tensor(4.2677393 / 2 / 4.5689974))
    wanted = (torch.log(mel + 1e-6) + 4.2677393) / 2 / 4.5689974
    assert torch.allclose(found[:, :65], wanted, atol=1e-4)


def test_short_scenes_and_other_files_are_told(scene: AudioVideo, tmp_path: Path) -> None:
    tensors = layout(64, 96)
    torch.save(tensors, tmp_path / "sync.pth")
    extractor = load_synchformer(ExtractorOptions(checkpoint=str(tmp_path / "sync.pth")), "cpu")
    short = Waveform(samples=scene.sound.read(0, 76_799), sample_rate=16000)
    with pytest.raises(TooShort, match=r"4\.8 s of sound and pictures at least"):
        extractor.extract(AudioVideo(sound=short, frames=scene.frames))
    # MMAudio's own use needs the eyes alone, and some files hold no more.
    torch.save({key: value for key, value in tensors.items() if key.startswith("vfeat")}, tmp_path / "eyes.pth")
    with pytest.raises(BundleError, match="is no Synchformer: it has no 'afeat_extractor"):
        load_synchformer(ExtractorOptions(checkpoint=str(tmp_path / "eyes.pth")), "cpu")


def test_the_public_widths_are_known() -> None:
    full = layout(768, 768, 12, nothing)
    # 907 MB of single precision, as MMAudio tells of its file.
    assert sum(value.numel() for value in full.values()) * 4 / 2**20 == pytest.approx(907, abs=8)


def test_desync_is_the_mean_offset_of_the_likeliest_classes() -> None:
    logits = np.zeros((2, 21))
    logits[0, 10] = logits[1, 5] = 1
    assert offset_error(logits) == pytest.approx(0.5)
    assert np.mean([offset_error(np.eye(21)[[k]]) for k in range(21)]) == pytest.approx(1.0476, abs=1e-4)
