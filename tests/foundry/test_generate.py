from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
import torch

from avlink.foundry import (
    CLIP_FRAMES,
    CLIP_SAMPLES,
    HEIGHT,
    SAMPLE_RATE,
    WIDTH,
    ClipBatch,
    Split,
    make_clips,
    make_stills,
)
from avlink.foundry.clip import CLIP_S
from avlink.foundry.generate import LATE_FRAMES, plan
from avlink.foundry.kinds import TRAINED_KINDS, TRANSFER_KINDS
from avlink.foundry.look import BACKDROPS, TRANSFER_STYLES
from avlink.foundry.materials import MATERIALS
from avlink.foundry.render import render_frames

SPLITS: tuple[Split, ...] = ("train", "held_out", "transfer")


@lru_cache(maxsize=1)
def clips() -> ClipBatch:
    return make_clips(range(24), split="train")


def test_shapes_types_and_ranges() -> None:
    batch = clips()
    assert batch.frames.shape == (24, CLIP_FRAMES, HEIGHT, WIDTH, 3) and batch.frames.dtype == torch.uint8
    assert batch.sound.shape == (24, CLIP_SAMPLES) and batch.sound.dtype == torch.float32
    assert torch.isfinite(batch.sound).all() and batch.sound.abs().max() <= 1
    assert len(batch.clips) == 24


@pytest.mark.parametrize("split", SPLITS)
def test_a_clip_is_the_same_alone_and_in_a_batch(split: Split) -> None:
    together = make_clips([3, 11, 4], split=split)
    for row, seed in enumerate((3, 11, 4)):
        alone = make_clips([seed], split=split)
        assert torch.equal(alone.frames[0], together.frames[row])
        assert torch.equal(alone.sound[0], together.sound[row])
        assert (alone.clips[0].events, alone.clips[0].caption) == (
            together.clips[row].events,
            together.clips[row].caption,
        )


def test_the_same_seed_of_another_split_is_another_clip() -> None:
    train, held_out = make_clips([5], split="train"), make_clips([5], split="held_out")
    assert not torch.equal(train.frames, held_out.frames)
    assert train.clips[0].events != held_out.clips[0].events


def test_transfer_shares_no_kind_and_no_style_with_training() -> None:
    assert not set(TRAINED_KINDS) & set(TRANSFER_KINDS)
    assert not set(BACKDROPS) & set(TRANSFER_STYLES)
    for split in SPLITS:
        infos = [plan(seed, split)[2] for seed in range(60)]
        kinds, styles = (TRANSFER_KINDS, TRANSFER_STYLES) if split == "transfer" else (TRAINED_KINDS, BACKDROPS)
        assert {info.kind for info in infos} <= set(kinds)
        assert {info.style for info in infos} <= set(styles)


def test_kinds_come_about_as_often_as_their_weights_say() -> None:
    infos = [plan(seed, "train")[2] for seed in range(400)]
    for kind, (_, weight) in TRAINED_KINDS.items():
        share = sum(info.kind == kind for info in infos) / len(infos)
        assert abs(share - weight) < 4 * np.sqrt(weight * (1 - weight) / len(infos)), kind
    assert 0.3 < sum(info.narrow for info in infos) / len(infos) < 0.5
    assert 0.4 < sum(info.recoloured for info in infos) / len(infos) < 0.6


def test_events_lie_inside_the_clip_and_apart() -> None:
    for split in SPLITS:
        for seed in range(150):
            info = plan(seed, split)[2]
            times = [event.time_s for event in info.events]
            assert times == sorted(times)
            assert all(0.1 <= time <= CLIP_S - 0.1 for time in times), (split, seed)
            assert all(b - a >= 0.11 for a, b in pairwise(times)), (split, seed)
            assert all(0 < event.strength <= 1 for event in info.events)


def test_only_lasting_kinds_have_an_envelope() -> None:
    for seed in range(120):
        info = plan(seed, "train")[2]
        assert (info.envelope is not None) == (info.group == "continuous")
        if info.envelope is not None:
            assert info.envelope.shape == (CLIP_FRAMES,) and 0 <= info.envelope.min() <= info.envelope.max() <= 1


def test_captions_name_the_material_of_every_event() -> None:
    for split in SPLITS:
        for seed in range(200):
            info = plan(seed, split)[2]
            for event in info.events:
                if event.material != "air":
                    names = (event.material, MATERIALS[event.material].adjective)
                    assert any(name in info.caption for name in names), (split, seed, info.caption)


def test_energy_rises_at_every_event_and_nowhere_before_the_first() -> None:
    batch = clips()
    rises = []
    for row, info in enumerate(batch.clips):
        if info.group == "continuous":
            continue
        sound = batch.sound[row].numpy()
        first = round(info.events[0].time_s * SAMPLE_RATE)
        assert np.abs(sound[: first - 1]).max() < 0.005
        for event in info.events:
            at = round(event.time_s * SAMPLE_RATE)
            # High frequencies only: the low ones of a bar still ring when it is hit again.
            edge = np.abs(np.diff(sound[at - 240 : at + 240]))
            rises.append(edge[240:].max() / (edge[:239].max() + 1e-5))
    assert np.mean(np.asarray(rises) > 1.3) > 0.95


def test_the_picture_moves_around_contacts() -> None:
    batch = clips()
    moves = []
    for row, info in enumerate(batch.clips):
        if info.group == "continuous":
            continue
        frames = batch.frames[row].float()
        for event in info.events:
            frame = int(event.time_s * 24)
            around = frames[max(frame - 3, 0) : frame + 4]
            moves.append(float((around[1:] - around[:-1]).abs().amax()))
    assert np.mean(np.asarray(moves) > 8) > 0.97


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown split"):
        make_clips([0], split="test")  # type: ignore[arg-type]


@pytest.mark.parametrize("split", SPLITS)
def test_single_frames_are_those_of_the_whole_clip(split: Split) -> None:
    shown = np.array([0, 51, 52, CLIP_FRAMES - 1])
    for seed in range(25):
        scene, look, _, (whole, _) = plan(seed, split)
        frames = render_frames(scene, look, whole, torch.device("cpu"))
        scene, look, _, (few, _) = plan(seed, split)
        assert torch.equal(render_frames(scene, look, few, torch.device("cpu"), shown), frames[shown])


def test_a_still_is_a_frame_of_its_clip_about_an_event_of_that_material() -> None:
    seeds = range(40)
    clips, missing = make_clips(seeds, split="train"), 0
    for row, info in enumerate(clips.clips):
        frames, names = make_stills([row], split="train")
        if not names:
            assert not any(event.material in MATERIALS for event in info.events)
            missing += 1
            continue
        (still,), (name,) = frames, names
        same = [number for number in range(CLIP_FRAMES) if torch.equal(clips.frames[row, number], still)]
        times = [event.time_s for event in info.events if event.material == name]
        reach = (LATE_FRAMES + 1) / 24
        assert any(abs(number / 24 - time) <= reach for number in same for time in times), row
    assert 0 < missing < len(seeds) / 2
