"""Movies that the tests make, and the real ones that lie beside the checkout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray

SHARED_MEDIA = Path(__file__).resolve().parents[2] / ".." / "shared" / "media"


@pytest.fixture(scope="session")
def real_media() -> Callable[[str], Path]:
    """Gives the path of a real file by its name in shared/media."""

    def find(name: str) -> Path:
        path = SHARED_MEDIA / name
        if not path.exists():
            pytest.skip(f"{name} is not in the folder shared/media beside the checkout")
        return path

    return find


@pytest.fixture
def make_movie(tmp_path: Path) -> Callable[..., Path]:
    """Writes grey levels (or RGB pictures) as a movie, each at its own time, without our own code."""

    def make(
        name: str,
        pictures: Sequence[int | NDArray[np.uint8]],
        *,
        times: Sequence[Fraction] | None = None,
        rate: Fraction = Fraction(25),
        size: tuple[int, int] = (64, 48),
        codec: str = "libx264",
        sound: NDArray[np.float32] | None = None,
        sound_rate: int = 48000,
        sound_start: int = 0,
        gop: int = 12,
    ) -> Path:
        path = tmp_path / name
        # A clock that both 1/rate and the times of variable rates fall on.
        clock = Fraction(1, 90000)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.codec_context.time_base = clock
            stream.codec_context.gop_size = gop
            if codec == "libx264":
                stream.options = {"crf": "4", "preset": "ultrafast", "bf": "2"}
            track = None
            if sound is not None:
                layout = "mono" if sound.shape[0] == 1 else "stereo"
                track = container.add_stream("aac" if path.suffix == ".mp4" else "pcm_s16le", rate=sound_rate)
                track.layout = layout
            for index, picture in enumerate(pictures):
                pixels = np.full((size[1], size[0], 3), picture, np.uint8) if np.isscalar(picture) else picture
                frame = VideoFrame.from_ndarray(pixels, format="rgb24")
                when = index / rate if times is None else times[index]
                frame.pts, frame.time_base = round(when / clock), clock
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            if track is not None and sound is not None:
                for start in range(0, sound.shape[1], 1024):
                    block = AudioFrame.from_ndarray(
                        np.ascontiguousarray(sound[:, start : start + 1024]), format="fltp", layout=layout
                    )
                    block.sample_rate, block.time_base = sound_rate, Fraction(1, sound_rate)
                    block.pts = start + sound_start
                    container.mux(track.encode(block))
                container.mux(track.encode(None))
        return path

    return make
