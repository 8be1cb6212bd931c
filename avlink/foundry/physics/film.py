"""Traces of a real camera and a codec in pictures: rates, shutter, grading, vignette, noise, blur, and H.264."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
import av.codec
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Pixels = NDArray[np.uint8]
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_EXPOSURE = (0.5, 4.0)
"""Least and greatest gain by which exposure is corrected."""
_CODECS = (("libx264", "h264"), ("mpeg4", "mpeg4"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """The recording of a clip.

    `source_fps` is the camera's rate; with `blended` frames of other rates are mixed rather than repeated or dropped.
    `exposures` are the moments that are averaged for one frame while the shutter is open, a share `shutter` of a
    frame's time.
    """

    source_fps: Fraction
    blended: bool
    exposures: int
    shutter: float
    brightness: float
    gamma: float
    tint: tuple[float, float, float]
    saturation: float
    contrast: float
    vignette: float
    noise: float
    softness: float
    depth_of_field: float
    shadows: bool
    crf: int
    interval: int
    preset: str


def plan_film(rng: np.random.Generator, fps: int) -> Film:
    """Draw how a clip at `fps` is recorded."""
    kind = rng.choice(["same", "other", "half", "double"], p=[0.62, 0.2, 0.1, 0.08])
    others = [rate for rate in (24, 25, 30) if rate != fps]
    rate = {
        "same": Fraction(fps),
        "other": Fraction(int(others[rng.integers(len(others))])),
        "half": Fraction(fps, 2),
        "double": Fraction(2 * fps),
    }[str(kind)]
    shadows = bool(rng.random() < 0.16)
    blurred = rng.random() < 0.5
    # A shadow costs another rendering, and so does each exposure.
    exposures = 1 if kind == "double" or shadows or not blurred else 2
    return Film(
        source_fps=rate,
        blended=bool(kind == "double" or (kind == "other" and rng.random() < 0.3)),
        exposures=exposures,
        shutter=float(rng.uniform(0.35, 1.0)) if blurred else 0.0,
        brightness=float(rng.uniform(0.26, 0.56)),
        gamma=float(np.exp(rng.normal(0, 0.16))),
        tint=tuple(np.exp(rng.normal(0, 0.05, 3)).tolist()),
        saturation=float(np.clip(rng.normal(0.95, 0.25), 0, 1.5)) if rng.random() > 0.06 else 0.0,
        contrast=float(np.exp(rng.normal(0, 0.15))),
        vignette=float(rng.uniform(0, 0.5)) if rng.random() < 0.4 else 0.0,
        noise=float(abs(rng.normal(0, 3.0))),
        softness=float(rng.uniform(0.4, 0.9)) if rng.random() < 0.35 else 0.0,
        depth_of_field=float(rng.uniform(0.8, 2.2)) if rng.random() < 0.25 and not shadows else 0.0,
        shadows=shadows,
        crf=int(rng.integers(16, 34)),
        interval=int(rng.choice([12, 25, 50, 250])),
        preset=str(rng.choice(["ultrafast", "veryfast", "medium"], p=[0.5, 0.35, 0.15])),
    )


def source_frames(film: Film, fps: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the source frames that output frames show: two for each, and the share of the second.

    A frame shows the source frame that had begun at its own time; blended ones mix it with the next.
    """
    at = np.arange(count) * float(film.source_fps) / fps
    first = np.floor(at + 1e-6).astype(np.int64)
    if film.source_fps == 2 * fps:
        # Both frames of a pair are within the time of one.
        return first, first + 1, np.full(count, 0.5)
    share = np.clip(at - first, 0, 1) if film.blended else np.zeros(count)
    return first, first + (share > 1e-6), np.where(share > 1e-6, share, 0.0)


def defocus(frames: Pixels, far: NDArray[np.float32], blur: float) -> Pixels:
    """Blur what is out of focus; `far` (frames, height, width) is 1 where a pixel is far from the plane of focus."""
    soft = gaussian_filter1d(frames, blur, axis=1)
    soft = gaussian_filter1d(soft, blur, axis=2)
    share = far[..., None]
    return np.asarray(frames + (soft.astype(np.float32) - frames) * share).clip(0, 255).astype(np.uint8)


def grade(frames: Pixels, film: Film, rng: np.random.Generator) -> Pixels:
    """Return frames with the film's exposure, colours, vignette and noise."""
    count, height, width = frames.shape[:3]
    # Exposure is set once for the clip, so that a flash or a fading light stays one.
    usual = float((frames[:: max(1, count // 8)].mean(axis=(0, 1, 2)) / 255) @ _LUMA)
    gain = np.clip(film.brightness / max(usual, 1e-3), *_EXPOSURE)
    curve = (np.arange(256, dtype=np.float32) / 255 * gain) ** film.gamma
    curve = (curve - 0.5) * film.contrast + 0.5
    # A shoulder instead of a hard clip, as cameras have.
    curve = np.where(curve > 0.8, 0.8 + 0.2 * np.tanh((curve - 0.8) / 0.2), curve)
    tables = (255 * curve[:, None] * np.asarray(film.tint)).astype(np.float32)
    x = np.stack([tables[frames[..., channel], channel] for channel in range(3)], axis=-1)
    if film.saturation != 1:
        grey = x @ _LUMA
        x = grey[..., None] + (x - grey[..., None]) * np.float32(film.saturation)
    if film.vignette:
        rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        columns = np.linspace(-1, 1, width, dtype=np.float32)[None]
        x *= (1 - film.vignette * (rows**2 + columns**2) / 2)[..., None]
    if film.softness:
        x = gaussian_filter1d(gaussian_filter1d(x, film.softness, axis=1), film.softness, axis=2)
    if film.noise > 0.3:
        # One field of noise, read at other places in each frame: drawing it anew would take a fifth of the time.
        field = rng.standard_normal((height + 32, width + 32, 1), dtype=np.float32) * np.float32(film.noise)
        for index in range(count):
            down, right = rng.integers(0, 32, 2)
            x[index] += field[down : down + height, right : right + width]
    return np.asarray(x.clip(0, 255).astype(np.uint8))


def compress(frames: Pixels, film: Film, fps: int) -> Pixels:
    """Return frames as they come out of a video file: encoded with H.264, or MPEG-4 without it, and decoded again."""
    height, width = frames.shape[1:3]
    encoder_name, decoder_name = next(pair for pair in _CODECS if pair[0] in av.codec.codecs_available)
    encoder = cast(VideoCodecContext, CodecContext.create(encoder_name, "w"))
    encoder.width, encoder.height, encoder.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, fps), Fraction(fps)
    # One thread: with several the bytes depend on how many there are.
    encoder.thread_count = 1
    options = {"g": str(film.interval)}
    if encoder_name == "libx264":
        options |= {"crf": str(film.crf), "preset": film.preset}
    encoder.options = options
    decoder = cast(VideoCodecContext, CodecContext.create(decoder_name, "r"))
    decoder.thread_count = 1
    if encoder.extradata:
        decoder.extradata = encoder.extradata
    padded = frames
    if width % 2 or height % 2:
        padded = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    packets = []
    for index, image in enumerate(padded):
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        picture.pts, picture.time_base = index, Fraction(1, fps)
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    decoded = [picture for packet in packets for picture in decoder.decode(packet)] + list(decoder.decode(None))
    out = np.stack([picture.to_ndarray(format="rgb24") for picture in decoded])
    return np.ascontiguousarray(out[: len(frames), :height, :width])
