"""ImageBind (Girdhar et al. 2023): one embedding space for sound, images and video.

Two vision transformers whose class token, normalised and projected, is the embedding. Written after the paper and the
names in `imagebind_huge.pth`: `modality_preprocessors`, `modality_trunks` and `modality_heads` of `vision` and
`audio`; those of text, depth, thermal and IMU are not used. Its weights are not for commercial use.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional

from avlink import Content, Features, FrameSource
from avlink.hooks import ExtractorOptions
from avlink_metrics.pictures import CLIP_MEAN, CLIP_STD, middle, normalised, short_side
from avlink_metrics.sound import kaldi_fbank, mono
from avlink_metrics.weights import Shapes, fill, open_weights

SIDE = 224
RATE = Fraction(25)
_SOUND_RATE = 16000
_WINDOW_S = 2
_SOUND_WINDOWS, _VIDEO_WINDOWS, _IMAGES = 3, 5, 8
_MEL_FRAMES, _MEL_MEAN, _MEL_STD = 204, -4.268, 9.138
_EPS = 1e-6
_HEAD_DIMS = {"vision": 80, "audio": 64}
_LEFT = tuple(
    f"modality_{part}.{name}."
    for part in ("preprocessors", "trunks", "heads", "postprocessors")
    for name in ("text", "depth", "thermal", "imu")
)


class _ImageBindBlock(nn.Module):
    def __init__(self, dim: int, hidden: int, heads: int, *, has_bias_kv: bool) -> None:
        super().__init__()
        # The audio trunk was trained with a learned bias token among keys and values, the vision trunk without.
        self.attn = nn.MultiheadAttention(dim, heads, add_bias_kv=has_bias_kv, batch_first=True)
        self.norm_1, self.norm_2 = nn.LayerNorm(dim, eps=_EPS), nn.LayerNorm(dim, eps=_EPS)
        self.mlp = nn.Module()
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.norm_1(x)
        x = x + self.attn(seen, seen, seen, need_weights=False)[0]
        hidden = functional.gelu(self.mlp.fc1(self.norm_2(x)))  # type: ignore[operator]
        return x + self.mlp.fc2(hidden)  # type: ignore[operator]


class _Stem(nn.Module):
    """Patches as tokens after a class token, with learned position embeddings."""

    def __init__(self, shapes: Shapes, name: str) -> None:
        super().__init__()
        prefix = f"modality_preprocessors.{name}"
        tokens, dim = shapes.of(f"{prefix}.pos_embedding_helper.pos_embed", 3)[1:]
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        self.pos_embedding_helper = nn.Module()
        self.pos_embedding_helper.pos_embed = nn.Parameter(torch.empty(1, tokens, dim))
        self.rgbt_stem = nn.Module()
        if name == "vision":
            kernel = shapes.of(f"{prefix}.rgbt_stem.proj.1.weight", 5)[2:]
            size = (kernel[0], kernel[1], kernel[2])
            # An Identity in place of the original's padding keeps the names of the checkpoint, "proj.1".
            self.rgbt_stem.proj = nn.Sequential(nn.Identity(), nn.Conv3d(3, dim, size, size, bias=False))
            self.rgbt_stem.norm_layer = nn.Identity()
        else:
            patch = shapes.of(f"{prefix}.rgbt_stem.proj.weight", 4)[2]
            # Patches of 16 at a stride of 10: they overlap by 6.
            self.rgbt_stem.proj = nn.Conv2d(1, dim, patch, 10, bias=False)
            self.rgbt_stem.norm_layer = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.rgbt_stem.proj(x).flatten(2).transpose(1, 2)  # type: ignore[operator]
        tokens = self.rgbt_stem.norm_layer(tokens)  # type: ignore[operator]
        tokens = torch.cat((self.cls_token.expand(len(tokens), -1, -1), tokens), dim=1)
        return tokens + self.pos_embedding_helper.get_parameter("pos_embed")


class _Trunk(nn.Module):
    def __init__(self, shapes: Shapes, name: str) -> None:
        super().__init__()
        prefix = f"modality_trunks.{name}"
        hidden, dim = shapes.of(f"{prefix}.blocks.0.mlp.fc1.weight", 2)
        # The number of heads is not in the checkpoint: 1280 / 80 = 16 for vision, 768 / 64 = 12 for audio.
        heads = max(1, dim // _HEAD_DIMS[name])
        is_vision = name == "vision"
        norm: nn.Module = nn.LayerNorm(dim, eps=_EPS) if is_vision else nn.Identity()
        self.pre_transformer_layer = nn.Sequential(norm)
        number = shapes.count(prefix + ".blocks.{}.norm_1.weight")
        self.blocks = nn.Sequential(
            *(_ImageBindBlock(dim, hidden, heads, has_bias_kv=not is_vision) for _ in range(number))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.pre_transformer_layer(x))


class ImageBind(nn.Module):
    """`vision` takes (clips, 3, 2, 224, 224), `audio` (clips, 1, 128, 204); both return rows of norm 1."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        names = ("vision", "audio")
        self.modality_preprocessors = nn.ModuleDict({name: _Stem(shapes, name) for name in names})
        self.modality_trunks = nn.ModuleDict({name: _Trunk(shapes, name) for name in names})
        heads = {}
        for name in names:
            out, dim = shapes.of(f"modality_heads.{name}.2.weight", 2)
            # The Identity stands for the original's selection of the class token, so that names fit: "heads.vision.2".
            heads[name] = nn.Sequential(nn.LayerNorm(dim, eps=_EPS), nn.Identity(), nn.Linear(dim, out, bias=False))
        self.modality_heads = nn.ModuleDict(heads)

    def embed(self, name: str, x: Tensor) -> Tensor:
        """Return rows of norm 1 for a batch of one modality."""
        tokens = self.modality_trunks[name](self.modality_preprocessors[name](x))
        return functional.normalize(self.modality_heads[name](tokens[:, 0]), dim=-1)


class ImageBindExtractor:
    """Returns "embedding", (1, dim), of sound: the mean over three evenly spaced windows of two seconds.

    Of pictures, "embedding", (1, dim): the mean over five such windows, each as its first and last picture in three
    crops side by side; and "image", (8, dim): the central squares of eight evenly spaced pictures.
    """

    sample_rate: int | None = _SOUND_RATE
    frame_rate: Fraction | None = RATE
    side: int | None = SIDE

    def __init__(self, network: ImageBind, device: str) -> None:
        self._network, self._device = network, device

    @torch.inference_mode()
    def extract(self, content: Content) -> Mapping[str, Features]:
        """See the class."""
        if isinstance(content, FrameSource):
            return self._pictures(content)
        windows = sound_windows(mono(content, _SOUND_RATE)).to(self._device)
        rows = self._network.embed("audio", windows).mean(dim=0, keepdim=True)
        return {"embedding": Features(rows=rows.cpu().numpy())}

    def _pictures(self, frames: FrameSource) -> Mapping[str, Features]:
        length_s = frames.num_frames / frames.rate
        rows = []
        for start_s in starts(length_s, _VIDEO_WINDOWS):
            first = int(start_s * frames.rate)
            last = max(first, int((start_s + _WINDOW_S) * frames.rate) - 1)
            # The network takes two pictures a window, (3, 2, height, width).
            pair = short_side(self._read(frames, (first, last)), SIDE, "bilinear")
            pair = normalised(pair, CLIP_MEAN, CLIP_STD).transpose(0, 1)
            rows.append(self._network.embed("vision", torch.stack(_three_squares(pair))))
        images = []
        for index in range(_IMAGES):
            picture = self._read(frames, (int((index + 0.5) / _IMAGES * frames.num_frames),))
            seen = normalised(middle(short_side(picture, SIDE), SIDE), CLIP_MEAN, CLIP_STD)
            # The network takes an image as a movie of two equal pictures.
            images.append(self._network.embed("vision", seen[:, :, None].expand(-1, -1, 2, -1, -1)))
        return {
            "embedding": Features(rows=torch.cat(rows).mean(dim=0, keepdim=True).cpu().numpy()),
            "image": Features(rows=torch.cat(images).cpu().numpy(), rate=Fraction(_IMAGES) / length_s),
        }

    def _read(self, frames: FrameSource, indices: tuple[int, ...]) -> Tensor:
        last = frames.num_frames - 1
        pixels = [torch.tensor(frames.read(min(i, last), min(i, last) + 1)) for i in indices]
        return torch.cat(pixels).to(self._device).permute(0, 3, 1, 2).float() / 255


def starts(length_s: Fraction, count: int) -> list[Fraction]:
    """Return the starts of `count` windows of two seconds that are evenly spaced over a clip."""
    room_s = max(Fraction(0), length_s - _WINDOW_S)
    return [room_s * index / max(1, count - 1) for index in range(count)]


def sound_windows(sound: Tensor) -> Tensor:
    """Return Kaldi's log mel of three windows, cut or padded and normalised, (3, 1, 128, 204)."""
    found = []
    for start_s in starts(Fraction(len(sound), _SOUND_RATE), _SOUND_WINDOWS):
        first = int(start_s * _SOUND_RATE)
        window = sound[first : first + _WINDOW_S * _SOUND_RATE]
        # The original subtracts the mean of the window, besides that of each frame.
        mel = kaldi_fbank(window - window.mean(), 128).T[:, :_MEL_FRAMES]
        found.append(functional.pad(mel, (0, _MEL_FRAMES - mel.shape[1])))
    return ((torch.stack(found) - _MEL_MEAN) / _MEL_STD)[:, None]


def _three_squares(pictures: Tensor) -> list[Tensor]:
    """Return the squares at both ends and in the middle of the longer side."""
    height, width = pictures.shape[-2:]
    found = []
    for share in (0.0, 0.5, 1.0):
        # Rounded up, as the original does: on the shorter side all three squares are the same.
        top, left = (int(-(-(length - SIDE) * share // 1)) for length in (height, width))
        found.append(pictures[..., top : top + SIDE, left : left + SIDE])
    return found


def load_imagebind(options: ExtractorOptions, device: str) -> ImageBindExtractor:
    """Return the extractor. Raises BundleError if the file holds something else."""
    shapes = open_weights(options.checkpoint, "ImageBind (huge)")
    left = (*_LEFT, "modality_postprocessors.")
    return ImageBindExtractor(fill(ImageBind(shapes), shapes, device, ignored=left), device)
