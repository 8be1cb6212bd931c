"""Values that packages exchange: sound, pictures, requests, and the protocols of generators.

Plain numpy and fractions, without timelines, models or open files. Media time is an exact `Fraction` of a second
everywhere and becomes a sample or frame index only in `avlink.core.clock`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from avlink.core.hits import Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pydub import AudioSegment

_INT_BYTES = 4
_INT_FULL_SCALE = 1 << 31


@runtime_checkable
class SoundSource(Protocol):
    """Sound that is read a span at a time, so that long clips need little memory. Full scale is +-1."""

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        ...

    @property
    def channels(self) -> int:
        """Number of channels."""
        ...

    @property
    def num_samples(self) -> int:
        """Samples per channel."""
        ...

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (channels, samples); indices as in a slice. Read only."""
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
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def duration_s(self) -> Fraction:
        """Exact length in seconds."""
        return Fraction(self.num_samples, self.sample_rate)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop), without a copy."""
        return self.samples[:, start:stop]

    def to_pydub(self) -> AudioSegment:
        """Return the sound as a `pydub.AudioSegment` of 32-bit integers, in which +-1 is full scale.

        Values in [-1, 1) that are multiples of 2**-31 are kept exactly, others are rounded, and those beyond full scale
        clipped. Raises ValueError for values that are not finite.
        """
        import numpy as np

        if not np.isfinite(self.samples).all():
            raise ValueError("the sound holds values that are not finite, which integers cannot hold")
        scaled = np.clip(np.rint(self.samples.T * np.float64(_INT_FULL_SCALE)), -_INT_FULL_SCALE, _INT_FULL_SCALE - 1)
        return _segment_type()(
            data=scaled.astype(np.int32).tobytes(),
            sample_width=_INT_BYTES,
            frame_rate=self.sample_rate,
            channels=self.channels,
        )

    @classmethod
    def from_pydub(cls, segment: AudioSegment) -> Waveform:
        """Return a `pydub.AudioSegment` of any sample width as a waveform.

        Integers of up to 25 bits with their sign, and all that `to_pydub` returns, are kept exactly; others are rounded
        to the nearest float32.
        """
        import numpy as np

        # Signed at every width: pydub converts 8-bit sound when it reads it.
        values = np.frombuffer(segment.raw_data, np.dtype(f"i{segment.sample_width}"))
        scaled = values.reshape(-1, segment.channels).T / np.float64(1 << (8 * segment.sample_width - 1))
        return cls(samples=np.ascontiguousarray(scaled, np.float32), sample_rate=segment.frame_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class StemHit:
    """An impact in a sound, at `sample` from its start.

    `strength_db` is its rise above the level just before, as the mean over all bands.
    """

    sample: int
    strength_db: float


@runtime_checkable
class FrameSource(Protocol):
    """Pictures at a constant rate that are read a span at a time, so that long clips need little memory."""

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        ...

    @property
    def num_frames(self) -> int:
        """Number of frames."""
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
        """Return frames [start, stop) as RGB uint8 of shape (frames, height, width, 3)."""
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
        """Number of frames."""
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
        """Return frames [start, stop), without a copy."""
        return self.pixels[start:stop]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSequence:
    """A film of one file per picture, at `rate` pictures per second, the first at media time 0.

    `files` has one entry per picture. None stands for a missing one: the picture before it is held, or black is shown
    if `black`.
    """

    files: tuple[Path | None, ...]
    rate: Fraction
    black: bool = False

    def __post_init__(self) -> None:
        if not any(self.files) or self.rate <= 0:
            raise ValueError("an image sequence needs at least one picture and a rate above 0")

    @property
    def first(self) -> Path:
        """The first picture that exists."""
        return next(path for path in self.files if path is not None)

    @property
    def duration_s(self) -> Fraction:
        """Exact length in seconds."""
        return len(self.files) / self.rate

    def __str__(self) -> str:
        return str(self.first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A text prompt and a negative prompt; either may be empty."""

    text: str = ""
    negative: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSpec:
    """Picture format of a model: constant rate in frames per second, size in pixels."""

    rate: Fraction
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundRequest:
    """Request for the sound of one clip. `frames` are already at the generator's `PictureSpec`.

    `hits` are the events that are to sound, in seconds from the first frame; None leaves them to the generator. An
    empty tuple asks for none. Generators without such a condition ignore them. With `base_hits`, the sound away from
    the hits in which both lists differ is that of `base_hits`, sample for sample. `known_s` is the stretch that `hits`
    speak of, in seconds; None means all. Outside of it the generator decides.

    `is_ambience` asks for a continuous background, which has no hits. `material` is what the backend has answered on
    this clip as its `Backend.material`; "" where it has none.

    With `item`, the `ItemSound.item` of a sound that the backend has chosen, only that sound is asked for: it strikes
    at the one hit of `hits`, or lasts as long as that. Within `known_s` nothing else sounds; outside of it, its
    recording goes on as far as it does. `frames` has no frames then.
    """

    frames: FrameSource
    duration_s: Fraction
    prompt: Prompt
    seed: int
    hits: tuple[Hit, ...] | None = None
    base_hits: tuple[Hit, ...] | None = None
    known_s: tuple[Fraction, Fraction] | None = None
    is_ambience: bool = False
    material: str = ""
    item: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundWish:
    """A request for sound as it is known before any picture is decoded; see `SoundRequest`."""

    prompt: Prompt
    hits: tuple[Hit, ...] | None = None
    base_hits: tuple[Hit, ...] | None = None
    is_ambience: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundUse:
    """A recording that a generated sound was made of, by its library and its name there, for reports and credits."""

    library: str
    name: str
    licence: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSound:
    """A sound for one hit, as a backend chooses it before anything is generated.

    It is heard from `lead_s` before the hit on, for `length_s`; its recording has `before_s` before that, and `after_s`
    behind it. `name` is for people. `item` names all that is heard, and comes back as `SoundRequest.item`. `choice`
    names the recording and the place in it alone, whatever its level. Raises ValueError for lengths below 0.
    """

    name: str
    item: str
    choice: str
    lead_s: Fraction
    length_s: Fraction
    before_s: Fraction = Fraction(0)
    after_s: Fraction = Fraction(0)
    use: SoundUse | None = None

    def __post_init__(self) -> None:
        for name in ("lead_s", "length_s", "before_s", "after_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} of the sound '{self.name}' is {float(getattr(self, name))}, below 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class HitSounds:
    """The sounds that a backend has chosen for one hit: the one that is heard, then its alternatives.

    Without any, `note` is a sentence that says why; where that is empty too, the hit is generated with its clip.
    """

    takes: tuple[ItemSound, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundOrigin:
    """Facts on a generated sound: the recordings in it, and sentences on what it lacks."""

    uses: tuple[SoundUse, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRequest:
    """Request for the pictures of one sound, which is already mono at the generator's `sample_rate`."""

    sound: SoundSource
    duration_s: Fraction
    prompt: Prompt
    seed: int


class HitSpotter(Protocol):
    """A spotter that is loaded: it finds the sounding events that are visible in pictures."""

    picture: PictureSpec

    def spot(self, frames: FrameSource) -> Sequence[Hit]:
        """Return the hits in `frames`, which are at `picture`; times count from the start of the first frame.

        The order does not matter, and the same frames give the same hits.
        """
        ...


OnStep = Callable[[int, int], None]
"""Callback with (steps done, steps in all) during generation; may raise to interrupt it."""


class SoundGenerator(Protocol):
    """Video to audio. Each request is answered as if it were alone: the rest of the batch changes no result."""

    sample_rate: int
    picture: PictureSpec

    def generate(self, requests: Sequence[SoundRequest], *, on_step: OnStep | None = None) -> Sequence[SoundSource]:
        """Return one sound per request, at `sample_rate`, of round(duration_s * sample_rate) samples.

        Short sounds may be `Waveform`s; long ones are better given as sources that are read in blocks. A source may
        have an attribute `origin`, a `SoundOrigin`: its notes are told to the user.
        """
        ...


class PictureGenerator(Protocol):
    """Audio to video, the counterpart of `SoundGenerator`."""

    sample_rate: int
    picture: PictureSpec

    def generate(self, requests: Sequence[PictureRequest], *, on_step: OnStep | None = None) -> Sequence[FrameSource]:
        """Return round(duration_s * rate) frames, at least one, at `picture` for each request.

        Short ones may be `Frames`; long ones are better given as sources that are read in blocks.
        """
        ...


def _segment_type() -> type[AudioSegment]:
    """Return pydub's class. Its import warns that there is no ffmpeg program, which is not needed here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pydub import AudioSegment

        return AudioSegment
