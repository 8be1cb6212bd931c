"""Laws of the physics foundry. They need the extra foundry3d and a software renderer, and skip without either."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from avlink.core.errors import InputError
from avlink.core.hits import HIT_KINDS
from avlink.foundry.materials import MATERIALS
from avlink.foundry.physics import FAMILIES, MERGE_S, SILENT, ClipFormat, make_clip, missing_reason

pytestmark = pytest.mark.skipif(missing_reason() is not None, reason=str(missing_reason()))

SHORT = ClipFormat(fps=8, duration_s=Fraction(3))


def dropped(height_m: float, *, bounce: float = 0.5, mass: float = 0.1, seed: int = 0) -> list[tuple[float, float]]:
    """Times and strengths of the contacts of a ball that is let go `height_m` above a floor."""
    from avlink.foundry.physics.simulate import simulate
    from avlink.foundry.physics.world import World

    world = World(np.random.default_rng(seed), 2.0)
    world.fixed("plane", (5, 5, 0.1), (0, 0, 0), world.paint())
    world.loose("sphere", (0.05,), (0, 0, height_m + 0.05), world.paint(), bounce=bounce, mass=mass)
    model = world.spec.compile()
    return [(hit.time_s, hit.strength) for hit in simulate(world, model, world.mujoco.MjData(model)).hits]


@pytest.mark.parametrize("height_m", [0.1, 0.45, 1.2, 3.0])
def test_free_fall_lands_at_the_square_root_of_twice_the_height_over_g(height_m: float) -> None:
    from avlink.foundry.physics.world import STEP_S

    # A ball that does not bounce gives one contact alone.
    assert dropped(height_m)[0][0] == pytest.approx(np.sqrt(2 * height_m / 9.81), abs=STEP_S)


@pytest.mark.parametrize("bounce", [0.5, 0.7, 0.9])
def test_a_ball_bounces_back_as_high_as_its_restitution_says(bounce: float) -> None:
    (first, _), (second, _), *_ = dropped(1.0, bounce=bounce)
    # A hop between two contacts takes 2 v e / g.
    assert (second - first) * 9.81 / 2 / np.sqrt(2 * 9.81) == pytest.approx(bounce, abs=0.12)


def test_strength_grows_with_the_height_of_the_drop_and_falls_from_bounce_to_bounce() -> None:
    first = [dropped(height)[0][1] for height in (0.05, 0.2, 0.8, 2.0)]
    assert first == sorted(first) and first[-1] > 1.5 * first[0]
    bounces = [strength for _, strength in dropped(1.0, bounce=0.7)]
    assert bounces == sorted(bounces, reverse=True) and len(bounces) >= 3


def test_a_thing_that_lies_gives_no_contact() -> None:
    assert dropped(0.0) == []


def test_hits_within_60_ms_are_one_with_the_first_time_and_the_greatest_strength() -> None:
    from avlink.foundry.physics.simulate import merge_hits
    from avlink.foundry.physics.world import PlannedHit

    hits = [PlannedHit(time_s=t, strength=s, place=np.zeros(3)) for t, s in ((1.0, 0.2), (1.05, 0.9), (1.07, 0.5))]
    assert [(hit.time_s, hit.strength) for hit in merge_hits(hits[::-1])] == [(1.0, 0.9), (1.07, 0.5)]


def test_balls_in_play_are_at_their_places_at_their_times_and_fall_freely_between() -> None:
    from avlink.foundry.physics.families.racket import flights

    t = np.arange(0, 2, 0.001)
    times, places = np.array([-0.2, 0.6, 1.3, 2.4]), np.array([[0, 0, 0], [1, 0, 0.3], [0, 0.5, 0], [1, 1, 1.0]])
    path = flights(t, times, places)
    np.testing.assert_allclose(path[[600, 1300]], places[1:3], atol=1e-9)
    falling = np.diff(path, 2, axis=0) / 0.001**2
    np.testing.assert_allclose(falling[700:1200], np.broadcast_to([0, 0, -9.81], (500, 3)), atol=1e-3)


def test_feet_stand_still_after_each_fall() -> None:
    from avlink.foundry.physics.families.walk import _fall_times, _feet

    rng, t = np.random.default_rng(3), np.arange(0, 4, 0.002)
    falls = _fall_times(rng, 4.0, 0.5)
    feet = _feet(rng, t, falls, 0.6, np.array([1.0, 0, 0]), lift=0.1)
    inside = [(k, at) for k, at in enumerate(falls) if 0 <= at < 3.5]
    for k, at in inside:
        stands = feet[k % 2][(t > at + 0.002) & (t < at + 0.3)]
        assert np.ptp(stands, axis=0).max() < 0.01
        before = feet[k % 2][(t > at - 0.15) & (t < at - 0.05)]
        assert not len(before) or before[:, 2].max() > stands[:, 2].max() + 0.02


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_moves_and_its_hits_are_in_the_picture(family: str) -> None:
    clip = make_clip(11, families=[family], shape=SHORT)
    assert clip.family == family and clip.frames.shape == (24, 90, 160, 3) and clip.caption
    assert np.abs(np.diff(clip.frames.astype(int), axis=0)).max() > 8
    times = [event.time_s for event in clip.events]
    assert bool(times) == (family not in SILENT)
    assert times == sorted(times) and all(b - a >= MERGE_S - 1e-9 for a, b in pairwise(times))
    for event in clip.events:
        assert 0 <= event.time_s < 3 and 0 < event.strength <= 1 and event.kind in HIT_KINDS
        assert event.material in ("", "air", *MATERIALS)
        assert all(0.03 < value < 0.97 for value in event.place)
    assert [float(hit.time_s) for hit in clip.hits] == times


def test_one_seed_gives_the_same_bytes_and_another_split_other_ones() -> None:
    first, again = (make_clip(5, families=["drop"], shape=SHORT) for _ in range(2))
    assert first.events == again.events and first.frames.tobytes() == again.frames.tobytes()
    assert make_clip(5, families=["drop"], shape=SHORT, split="held_out").events != first.events


def test_pictures_change_where_and_when_a_hand_strikes() -> None:
    clip = make_clip(2, families=["strike"])
    near, all_over = [], []
    for event in clip.events:
        at, (x, y) = int(event.time_s * clip.fps), event.place
        if not 3 < at < len(clip.frames) - 2:
            continue
        change = np.abs(clip.frames[at - 3].astype(int) - clip.frames[at]).mean(axis=-1)
        row, column = int(y * 90), int(x * 160)
        near.append(change[max(0, row - 15) : row + 10, max(0, column - 15) : column + 15].mean())
        all_over.append(change.mean())
    assert near and np.mean(near) > 1.5 * np.mean(all_over)


def test_sound_starts_at_the_hits_and_is_as_long_as_the_pictures() -> None:
    from avlink.foundry.physics.sound import clip_sound
    from avlink.metrics.onsets import detect_onsets

    clip = make_clip(1, families=["bounce"], shape=SHORT)
    sound = clip_sound(clip)
    assert sound.shape == (48000,) and np.abs(sound).max() <= 1
    assert np.array_equal(sound, clip_sound(clip))
    heard = np.asarray(detect_onsets(sound, 16000).times_s)
    times = np.asarray([event.time_s for event in clip.events])
    # The detector tells onsets 80 ms apart.
    strong = [
        event.time_s
        for event in clip.events
        if event.strength > 0.4 and np.sum(np.abs(times - event.time_s) < 0.15) == 1
    ]
    assert strong and all(np.abs(heard - at).min() < 0.05 for at in strong)


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(InputError, match=r"no family 'strik'; it has strike, slap"):
        make_clip(0, families=["strik"])
