"""Two quick backends whose results encode the request: `tone` and `flat`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from avlink.core.clock import to_index
from avlink.core.values import Frames, OnStep, PictureRequest, PictureSpec, SoundRequest, Waveform
from avlink.hooks import Backend, Options, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LOWEST_HZ = 200
_PITCHES = 1000
_FLAT_SAMPLE_RATE = 16000


class ToneOptions(Options):
    """The sample rate of the tone in hertz, its peak, and the number of steps that it reports."""

    sample_rate: int = 16000
    peak: float = 0.5
    steps: int = 2


class FlatOptions(Options):
    """The size of the pictures."""

    width: int = 8
    height: int = 6
    fps: int = 12


def tone_hz(seed: int) -> float:
    """Return the frequency of the tone for a seed: a whole number of hertz from 200 to 1199."""
    return float(_LOWEST_HZ + seed % _PITCHES)


class ToneGenerator:
    """A `SoundGenerator` that returns a sine for each request."""

    def __init__(self, options: ToneOptions) -> None:
        self.sample_rate = options.sample_rate
        self.picture = PictureSpec(rate=Fraction(4), width=8, height=8)
        self._options = options

    def generate(self, requests: Sequence[SoundRequest], *, on_step: OnStep | None = None) -> tuple[Waveform, ...]:
        """Return a mono waveform for each request."""
        _tell(on_step, self._options.steps)
        return tuple(self._tone(request) for request in requests)

    def _tone(self, request: SoundRequest) -> Waveform:
        import numpy as np

        # Reads every picture as a real generator does, so that a broken file fails in tests as well.
        request.frames.read(0, request.frames.num_frames)
        time_s = np.arange(to_index(request.duration_s, self.sample_rate)) / self.sample_rate
        wave = self._options.peak * np.sin(2 * np.pi * tone_hz(request.seed) * time_s)
        return Waveform(samples=wave[None].astype(np.float32), sample_rate=self.sample_rate)


class FlatGenerator:
    """A `PictureGenerator` that returns frames of one grey for each request."""

    def __init__(self, options: FlatOptions) -> None:
        self.sample_rate = _FLAT_SAMPLE_RATE
        self.picture = PictureSpec(rate=Fraction(options.fps), width=options.width, height=options.height)

    def generate(self, requests: Sequence[PictureRequest], *, on_step: OnStep | None = None) -> tuple[Frames, ...]:
        """Return frames for each request."""
        _tell(on_step, 1)
        return tuple(Frames(pixels=self._pixels(request), rate=self.picture.rate) for request in requests)

    def _pixels(self, request: PictureRequest) -> NDArray[np.uint8]:
        import numpy as np

        frames = max(1, to_index(request.duration_s, self.picture.rate))
        shape = (frames, self.picture.height, self.picture.width, 3)
        return np.full(shape, request.seed % 256, dtype=np.uint8)


@hookimpl
def avlink_backends() -> list[Backend]:
    """Offer `tone` and `flat`."""
    return [
        Backend(
            name="tone",
            direction="v2a",
            options=ToneOptions,
            fingerprint=lambda options: f"tone/1/{options.model_dump_json()}",
            load=lambda options, device: ToneGenerator(options),
        ),
        Backend(
            name="flat",
            direction="a2v",
            options=FlatOptions,
            fingerprint=lambda options: f"flat/1/{options.model_dump_json()}",
            load=lambda options, device: FlatGenerator(options),
        ),
    ]


def _tell(on_step: OnStep | None, steps: int) -> None:
    for step in range(1, steps + 1):
        if on_step is not None:
            on_step(step, steps)
