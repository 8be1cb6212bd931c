"""Training clips on disk: shards of plain arrays that are mapped, never unpickled.

One shard is a folder with `frames.npy` (uint8, 24 fps), `sound.npy` (int16) and `clips.json`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from einops import reduce
from jaxtyping import Float, UInt8
from torch import Tensor

from avlink.engine.train.shards import find_shards, put_shard


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipNote:
    """What is known of a clip. `events` are (seconds, class name or "", strength 0..1)."""

    caption: str
    events: tuple[tuple[float, str, float], ...] = ()
    kind: str = ""
    group: str = ""
    recoloured: bool = False


class ClipStore:
    """Clips of one length, addressed by index; `fps` is the rate of their pictures."""

    def __init__(self, root: Path, fps: int = 24) -> None:
        self.root, self.fps = root, fps
        self._shards = find_shards(root)
        self.notes: list[ClipNote] = []
        self._places: list[tuple[int, int]] = []
        self._frames: list[np.ndarray] = []
        self._sound: list[np.ndarray] = []
        for number, shard in enumerate(self._shards):
            rows = json.loads((shard / "clips.json").read_text("utf-8"))
            for row in rows:
                row["events"] = tuple((float(t), str(c), float(s)) for t, c, s in row["events"])
                self.notes.append(ClipNote(**row))
            self._places += [(number, index) for index in range(len(rows))]
            self._frames.append(np.load(shard / "frames.npy", mmap_mode="r", allow_pickle=False))
            self._sound.append(np.load(shard / "sound.npy", mmap_mode="r", allow_pickle=False))

    def __len__(self) -> int:
        return len(self._places)

    @property
    def num_shards(self) -> int:
        return len(self._shards)

    def frames(self, indices: Sequence[int]) -> UInt8[Tensor, "batch frames height width 3"]:
        """Pictures at the motion rate."""
        return torch.from_numpy(np.stack([self._frames[s][i] for s, i in (self._places[k] for k in indices)]))

    def sound(self, indices: Sequence[int]) -> Float[Tensor, "batch samples"]:
        """Sound in [-1, 1]."""
        rows = np.stack([self._sound[s][i] for s, i in (self._places[k] for k in indices)])
        return torch.from_numpy(rows.astype(np.float32) / 32767.0)

    @staticmethod
    def write_shard(root: Path, number: int, frames: np.ndarray, sound: np.ndarray, notes: Sequence[ClipNote]) -> None:
        """Put one shard of uint8 `frames` and float `sound` in place."""

        def fill(hidden: Path) -> None:
            np.save(hidden / "frames.npy", frames, allow_pickle=False)
            np.save(hidden / "sound.npy", np.round(sound.clip(-1, 1) * 32767).astype(np.int16), allow_pickle=False)
            (hidden / "clips.json").write_text(json.dumps([asdict(note) for note in notes]), "utf-8")

        put_shard(root, number, fill)


def to_pixels(frames: UInt8[Tensor, "batch frames height width 3"]) -> Float[Tensor, "batch frames 3 height width"]:
    """RGB bytes to [-1, 1], channels in front."""
    return frames.float().mul_(1 / 127.5).sub_(1.0).permute(0, 1, 4, 2, 3)


def slower(
    pixels: Float[Tensor, "batch frames 3 height width"], factor: int
) -> Float[Tensor, "batch frames2 3 height width"]:
    """Each `factor` frames averaged into one, as a longer shutter would; the last one may hold fewer."""
    missing = -pixels.shape[1] % factor
    if missing:
        pixels = torch.cat((pixels, pixels[:, -1:].expand(-1, missing, -1, -1, -1)), dim=1)
    return reduce(pixels, "b (t factor) c h w -> b t c h w", "mean", factor=factor)
