"""Generate foley for the video of a text-to-video pipeline, and write both as an mp4.

    python examples/diffusers_video_with_sound.py out.mp4 [FRAMES]

With diffusers and its weights, the pipeline is one of theirs:

    from diffusers import WanPipeline
    pipeline = WanPipeline.from_pretrained("Wan-AI/Wan2.1-T2V-1.3B-Diffusers").to("cuda")

Neither is part of this repository, so a stand-in with the same interface runs here: it draws a stick that strikes the
ground, without a network. Everything after it is real.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from avlink_genvideo.diffusers import WithSound
from numpy.typing import NDArray

FPS = 16


@dataclass
class FakeOutput:
    """The output of diffusers' pipelines: `frames` of shape (batch, time, height, width, 3), in [0, 1]."""

    frames: NDArray[np.float32]


class FakePipeline:
    """A stand-in for a text-to-video pipeline of diffusers. It ignores the prompt."""

    def __call__(
        self, prompt: str, *, num_frames: int = 81, height: int = 240, width: int = 416, **_: Any
    ) -> FakeOutput:
        """Return one video."""
        frames = np.full((1, num_frames, height, width, 3), 0.2, np.float32)
        frames[0, :, height * 4 // 5 :] = (0.45, 0.33, 0.22)
        for index in range(num_frames):
            # The stick falls with constant acceleration, rests, and is lifted again: a strike every second.
            phase = index / FPS % 1
            height_left = 1 - (phase / 0.4) ** 2 if phase < 0.4 else max(0.0, (phase - 0.5) / 0.5)
            bottom = int(height * (0.8 - 0.5 * height_left))
            frames[0, index, max(0, bottom - height // 4) : bottom, width // 2 - 6 : width // 2 + 6] = (0.9, 0.8, 0.6)
        return FakeOutput(frames=frames)


def main(path: Path, num_frames: int) -> None:
    """Generate a video and its foley, and write them."""
    print("diffusers' weights are not here: a stand-in with the same interface draws the frames")
    pipe = WithSound(FakePipeline(), fps=FPS, device="cpu")
    result = pipe(prompt="(a wooden stick strikes the ground:1.2), masterpiece, 4k", num_frames=num_frames)
    (sound,) = result.audio
    print(f"{sound.num_samples} samples at {sound.sample_rate} Hz for {len(result.frames[0])} frames at {FPS} fps")
    print(f"wrote {result.save(path)}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out.mp4"), int(sys.argv[2]) if len(sys.argv) > 2 else 81)
