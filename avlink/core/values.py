"""The values that cross floors: sound, picture, requests and what generators promise.

Plain numpy and fractions; nothing here knows a timeline, a model or a file. Media time is an exact `Fraction`
of a second everywhere; it becomes a sample or frame index only in `avlink.core.clock`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@runtime_checkable
class SoundSource(Protocol):
    """Sound that is read a stretch at a time, so that long clips need little memory. Full scale is +-1."""

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        ...

    @property
    def channels(self) -> int:
        """How many channels."""
        ...

    @property
    def num_samples(self) -> int:
        """Samples per channel."""
        ...

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Samples [start, stop) of shape (channels, samples); indices as in a slice. Not to be written to."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Waveform:
    """Sound in memory (a `SoundSource`): float32 `samples` of shape (channels, samples), full scale at +-1."""

    samples: NDArray[np.float32]
    sample_rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 2:
            raise ValueError(f"a waveform is (channels, samples), not of shape {self.samples.shape}")

    @property
    def num_samples(self) -> int:
        """Samples per channel."""
        return int(self.samples.shape[1])

    @property
    def channels(self) -> int:
        """How many channels."""
        return int(self.samples.shape[0])

    @property
    def duration_s(self) -> Fraction:
        """Exact length in seconds."""
        return Fraction(self.num_samples, self.sample_rate)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Samples [start, stop), without a copy."""
        return self.samples[:, start:stop]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Something that is struck in a sound: `sample` counts from its first one.

    `strength_db` is by how much it rises out of what was heard just before, in the mean of all bands.
    """

    sample: int
    strength_db: float


@runtime_checkable
class FrameSource(Protocol):
    """Pictures at a constant rate that are read a stretch at a time, so that long clips need little memory."""

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        ...

    @property
    def num_frames(self) -> int:
        """How many frames there are."""
        ...

    @property
    def height(self) -> int:
        """Rows of pixels."""
        ...

    @property
    def width(self) -> int:
        """Pixels in a row."""
        ...

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Frames [start, stop) as RGB uint8 of shape (frames, height, width, 3)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """Pictures in memory (a `FrameSource`): RGB uint8 `pixels` of shape (frames, height, width, 3)."""

    pixels: NDArray[np.uint8]
    rate: Fraction

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or self.pixels.shape[3] != 3:
            raise ValueError(f"frames are (frames, height, width, 3), not of shape {self.pixels.shape}")

    @property
    def num_frames(self) -> int:
        """How many frames."""
        return int(self.pixels.shape[0])

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.pixels.shape[1])

    @property
    def width(self) -> int:
        """Pixels in a row."""
        return int(self.pixels.shape[2])

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Frames [start, stop)."""
        return self.pixels[start:stop]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSequence:
    """Pictures that follow each other at `rate` per second, the first at media time 0.

    `files` has one entry for each picture. None stands for one that is missing: the picture before it is held, or
    black is shown if `black`.
    """

    files: tuple[Path | None, ...]
    rate: Fraction
    black: bool = False

    def __post_init__(self) -> None:
        if not any(self.files) or self.rate <= 0:
            raise ValueError("an image sequence needs at least one picture and a rate above 0")

    @property
    def first(self) -> Path:
        """The first picture that is there."""
        return next(path for path in self.files if path is not None)

    @property
    def duration_s(self) -> Fraction:
        """How long the whole sequence lasts."""
        return len(self.files) / self.rate

    def __str__(self) -> str:
        return str(self.first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the clip should sound like, and what it should not; empty strings say nothing."""

    text: str = ""
    negative: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSpec:
    """The pictures a model reads or makes: constant rate in frames per second, size in pixels."""

    rate: Fraction
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundRequest:
    """Make the sound of one clip. `frames` are already at the generator's `PictureSpec`."""

    frames: FrameSource
    duration_s: Fraction
    prompt: Prompt
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRequest:
    """Make the picture of one sound. `sound` is already mono at the generator's `sample_rate`; read it in blocks."""

    sound: SoundSource
    duration_s: Fraction
    prompt: Prompt
    seed: int


OnStep = Callable[[int, int], None]
"""Called with (steps done, steps in all) while generating; may raise to interrupt."""


class SoundGenerator(Protocol):
    """Video to audio. Each request is answered as if it were alone: batch mates never change a result."""

    sample_rate: int
    picture: PictureSpec

    def generate(self, requests: Sequence[SoundRequest], *, on_step: OnStep | None = None) -> Sequence[SoundSource]:
        """One sound a request, at `sample_rate`, of round(duration_s * sample_rate) samples.

        A `Waveform` is one; a generator of long sounds gives something that is read in blocks.
        """
        ...


class PictureGenerator(Protocol):
    """Audio to video, the mirror of `SoundGenerator`."""

    sample_rate: int
    picture: PictureSpec

    def generate(self, requests: Sequence[PictureRequest], *, on_step: OnStep | None = None) -> Sequence[FrameSource]:
        """Frames at `picture` for each request, round(duration_s * rate) of them (at least one).

        `Frames` are one; a generator of long pictures gives something that is read in blocks.
        """
        ...
