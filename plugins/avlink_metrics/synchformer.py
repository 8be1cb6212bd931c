"""Synchformer (Iashin et al. 2024): the offset of sound and pictures in 21 classes from -2 to 2 s, for DeSync.

Segments of 0.64 s, every 0.32 s, are encoded by a divided space-time transformer (Motionformer) and a spectrogram
transformer (AST). A class token aggregates the patches of each picture and the bands of each column. A small
transformer over the tokens of 14 segments, pictures first, classifies the offset.

Key layout of `synchformer_state_dict.pth` and of the authors' own checkpoint: `vfeat_extractor`, `afeat_extractor`,
`vproj`, `aproj`, `transformer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import torch
from torch import Tensor, nn

from avlink import AudioVideo, Content, Features, TooShort
from avlink.hooks import ExtractorOptions
from avlink_metrics.pictures import middle, short_side
from avlink_metrics.sound import mono, synchformer_mel
from avlink_metrics.synchformer_encoders import AudioEncoder, Linears, VisualEncoder, attend
from avlink_metrics.weights import Shapes, fill, open_weights

RATE = Fraction(25)
SOUND_RATE = 16000
SIDE = 224
SEGMENTS = 14
_FRAMES, _FRAME_STEP = 16, 8
_SAMPLES, _SAMPLE_STEP = 10240, 5120


class _OffsetBlock(nn.Module):
    def __init__(self, shapes: Shapes, prefix: str, dim: int) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = Linears(shapes, f"{prefix}.attn", "query", "key", "value", "proj")
        hidden = shapes.of(f"{prefix}.mlp.0.weight", 2)[0]
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        # The number of heads is not in the checkpoint: 8 of 768 dimensions.
        self._heads = max(1, dim // 96)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.ln1(x)
        found = attend(self._heads, *(self.attn(seen, name) for name in ("query", "key", "value")))
        x = x + self.attn(found, "proj")
        return x + self.mlp(self.ln2(x))


class _OffsetHead(nn.Module):
    """Maps tokens of pictures and sound, (scenes, tokens, dim) each, to logits of the offsets."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        prefix = "transformer"
        tokens, dim = shapes.of(f"{prefix}.pos_emb_cfg.pos_emb", 3)[1:]
        self.vis_in_lnorm, self.aud_in_lnorm, self.ln_f = (nn.LayerNorm(dim) for _ in range(3))
        self.OFF_tok, self.MOD_tok = (nn.Parameter(torch.empty(1, 1, dim)) for _ in range(2))
        self.pos_emb_cfg = nn.Module()
        self.pos_emb_cfg.pos_emb = nn.Parameter(torch.empty(1, tokens, dim))
        count = shapes.count(prefix + ".blocks.{}.ln1.weight")
        self.blocks = nn.Sequential(*(_OffsetBlock(shapes, f"{prefix}.blocks.{i}", dim) for i in range(count)))
        self.off_head = nn.Linear(dim, shapes.of(f"{prefix}.off_head.weight", 2)[0])

    def forward(self, seen: Tensor, heard: Tensor) -> Tensor:
        # The order of tokens: OFF, pictures, MOD, sound. The class of OFF is the offset.
        first, between = (token.expand(len(seen), -1, -1) for token in (self.OFF_tok, self.MOD_tok))
        x = torch.cat((first, self.vis_in_lnorm(seen), between, self.aud_in_lnorm(heard)), dim=1)
        # Position embeddings of a file for longer sequences begin with those of shorter ones.
        x = x + self.pos_emb_cfg.get_parameter("pos_emb")[:, : x.shape[1]]
        return self.off_head(self.ln_f(self.blocks(x))[:, 0])


class Synchformer(nn.Module):
    """The two encoders of segments and `judge`, which classifies the offset of 14 of them."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.vfeat_extractor, self.afeat_extractor = VisualEncoder(shapes), AudioEncoder(shapes)
        for name in ("vproj", "aproj"):
            out, into = shapes.of(f"{name}.weight", 2)
            self.add_module(name, nn.Linear(into, out))
        self.transformer = _OffsetHead(shapes)

    def judge(self, seen: Tensor, heard: Tensor) -> Tensor:
        """Return logits of the offsets of one scene, (1, 21), from features of its segments (segments, tokens, dim)."""
        parts = [self.get_submodule(name)(x).flatten(0, 1)[None] for name, x in (("vproj", seen), ("aproj", heard))]
        return self.transformer(*parts)


class SynchformerExtractor:
    """Returns "logits" of a scene, (2, 21): of its first and its last 14 segments, 4.8 s each, as for DeSync.

    Pictures are scaled to a shorter side of 224 (bicubic) and cropped to the central square, as in av-benchmark.
    Shorter scenes raise `TooShort`.
    """

    sample_rate: int | None = SOUND_RATE
    frame_rate: Fraction | None = RATE
    side: int | None = SIDE

    def __init__(self, network: Synchformer, device: str) -> None:
        self._network, self._device = network, device

    @torch.inference_mode()
    def extract(self, content: Content) -> Mapping[str, Features]:
        """See the class."""
        if not isinstance(content, AudioVideo):
            raise TypeError(f"a scene of sound and pictures is wanted, not {type(content).__name__}")
        sound, frames = mono(content.sound, SOUND_RATE), content.frames
        count = min((frames.num_frames - _FRAMES) // _FRAME_STEP, (len(sound) - _SAMPLES) // _SAMPLE_STEP) + 1
        if count < SEGMENTS:
            raise TooShort("Synchformer judges 4.8 s of sound and pictures at least")
        seen, heard = [], []
        for index in range(count):
            start = index * _FRAME_STEP
            pixels = torch.tensor(frames.read(start, start + _FRAMES)).to(self._device)
            pictures = middle(short_side(pixels.permute(0, 3, 1, 2).float() / 255, SIDE), SIDE) * 2 - 1
            # Segment by segment: each is 16 pictures, and a clip has hundreds of them.
            seen.append(self._network.vfeat_extractor(pictures.transpose(0, 1)[None]))
            mel = synchformer_mel(sound[index * _SAMPLE_STEP : index * _SAMPLE_STEP + _SAMPLES])
            heard.append(self._network.afeat_extractor(mel[None].to(self._device)))
        eyes, ears = torch.cat(seen), torch.cat(heard)
        rows = [self._network.judge(eyes[part], ears[part]) for part in (slice(SEGMENTS), slice(-SEGMENTS, None))]
        return {"logits": Features(rows=torch.cat(rows).cpu().numpy())}


def load_synchformer(options: ExtractorOptions, device: str) -> SynchformerExtractor:
    """Return the extractor. Raises BundleError if the file holds something else."""
    shapes = open_weights(options.checkpoint, "Synchformer")
    return SynchformerExtractor(fill(Synchformer(shapes), shapes, device), device)
