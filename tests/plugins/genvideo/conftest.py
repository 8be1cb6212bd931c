"""Files as generators leave them: written by PyAV and Pillow alone, with notes in the places that each is known for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avlink import Session, open_session, testing
from avlink.core.events import Event
from avlink.core.recipe import SonifyRecipe, load_recipe

POSITIVE = "(a stick strikes wood:1.2), masterpiece, 8k"
NEGATIVE = "blurry, worst quality, music"


def encoder(text: Any) -> dict[str, Any]:
    """A node that encodes words."""
    return {"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["1", 0]}}


def simple_graph(positive: str = POSITIVE, negative: str = NEGATIVE) -> dict[str, Any]:
    """The smallest graph that makes a video."""
    sampled = {"model": ["1", 0], "positive": ["4", 0], "negative": ["5", 0], "latent_image": ["8", 0], "seed": 1}
    return {
        "4": encoder(positive),
        "5": encoder(negative),
        "10": {"class_type": "KSampler", "inputs": sampled},
        "11": {"class_type": "VAEDecode", "inputs": {"samples": ["10", 0], "vae": ["1", 2]}},
        "12": {"class_type": "CreateVideo", "inputs": {"images": ["11", 0], "fps": 16}},
        "13": {"class_type": "SaveVideo", "inputs": {"video": ["12", 0], "filename_prefix": "video/clip"}},
    }


def strokes(count: int, size: tuple[int, int] = (48, 64), rate: float = 16) -> NDArray[np.uint8]:
    """A bar that falls on the ground once a second."""
    height, width = size
    frames = np.full((count, height, width, 3), 40, np.uint8)
    frames[:, height * 4 // 5 :] = (120, 90, 60)
    for index in range(count):
        phase = index / rate % 1
        up = 1 - (phase / 0.4) ** 2 if phase < 0.4 else max(0.0, (phase - 0.5) / 0.5)
        bottom = int(height * (0.8 - 0.5 * up))
        frames[index, max(0, bottom - height // 4) : bottom, width // 2 - 3 : width // 2 + 3] = 230
        # No two pictures are the same: writers of animated images would make one of them.
        frames[index, 0, : width // 2] = index * 37 % 256
    return frames


def write(
    path: Path,
    frames: NDArray[np.uint8],
    *,
    tags: dict[str, str] | None = None,
    rate: Fraction = Fraction(16),
    times: Sequence[Fraction] | None = None,
    movflags: str = "use_metadata_tags",
    sound: NDArray[np.float32] | None = None,
    pixels: str = "yuv420p",
) -> Path:
    """A video of frames, with notes in its container."""
    codec = "libvpx-vp9" if path.suffix == ".webm" else "libx264"
    options = {"movflags": movflags} if path.suffix in {".mp4", ".mov"} and movflags else {}
    clock = Fraction(1, 90000)
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(tags or {})
        stream = container.add_stream(codec, rate=rate)
        halved = pixels == "yuv420p"
        stream.height, stream.width = (side - side % 2 if halved else side for side in frames.shape[1:3])
        stream.pix_fmt = pixels
        if times is not None:
            stream.codec_context.time_base = clock
        if codec == "libvpx-vp9":
            stream.options = {"cpu-used": "8", "deadline": "realtime"}
        else:
            stream.options = {"preset": "ultrafast", "bf": "2"}
        track = None
        if sound is not None:
            audio_codec = {".webm": "libopus", ".mkv": "flac"}.get(path.suffix, "aac")
            track = container.add_stream(audio_codec, rate=48000, layout="stereo")
        for index, picture in enumerate(frames[:, : stream.height, : stream.width]):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[index] / clock), clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None and sound is not None:
            for start in range(0, sound.shape[1], 960):
                block = np.ascontiguousarray(sound[:, start : start + 960])
                audio = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
                audio.sample_rate, audio.pts, audio.time_base = 48000, start, Fraction(1, 48000)
                container.mux(track.encode(audio))
            container.mux(track.encode(None))
    return path


def write_image(path: Path, frames: NDArray[np.uint8], *, duration: int | list[int] = 62, **named: Any) -> Path:
    """An animated WebP, PNG or GIF."""
    from PIL import Image

    images = [Image.fromarray(pixels) for pixels in frames]
    if path.suffix == ".webp":
        named = {"lossless": True, **named}
    images[0].save(path, save_all=True, append_images=images[1:], duration=duration, loop=0, **named)
    return path


def comfy_exif(**texts: Any) -> Any:
    """EXIF as SaveAnimatedWEBP writes it: Model, then Make and the tags before it."""
    from PIL import Image

    exif = Image.Exif()
    for tag, (name, value) in zip((0x0110, 0x010F, 0x010E), texts.items(), strict=False):
        exif[tag] = f"{name}:{json.dumps(value)}"
    return exif


class Kit:
    """The builders above, for test modules: they cannot import this one."""

    POSITIVE, NEGATIVE = POSITIVE, NEGATIVE
    encoder = staticmethod(encoder)
    simple_graph = staticmethod(simple_graph)
    strokes = staticmethod(strokes)
    write = staticmethod(write)
    write_image = staticmethod(write_image)
    comfy_exif = staticmethod(comfy_exif)


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    return Kit


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def session(tmp_path: Path, told: list[Event]) -> Session:
    return open_session(device="cpu", registry=testing.fake_registry(), cache=tmp_path / "cache", listener=told.append)


@pytest.fixture
def recipe(tmp_path: Path) -> SonifyRecipe:
    """The tone backend: quick, and its pitch tells the seed."""
    path = tmp_path / "tone.toml"
    path.write_text('format = 1\nkind = "sonify"\n[backend]\nname = "tone"\n[stems]\nsample_rate = 48000\n')
    return load_recipe(path, "sonify")


@pytest.fixture
def clip(tmp_path: Path, kit: type[Kit]) -> Callable[..., Path]:
    """A short mp4 as SaveVideo writes it."""

    def make(name: str = "clip_00001_.mp4", **named: Any) -> Path:
        named = {"tags": {"prompt": json.dumps(simple_graph())}, **named}
        return write(tmp_path / name, named.pop("frames", strokes(10)), **named)

    return make
