"""Parts of learning a spotter: offsets, folds, fits that were stopped, and choices, on curves with known hits."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.errors import InputError
from avlink.core.motion_config import HitHeadConfig, SpotterConfig
from avlink.engine.learned_spotter import RATE, HitInputs, new_head
from avlink.engine.nn.hit_head import HitHead
from avlink.timeline.values import ClipRef, Source
from avlink.training.spotting.crossing import Crossing, StudyClip, held_out_fits
from avlink.training.spotting.fitting import Fitter, steps_of
from avlink.training.spotting.folds import NUM_FOLDS, check_enough, folds_of
from avlink.training.spotting.footage import TaughtClip
from avlink.training.spotting.reading import BUILT_IN, ClipReading, FoundTimes
from avlink.training.spotting.stage import HitLesson, HitStage
from avlink.training.spotting.ways import USUAL_LATE_S, usual_lateness

STEM = SpotterConfig(dim=8)
LENGTH_S = 6.0


def study(count: int, *, seed: int = 0, late_s: float = 0.1, noise: float = 0.15) -> list[StudyClip]:
    """Clips whose motion shows every hit `late_s` before it is heard; the built-in spotters know nothing of it."""
    rng = np.random.default_rng(seed)
    clips = []
    for index in range(count):
        true = np.sort(rng.choice(np.arange(0.4, LENGTH_S - 0.4, 0.35), 6, replace=False)) + rng.uniform(-0.05, 0.05, 6)
        moments = (np.arange(int(LENGTH_S * RATE)) + 0.5) / RATE
        motion = np.exp(-0.5 * ((moments[:, None] - true[None] + late_s) / 0.02) ** 2).sum(axis=1)
        curves = np.stack([np.zeros(len(moments)), motion]) + noise * rng.standard_normal((2, len(moments)))
        found = {
            name: FoundTimes(times_s=np.sort(rng.uniform(0, LENGTH_S, 6)), confidences=rng.uniform(0.1, 1, 6))
            for name in BUILT_IN
        }
        reading = ClipReading(
            inputs=HitInputs(curves=curves.astype(np.float32), tokens=np.zeros((len(moments), 8), np.float32)),
            as_is=found,
            all=found,
        )
        clips.append(
            StudyClip(
                reading=reading, true_s=tuple(true.tolist()), before_s=0.0, seen_s=LENGTH_S, fold=index % NUM_FOLDS
            )
        )
    return clips


def fitter(folder: Path, steps: int = 30, on_step=lambda count: None, seed: int = 0) -> Fitter:
    return Fitter(folder, STEM, weights="0", seed=seed, steps=steps, on_step=on_step)


def same(one: HitHead, other: HitHead) -> bool:
    states = one.state_dict(), other.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@given(st.integers(-25, 25), st.integers(0, 3))
def test_a_constant_offset_is_found_among_misses_and_false_alarms(hundredths: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    clips = []
    for _ in range(8):
        true = np.sort(rng.uniform(0, 10, 12))
        seen = true[rng.random(12) < 0.7] - hundredths / 100 + rng.normal(0, 0.01, int((rng.random(12) < 2).sum()))[:1]
        clips.append((np.concatenate([seen, rng.uniform(0, 10, 4)]).tolist(), true.tolist()))
    found = usual_lateness([clips])
    assert found == pytest.approx(hundredths / 100, abs=0.03) or abs(hundredths / 100 - USUAL_LATE_S) < 0.05


def test_without_an_offset_that_is_clear_the_usual_one_stays() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        clips = [(rng.uniform(0, 10, 10).tolist(), rng.uniform(0, 10, 10).tolist()) for _ in range(6)]
        assert usual_lateness([clips]) == USUAL_LATE_S
    assert usual_lateness([[], []]) == USUAL_LATE_S


def taught(film: str, start: int, hits: int) -> TaughtClip:
    clip = ClipRef(
        id=f"{film}{start}",
        name=film,
        track="V1",
        layer=0,
        timeline_start_s=Fraction(start),
        timeline_duration_s=Fraction(5),
        source_start_s=Fraction(start),
        media=(),
    )
    source = Source(clip=clip, path=Path(film), digest=film, start_s=Fraction(start), duration_s=Fraction(5))
    return TaughtClip(name=film, source=source, true_s=tuple(np.linspace(0, 4, hits).tolist()), by="sound")


@given(st.lists(st.tuples(st.sampled_from("abcdefg"), st.integers(0, 12)), min_size=4, max_size=24))
def test_every_fold_has_clips_and_no_film_lies_in_two(rows: list[tuple[str, int]]) -> None:
    clips = [taught(film, 10 * place, hits) for place, (film, hits) in enumerate(rows)]
    counted = [clip for clip in clips if clip.true_s]
    folds, by_film = folds_of(clips)
    assert [fold is None for fold in folds] == [not clip.true_s for clip in clips]
    if len(counted) >= NUM_FOLDS:
        assert set(folds) - {None} == set(range(NUM_FOLDS))
    assert by_film == (len({clip.source.digest for clip in counted}) >= NUM_FOLDS)
    if by_film:
        pairs = {(clip.source.digest, fold) for clip, fold in zip(clips, folds, strict=True) if fold is not None}
        assert len(pairs) == len({film for film, _ in pairs})


def test_too_few_clips_or_hits_say_how_many_are_needed() -> None:
    with pytest.raises(InputError, match="12 hits in 3 clips; at least 20 hits in 4 clips are needed"):
        check_enough([taught("a", place, 4) for place in (0, 10, 20)])
    with pytest.raises(InputError, match="16 hits in 4 clips; at least 20"):
        check_enough([taught("a", place, 4) for place in (0, 10, 20, 30)])
    check_enough([taught("a", place, 5) for place in (0, 10, 20, 30)])


def test_heads_learn_the_curve_that_tells_of_hits_and_their_offset(tmp_path: Path) -> None:
    clips = study(8)
    crossing = Crossing(clips=clips, heads=("curves",), fit=fitter(tmp_path, steps=40))
    assert crossing.lateness("heads", frozenset()) == USUAL_LATE_S
    way, after = crossing.chosen(), crossing.after()
    assert way.kind == "heads"
    assert after.gain > 0.4 > max(scores.gain for scores in crossing.before().values()) + 0.3
    # Every pair of folds, every fold, and nothing else was fitted.
    assert len(list(tmp_path.glob("*.safetensors"))) == len(held_out_fits(("curves",))) == 10
    assert not list((tmp_path / "checkpoints").iterdir())


def test_where_nothing_tells_of_hits_nothing_is_gained(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    clips = [replace(clip, true_s=tuple(sorted(rng.uniform(0, LENGTH_S, 6).tolist()))) for clip in study(8, noise=1.0)]
    crossing = Crossing(clips=clips, heads=("curves",), fit=fitter(tmp_path, steps=5))
    assert abs(crossing.after().gain) < 0.12


def test_a_held_back_clip_changes_nothing_of_what_judges_it(tmp_path: Path) -> None:
    """Its own hits reach neither the heads nor the choice by which it is measured."""
    clips = study(8)
    moved = [
        replace(clip, true_s=tuple(time_s / 2 for time_s in clip.true_s)) if clip.fold == 0 else clip for clip in clips
    ]
    heads = [
        Crossing(clips=some, heads=("curves",), fit=fitter(tmp_path / name, steps=10)).prepare(
            "curves", frozenset({0, 2})
        )
        for name, some in (("one", clips), ("other", moved))
    ]
    assert same(*heads)


class _StoppedFit(Exception):
    """A stop in the middle."""


def test_a_fit_that_was_stopped_ends_with_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    clips = study(6)
    whole = fitter(tmp_path / "whole", steps=80)("curves", clips, 0.02)
    taken = 0

    def stop(count: int) -> None:
        nonlocal taken
        taken += count
        if taken == 63:
            raise _StoppedFit

    with pytest.raises(_StoppedFit):
        fitter(tmp_path / "killed", steps=80, on_step=stop)("curves", clips, 0.02)
    steps: list[int] = []
    resumed = fitter(tmp_path / "killed", steps=80, on_step=steps.append)("curves", clips, 0.02)
    assert same(whole, resumed)
    # From the checkpoint of step 50 on: its first figures are those of step 51.
    assert len(steps) == 30 and sum(steps) == 80
    again: list[int] = []
    assert same(whole, fitter(tmp_path / "killed", steps=80, on_step=again.append)("curves", clips, 0.02))
    assert again == [80]
    assert not same(whole, fitter(tmp_path / "seed", steps=80, seed=1)("curves", clips, 0.02))


def test_only_what_is_seen_of_a_clip_counts() -> None:
    (clip,) = study(1)
    inputs, head = clip.reading.inputs, new_head(HitHeadConfig(), STEM, 0).eval()

    @torch.no_grad()
    def loss(true_s: list[float], first: int = 60) -> float:
        lesson = HitLesson(inputs=inputs, true_s=np.array(true_s), first=first, last=300)
        stage = HitStage("heads", head, [lesson])
        return float(stage.loss([0] * 8, torch.Generator().manual_seed(1))["total"])

    assert loss([2.0, 3.0]) == loss([0.2, 2.0, 3.0]) == loss([2.0, 3.0, 5.6])
    assert loss([2.0, 3.0]) != loss([2.5, 3.0])
    assert loss([0.2, 2.0, 3.0], first=0) != loss([2.0, 3.0], first=0)


def test_minutes_bound_the_steps() -> None:
    assert steps_of(0.001, 11) < steps_of(0.5, 11) < steps_of(10, 11) == steps_of(1000, 11)
