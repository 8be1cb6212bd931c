"""Quality of sound against evaluations of the model: solvers, numbers of steps, and intervals of guidance.

All settings generate the same clips from the same noise. The distance is that of log-mel spectrograms to the sound of
32 steps of Heun's method: the error of the solver, not of the model. Baseline is the paper's form, 64 steps of Euler's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from avlink.core.bundles import bundle_sound, find_bundle
from avlink.core.sampling import SOUND, SolverName
from avlink.evaluation.model import BundleModel, Sounds, average_frames
from avlink.foundry import FRAME_RATE, make_clips
from avlink.metrics.onsets import detect_onsets
from avlink.metrics.spectral import log_mel_distance
from avlink.metrics.sync import onset_summary
from benchmarks.figure import Figure, Wanted

_FIRST_SEED = 1_000_700
_WINDOW_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A solver, its steps, and the flow time from which on nothing is guided."""

    solver: SolverName
    steps: int
    shift: float = SOUND.shift
    until: float = 1.0

    @property
    def name(self) -> str:
        """Return the name of the setting."""
        return f"{self.solver} {self.steps}, shift {self.shift:g}" + (
            f", guided until {self.until:g}" if self.until < 1 else ""
        )


TRUE = Setting(solver="heun", steps=32)
PLAIN = Setting(solver="euler", steps=64, shift=1.0)
SETTINGS = (
    Setting(solver="euler", steps=4, shift=1.0),
    *(Setting(solver="euler", steps=steps) for steps in (2, 3, 4, 8)),
    Setting(solver="heun", steps=3),
    *(Setting(solver="ab2", steps=steps) for steps in (4, 8)),
    *(Setting(solver="dpmpp_2m", steps=steps) for steps in (4, 8)),
    Setting(solver="euler", steps=4, until=0.3),
)


def measure(wanted: Wanted, settings: Sequence[Setting] = SETTINGS, clips: int = 8) -> list[Figure]:
    """Return F1 with captions and without, the distance to the exact solution, and CPU time, for each setting."""
    torch.set_num_threads(1)
    if wanted.quick:
        settings, clips = settings[:1], 1
    plain = Setting(solver="euler", steps=3) if wanted.quick else PLAIN
    true = Setting(solver="heun", steps=2) if wanted.quick else TRUE
    seeds = range(_FIRST_SEED, _FIRST_SEED + clips)
    model = _model(wanted, plain)
    batch = make_clips(seeds, split="held_out", rate=model.sample_rate)
    frames = average_frames(batch.frames.numpy(), (FRAME_RATE / model.picture.rate).numerator)
    events = [np.array([event.time_s for event in clip.events]) for clip in batch.clips]
    captions = [clip.caption for clip in batch.clips]
    duration_s = Fraction(batch.frames.shape[1]) / FRAME_RATE

    def made(setting: Setting, words: list[str] | None) -> tuple[Sounds, float]:
        chosen = _model(wanted, setting)
        start = time.process_time()
        sounds = chosen.generate(frames, words, seeds, duration_s=duration_s)
        return sounds, (time.process_time() - start) / clips

    exact = made(true, captions)[0]

    def scores(setting: Setting) -> dict[str, float]:
        silent, _ = made(setting, None)
        sounds, seconds = made(setting, captions)
        pairs = zip(exact, sounds, strict=True)
        return {
            "F1 at 100 ms": _f1(events, silent, model.sample_rate),
            "F1 at 100 ms, captions": _f1(events, sounds, model.sample_rate),
            "log-mel distance": float(np.mean([log_mel_distance(a, b, model.sample_rate) for a, b in pairs])),
            "CPU time a clip": seconds,
        }

    of_plain = scores(plain)
    units = {"log-mel distance": "dB", "CPU time a clip": "s"}
    figures: list[Figure] = []
    for setting in settings:
        figures += [
            Figure(
                name=f"{setting.name}, {name}",
                value=value,
                unit=units.get(name, "F1"),
                baseline=of_plain[name],
                baseline_name=plain.name,
            )
            for name, value in scores(setting).items()
        ]
    return figures


def _model(wanted: Wanted, setting: Setting) -> BundleModel:
    config = replace(
        bundle_sound(find_bundle(wanted.model)), steps=setting.steps, solver=setting.solver, shift=setting.shift
    )
    return BundleModel(wanted.model, device="cpu", sound=replace(config, guidance_interval=(0.0, setting.until)))


def _f1(events: Sequence[NDArray[np.float64]], sounds: Sounds, rate: int) -> float:
    found = [detect_onsets(sound, rate).times_s for sound in sounds]
    return float(onset_summary(events, found, _WINDOW_S).f1)
