"""The sound of one item: a single hit or a continuous recording, with what the recording has around it as handles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from avlink import SoundRequest, to_index
from avlink_library.assemble import Stretch, Strike
from avlink_library.cycle import CycleSound
from avlink_library.lay import InMemory, Laid, lay
from avlink_library.render import RATE, Renderer, phase_of
from avlink_library.shape import shape_of, shaped

_EASE_S = 0.005
"""Fade at the ends of handles, where they were cut from a recording."""


def item_blocks(one: Strike | Stretch, request: SoundRequest, renderer: Renderer) -> Iterator[NDArray[np.float32]]:
    """Yield the sound of an item in blocks (1, samples): the sound within `request.known_s`, handles outside of it.

    Raises MediaChanged and MediaError for a recording that cannot be used any more.
    """
    count = to_index(request.duration_s, RATE)
    first_s, last_s = request.known_s or (Fraction(0), request.duration_s)
    first, last = to_index(first_s, RATE), to_index(last_s, RATE)
    if isinstance(one, Stretch):
        laid = renderer.laid_stretch(replace(one, start_s=first_s, duration_s=last_s - first_s))
        head, tail = _rounds(renderer.cycle(one.sound), one, first, last, count)
        gain = laid.gain
    else:
        laid = renderer.laid_strike(one)
        head, tail = _around(one, renderer, first, count - last)
        gain = laid.gain * renderer.factor(one)
    handles = [(at, _limited(samples, gain)) for at, samples in ((first - len(head), head), (last, tail))]
    begin = 0
    for block in lay([laid], count):
        end = begin + block.shape[1]
        for at, handle in handles:
            low, high = max(begin, at), min(end, at + len(handle))
            if low < high:
                block[0, low - begin : high - begin] += handle[low - at : high - at]
        yield block
        begin = end


def _rounds(
    cycle: NDArray[np.float32], stretch: Stretch, first: int, last: int, count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what a cycle has before sample `first` of an item and from sample `last` on, up to `count`."""
    begin, ease = phase_of(stretch, len(cycle)), round(_EASE_S * RATE)
    head = CycleSound(cycle, first, first=begin - first, fade=ease).read(0, first)
    tail = CycleSound(cycle, count - last, first=begin + last - first, fade=ease).read(0, count - last)
    return head, tail


def _around(
    strike: Strike, renderer: Renderer, before: int, after: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return up to `before` samples of what a recording has before a single hit, and `after` of what it has behind."""
    single, speed = strike.single, strike.variation.speed
    length_s = single.sound.analysis.length_s
    head_s = min(single.start_s, Fraction(before, RATE) * speed)
    tail_s = min(max(Fraction(0), length_s - single.end_s), Fraction(after, RATE) * speed)
    begin_s, end_s = single.start_s, single.end_s
    head = _stretch(strike, renderer, begin_s - head_s, begin_s)[-before:] if before and head_s else _NONE
    tail = _stretch(strike, renderer, end_s, end_s + tail_s)[:after] if after and tail_s else _NONE
    return head, tail


def _stretch(strike: Strike, renderer: Renderer, start_s: Fraction, end_s: Fraction) -> NDArray[np.float32]:
    sound, variation = strike.single.sound, strike.variation
    samples = renderer.read(sound, start_s, end_s)
    if not len(samples):
        return _NONE
    shape = shape_of(len(samples), 0, rate=sound.analysis.sample_rate, out_rate=RATE, speed=variation.speed)
    # A copy: without a change of rate it is what is kept of the recording.
    made = np.array(shaped(samples, shape, out_rate=RATE, treble_db=variation.treble_db))
    ease = min(round(_EASE_S * RATE), len(made) // 2)
    ramp = (np.arange(ease, dtype=np.float32) + 0.5) / max(1, ease)
    made[:ease] *= ramp
    made[len(made) - ease :] *= ramp[::-1]
    return made


def _limited(samples: NDArray[np.float32], gain: float) -> NDArray[np.float32]:
    """Return a handle at its level, apart from the sound itself, so that a loud neighbour does not turn that down."""
    blocks = lay([Laid(start=0, sound=InMemory(samples), gain=gain)], len(samples))
    return np.concatenate([_NONE, *(block[0] for block in blocks)])


_NONE: NDArray[np.float32] = np.zeros(0, np.float32)
