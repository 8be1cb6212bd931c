"""Learned spotters in tensors: the inputs of their heads, and their weights, written and loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from avlink.core.errors import BundleError
from avlink.core.hashing import content_digest
from avlink.core.input_files import describe
from avlink.core.learned import WEIGHTS, HeadTable
from avlink.core.motion_config import HitHeadConfig, SpotterConfig
from avlink.core.values import FrameSource, PictureSpec
from avlink.engine.nn.hit_head import LOGITS_OF_ONE, HitHead
from avlink.engine.nn.motion import MotionStem
from avlink.engine.spotter import OnsetNet, OnsetReading

RATE = 60
"""Bins a second; bin b is centred on (b + 0.5) / `RATE` seconds."""

POSITIVE_WEIGHT = 4.0
"""Weight of a bin with a hit in training: few bins have one."""

_NOVELTY_SPREADS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HitInputs:
    """Inputs of heads: `curves` (2, bins) are onset logits and motion, each scaled, `tokens` (bins, dim)."""

    curves: NDArray[np.float32]
    tokens: NDArray[np.float32]


def hit_inputs(reading: OnsetReading, novelty: NDArray[np.float64], num_bins: int, *, tokens: bool) -> HitInputs:
    """Return the inputs of heads for a clip of `num_bins`.

    `novelty` (changes,) is what moves, in any unit; entry n is the change (n + 1) / `RATE` seconds in. Motion is
    compared with its spread in the clip: some footage is all calm, and some all wild. Without `tokens` they are empty.
    """
    times_s = (np.arange(num_bins) + 0.5) / RATE
    rate = float(reading.rate)
    logits = np.interp(times_s, (np.arange(len(reading.logits)) + 0.5) / rate, reading.logits)
    moved = np.zeros(num_bins)
    if len(novelty) and novelty.std() > 0:
        moved = np.interp(times_s, (np.arange(len(novelty)) + 1) / RATE, novelty) / (_NOVELTY_SPREADS * novelty.std())
    fps = rate * len(reading.tokens) / max(1, len(reading.logits))
    frames = np.minimum((times_s * fps).astype(int), len(reading.tokens) - 1)
    return HitInputs(
        curves=np.stack([logits / LOGITS_OF_ONE, moved]).astype(np.float32),
        tokens=reading.tokens[frames] if tokens else np.zeros((num_bins, 0), np.float32),
    )


def confidences(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities of a hit, for which the weight of hits in training is taken back."""
    return np.asarray(1 / (1 + np.exp(math.log(POSITIVE_WEIGHT) - logits)))


@torch.no_grad()
def read_head(head: HitHead, inputs: HitInputs) -> NDArray[np.float64]:
    """Return the confidences of a clip, (bins,): those of the mean of all heads' logits."""
    device = next(head.parameters()).device
    curves, tokens = (torch.from_numpy(part)[None].to(device) for part in (inputs.curves, inputs.tokens))
    return confidences(head(curves, tokens).mean(0)[0].double().cpu().numpy())


class LearnedNet:
    """A motion stem and the heads that read it. `picture` is what the stem sees, `names` are its classes."""

    def __init__(self, net: OnsetNet, head: HitHead) -> None:
        self.net, self.head, self.picture, self.names = net, head, net.picture, net.names

    def read(self, frames: FrameSource, novelty: NDArray[np.float64], num_bins: int) -> OnsetReading:
        """Return the confidences of hits in place of the stem's logits, `RATE` a second; see `hit_inputs`."""
        reading = self.net.read(frames)
        inputs = hit_inputs(reading, novelty, num_bins, tokens=bool(self.head.config.tokens))
        sure = read_head(self.head, inputs).astype(np.float32)
        return OnsetReading(logits=sure, classes=reading.classes, tokens=reading.tokens, rate=Fraction(RATE))


def stem_config(net: OnsetNet) -> SpotterConfig:
    """Return the configuration of a network's stem with the size of its pictures."""
    config = net.stem.config
    return SpotterConfig(
        **{**config.model_dump(), "width": net.picture.width, "height": net.picture.height},
    )


def new_head(config: HitHeadConfig, stem: SpotterConfig, seed: int) -> HitHead:
    """Return heads with random weights, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HitHead(config, stem.dim)


def save_learned(path: Path, stem: nn.Module, head: Mapping[str, Tensor]) -> None:
    """Write the weights of a stem and of heads into one file, which holds nothing but tensors."""
    # Bundles hold stems in half precision, so nothing is lost. clone: safetensors refuses tensors that share memory.
    tensors = {f"stem.{name}": value.detach().cpu().half().clone() for name, value in stem.state_dict().items()}
    tensors |= {f"head.{name}": value.detach().cpu().contiguous().clone() for name, value in head.items()}
    save_file(dict(sorted(tensors.items())), path)
    path.chmod(0o644)  # safetensors makes files that only their owner may read


def load_learned(folder: Path, table: HeadTable, device: str) -> LearnedNet:
    """Return the network of a learned spotter on a device.

    Raises BundleError for weights that are missing, altered, or of another shape.
    """
    path = folder / WEIGHTS
    stem = MotionStem(table.stem).requires_grad_(False).eval()
    head = HitHead(table.heads, table.stem.dim).requires_grad_(False).eval()
    tensors = _tensors(path, table.digest)
    for prefix, module in (("stem.", stem), ("head.", head)):
        state = {name.removeprefix(prefix): value.float() for name, value in tensors.items() if name.startswith(prefix)}
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            first = str(error).splitlines()[-1].strip()
            raise BundleError(f"the weights {path} do not fit their spotter: {first}; learn it again") from None
    picture = PictureSpec(rate=Fraction(table.stem.fps), width=table.stem.width, height=table.stem.height)
    net = OnsetNet(stem.to(device), picture=picture, window_s=table.window_s, device=device)
    return LearnedNet(net, head.to(device))


def _tensors(path: Path, wanted: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise BundleError(f"the learned spotter {path.parent} lacks {path.name}; copy the whole folder again")
    if content_digest(path) != wanted:
        raise BundleError(
            f"{path} was altered: its digest is not the one in spotter.toml; learn it again, or copy the whole folder"
        )
    try:
        file: Any
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except Exception as error:
        # Nothing is done here but read the file: whatever the reader raises is the file's.
        raise BundleError(f"the weights {path} are broken ({describe(error)}); learn them again") from None
