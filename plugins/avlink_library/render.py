"""From an assembly to sound: recordings are read, shaped, looped and laid."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from avlink import Sound, derive_seed, to_index
from avlink_library.assemble import Assembly, Stretch, Strike
from avlink_library.cycle import CycleSound, make_cycle
from avlink_library.files import Kept, read_stretch
from avlink_library.lay import Laid, Playable, lay
from avlink_library.options import LibraryOptions
from avlink_library.shape import StrikeShape, duck_span, ducked, shape_of, shaped, with_soft_edges

RATE = 48000
_LONGEST_CYCLE_S = 60
_FADE_S = 0.03
_STEADY_DB = 12.0
"""Distance of the mean power of a continuous sound from the peak of a hit of its strength."""


class Renderer:
    """Renders assemblies at 48 kHz in mono, and keeps what was computed for the hits to come."""

    def __init__(self, options: LibraryOptions) -> None:
        self._options = options
        self._read, self._made = Kept(), Kept()
        self._peaks: dict[Hashable, float] = {}

    def blocks(
        self, assembly: Assembly, num_samples: int, *, ambience: bool = False, more: tuple[Laid, ...] = ()
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the sound of an assembly in blocks (1, samples), with what else is laid.

        Raises MediaChanged and MediaError for recordings that cannot be used any more.
        """
        items = [self.laid_strike(one) for one in assembly.strikes]
        items += [self.laid_stretch(one, ambience=ambience) for one in assembly.stretches]
        yield from lay([*items, *more], num_samples)

    def laid_strike(self, strike: Strike) -> Laid:
        """Return a single hit as it is laid on its hit."""
        sound = _Struck(strike.single.sound, strike, self)
        options = self._options
        peak_db = options.loudest_db - options.range_db * (1 - strike.hit.strength) + strike.variation.level_db
        start = to_index(strike.hit.time_s, RATE) - sound.shape.anchor
        return Laid(start=start, sound=sound, gain=10 ** (min(0.0, peak_db) / 20))

    def laid_stretch(self, stretch: Stretch, *, ambience: bool = False) -> Laid:
        """Return a continuous recording as it is laid on its stretch."""
        cycle = self.cycle(stretch.sound)
        start = to_index(stretch.start_s, RATE)
        count = max(1, to_index(stretch.start_s + stretch.duration_s, RATE) - start)
        # Ambience goes on beyond both ends of its clip, where the stem has its own fades.
        fade = 0 if ambience else round(_FADE_S * RATE)
        first = phase_of(stretch, len(cycle))
        power = float(np.mean(np.square(cycle, dtype=np.float64)))
        options, peak = self._options, float(np.abs(cycle).max(initial=0.0))
        level_db = options.loudest_db - options.range_db * (1 - stretch.strength)
        wanted = 10 ** ((options.ambience_db if ambience else level_db - _STEADY_DB) / 20)
        gain = 0.0 if power <= 0 else min(wanted / power**0.5, 10 ** (level_db / 20) / peak)
        return Laid(start=start, sound=CycleSound(cycle, count, first=first, fade=fade), gain=gain)

    def read(self, sound: Sound, start_s: Fraction, end_s: Fraction) -> NDArray[np.float32]:
        """Return the samples of a recording from `start_s` to `end_s`; see `read_stretch`."""
        return self._read.get((sound.digest, start_s, end_s), lambda: read_stretch(sound, start_s, end_s))

    def cycle(self, sound: Sound) -> NDArray[np.float32]:
        """Return the samples of a continuous recording, which goes round."""
        return self._made.get(("cycle", sound.digest), lambda: self._cycle(sound))

    def _cycle(self, sound: Sound) -> NDArray[np.float32]:
        rate = sound.analysis.sample_rate
        end_s = min(sound.analysis.length_s, Fraction(_LONGEST_CYCLE_S))
        samples = read_stretch(sound, Fraction(0), end_s)
        shape = shape_of(len(samples), 0, rate=rate, out_rate=RATE, speed=Fraction(1))
        return make_cycle(shaped(samples, shape, out_rate=RATE), RATE)

    def struck(self, strike: Strike, shape: StrikeShape) -> NDArray[np.float32]:
        """Return the shaped samples of a single hit, whose peak is 1."""
        single, variation = strike.single, strike.variation
        key = (single.sound.digest, single.transient_s, variation.speed, variation.treble_db)

        def make() -> NDArray[np.float32]:
            samples = self.read(single.sound, single.start_s, single.end_s)
            made = shaped(samples, shape, out_rate=RATE, treble_db=variation.treble_db)
            made = with_soft_edges(made, shape.anchor, rate=RATE)
            peak = float(np.abs(made).max(initial=0.0))
            self._peaks[key] = peak
            return made if peak <= 0 else made / np.float32(peak)

        return self._made.get(key, make)

    def factor(self, strike: Strike) -> float:
        """Return what the samples of a recording are multiplied with for a single hit of it, besides its gain."""
        self.struck(strike, strike_shape(strike, strike.single.sound.analysis.sample_rate))
        single, variation = strike.single, strike.variation
        peak = self._peaks[(single.sound.digest, single.transient_s, variation.speed, variation.treble_db)]
        return 1.0 if peak <= 0 else 1 / peak


class _Struck(Playable):
    """A single hit that is read and shaped when it is heard."""

    def __init__(self, sound: Sound, strike: Strike, renderer: Renderer) -> None:
        self._strike, self._renderer = strike, renderer
        self.shape = strike_shape(strike, sound.analysis.sample_rate)
        self._duck: tuple[int, int] | None = None
        if strike.next_s is not None:
            begin_s, end_s = duck_span(strike.next_s - strike.hit.time_s)
            self._duck = (self.shape.anchor + to_index(begin_s, RATE), self.shape.anchor + to_index(end_s, RATE))

    @property
    def num_samples(self) -> int:
        return self.shape.num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        heard = self._renderer.struck(self._strike, self.shape)[start:stop]
        return heard if self._duck is None else ducked(heard, start, begin=self._duck[0], end=self._duck[1])


def phase_of(stretch: Stretch, length: int) -> int:
    """Return the sample of a cycle with which a stretch begins."""
    return derive_seed("phase", stretch.seed) % length


def strike_shape(strike: Strike, rate: int) -> StrikeShape:
    """Return the shape of a single hit at 48 kHz."""
    single, variation = strike.single, strike.variation
    count = max(1, int((single.end_s - single.start_s) * rate))
    anchor = min(count - 1, max(0, int((single.transient_s - single.start_s) * rate)))
    return shape_of(count, anchor, rate=rate, out_rate=RATE, speed=variation.speed)
