"""`python -m benchmarks examples FOLDER [--model M]`: movies of a model's best and worst clips, beside its figures.

Clips of the foundry that no training has seen, with their captions, ranked by F1 of onsets within 100 ms; of each kind
of scene the best or the worst, not both. Two more show pictures that were made from sound beside the true ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from avlink.core.values import Frames, Waveform
from avlink.evaluation.model import BundleModel, average_frames
from avlink.foundry import FRAME_RATE, ClipInfo, make_clips
from avlink.media.movie import write_video
from avlink.metrics.gain import matched_f1
from avlink.metrics.onsets import detect_onsets

_FIRST_SEED = 1_100_000
_CLIPS = 24
_SHOWN = 3
_WITHIN_S = 0.1
_SCALE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A clip with its generated sound; `f1` is that of its onsets."""

    number: int
    clip: ClipInfo
    onsets: int
    f1: float
    sound: NDArray[np.float32]


def main(arguments: Sequence[str]) -> int:
    """Write the movies and a table of them, README.md, to a folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks examples")
    parser.add_argument("folder", type=Path, help="where to write")
    parser.add_argument("--model", default="builtin", help="a shipped bundle's name, or the folder of one")
    parser.add_argument("--clips", type=int, default=_CLIPS, help="clips to choose from")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    model = BundleModel(asked.model, device="cpu")
    seeds = list(range(_FIRST_SEED, _FIRST_SEED + asked.clips))
    batch = make_clips(seeds, split="held_out", rate=model.sample_rate)
    frames, truth = batch.frames.numpy(), batch.sound.numpy()
    duration_s = Fraction(truth.shape[1], model.sample_rate)
    sounds = model.generate(frames, [clip.caption for clip in batch.clips], seeds, duration_s=duration_s)
    made = [
        _judged(number, clip, sounds[number], model.sample_rate)
        for number, clip in enumerate(batch.clips)
        if clip.events
    ]
    asked.folder.mkdir(parents=True, exist_ok=True)
    rows = ["| movie | caption | events | onsets | F1 |", "|---|---|---|---|---|"]
    for place, one in _chosen(made):
        name = f"{place}-{one.clip.kind}.mp4"
        _write(asked.folder / name, frames[one.number], FRAME_RATE, one.sound, model.sample_rate)
        rows.append(f"| [{name}]({name}) | {one.clip.caption} | {len(one.clip.events)} | {one.onsets} | {one.f1:.2f} |")
    if model.has_pictures:
        shown, rate = model.visualize(truth[:2], seeds[:2])
        true = average_frames(frames[:2], round(FRAME_RATE / rate))
        for number in range(len(shown)):
            name = f"pictures-from-sound-{number + 1}.mp4"
            count = min(len(true[number]), len(shown[number]))
            beside = np.concatenate((true[number][:count], shown[number][:count]), axis=2)
            _write(asked.folder / name, beside, rate, truth[number], model.sample_rate)
            rows.append(f"| [{name}]({name}), true pictures on the left | {batch.clips[number].caption} | | | |")
    (asked.folder / "README.md").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return 0


def _judged(number: int, clip: ClipInfo, sound: NDArray[np.float32], sample_rate: int) -> _Made:
    events_s = [float(event.time_s) for event in clip.events]
    onsets_s = [float(time_s) for time_s in detect_onsets(sound, sample_rate).times_s]
    return _Made(
        number=number,
        clip=clip,
        onsets=len(onsets_s),
        f1=matched_f1(events_s, onsets_s, _WITHIN_S),
        sound=sound,
    )


def _chosen(made: Sequence[_Made]) -> list[tuple[str, _Made]]:
    """Return the best and the worst clips, each of another kind where there are enough."""
    ranked = sorted(made, key=lambda one: one.f1)
    found: list[tuple[str, _Made]] = []
    for place, order in (("good", ranked[::-1]), ("bad", ranked)):
        kinds: set[str] = set()
        for one in order:
            if len(kinds) < _SHOWN and one.clip.kind not in kinds and all(one is not other for _, other in found):
                kinds.add(one.clip.kind)
                found.append((place, one))
    return found


def _write(path: Path, pixels: NDArray[np.uint8], rate: Fraction, sound: NDArray[np.float32], sample_rate: int) -> None:
    heard = Waveform(samples=sound[None], sample_rate=sample_rate)
    write_video(path, Frames(pixels=pixels, rate=rate), sound=heard, scale=_SCALE, crf=26)
