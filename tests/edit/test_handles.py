"""Handles and dissolves: what is made of more than is seen, and what that saves."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest
import soundfile
from numpy.typing import NDArray

from avlink.core import clock
from avlink.core.recipe import SonifyRecipe
from avlink.core.sound import FadedSound
from avlink.core.values import Waveform
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.media.bwf import read_bwf_info
from avlink.session import Session
from avlink.timeline.read import read_timeline

RATE = 48000
Run = Callable[..., SonifyReport]


@pytest.fixture
def run(session: Session, recipe: SonifyRecipe, tmp_path: Path) -> Run:
    def run(*items: otio.core.Item, name: str = "cut", kit: Any, **asked: object) -> SonifyReport:
        path = tmp_path / f"{name}.otio"
        otio.adapters.write_to_file(kit.timeline_of(*items), str(path))
        request: dict[str, Any] = {"recipe": recipe, "device": "cpu", **asked}
        return sonify(SonifyRequest(input=path, **request), session)

    return run


@pytest.fixture
def media(kit: Any, tmp_path: Path) -> str:
    kit.movie(tmp_path / "a.mp4", seconds=8)
    return "a.mp4"


def _dissolve(before: int, after: int) -> otio.schema.Transition:
    times = (otio.opentime.RationalTime(frames, 24) for frames in (before, after))
    return otio.schema.Transition("x", "SMPTE_Dissolve", *times)


def _sound(path: Path) -> NDArray[np.float64]:
    samples, rate = soundfile.read(path)
    assert rate == 48000
    return np.asarray(samples)


def _statuses(report: SonifyReport) -> list[str]:
    return [item.status for item in report.items]


@pytest.mark.parametrize("length", [1, 2, 480, 4801])
def test_two_sides_of_a_fade_have_equal_power(length: int) -> None:
    ones = Waveform(samples=np.ones((1, 6000), np.float32), sample_rate=48000)
    rising, falling = (FadedSound(ones, 300, length, rising=up).read(0, 6000)[0] for up in (True, False))
    np.testing.assert_allclose(rising**2 + falling**2, 1, atol=1e-6)
    assert not rising[:300].any() and not falling[300 + length :].any()
    assert (rising[300 + length :] == 1).all() and (falling[:300] == 1).all()
    # In pieces it is the same.
    halves = FadedSound(ones, 300, length, rising=True)
    np.testing.assert_array_equal(np.concatenate([halves.read(0, 401), halves.read(401, 6000)], axis=1)[0], rising)


def test_trimming_within_handles_generates_nothing(run: Run, kit: Any, media: str, session: Session) -> None:
    first = run(kit.clip(media, 48, 48), kit=kit)
    whole = _sound(first.items[0].stems[0].path)
    for start, frames in ((54, 36), (30, 84), (24, 96)):
        trimmed = run(kit.clip(media, start, frames), name=f"at{start}", kit=kit)
        assert _statuses(trimmed) == ["cached"], (start, frames)
        (stem,) = trimmed.items[0].stems
        assert stem.job.seed == first.items[0].jobs[0].seed and stem.samples == frames * 2000
        # It is the very sound, where both show the same picture; the fades at the ends are each one's own.
        own, low, high = _sound(stem.path), max(start, 48) * 2000 + 2000, min(start + frames, 96) * 2000 - 2000
        shared = whole[low - 48 * 2000 : high - 48 * 2000]
        np.testing.assert_allclose(own[low - start * 2000 : high - start * 2000], shared, atol=2e-6)
    beyond = run(kit.clip(media, 23, 48), name="beyond", kit=kit)
    assert _statuses(beyond) == ["generated"]


def test_moved_renamed_and_reordered_clips_generate_nothing(run: Run, kit: Any, media: str, tmp_path: Path) -> None:
    # Its words do not follow the clips' names.
    recipe = kit.tone_recipe(tmp_path, "prompt.template=knock")
    a, b = kit.clip(media, 0, 30), kit.clip(media, 60, 30)
    run(a, b, kit=kit, recipe=recipe)
    gap = otio.schema.Gap(duration=otio.opentime.RationalTime(7, 24))
    again = run(gap, kit.clip(media, 60, 30, name="other"), kit.clip(media, 0, 30), kit=kit, recipe=recipe)
    assert _statuses(again) == ["cached", "cached"]


def test_other_words_or_force_generate_anew(run: Run, kit: Any, media: str) -> None:
    run(kit.clip(media, 48, 48), kit=kit)
    assert _statuses(run(kit.clip(media, 54, 36), kit=kit, force=True)) == ["generated"]
    assert _statuses(run(kit.clip(media, 54, 30, name="other words"), kit=kit)) == ["generated"]


def test_a_dissolve_is_an_equal_power_crossfade_on_two_tracks(run: Run, kit: Any, media: str) -> None:
    report = run(kit.clip(media, 24, 48), _dissolve(6, 12), kit.clip(media, 96, 48), kit=kit)
    first, second = (item.stems[0] for item in report.items)
    assert [item.to_json()["timeline_duration_s"] for item in report.items] == [2.0, 2.0]
    assert [item.to_json()["heard_duration_s"] for item in report.items] == [2.5, 2.25]
    assert (first.samples, second.samples) == (120000, 108000)
    assert second.time_reference - first.time_reference == 84000
    assert read_bwf_info(second.path).bext.time_reference == second.time_reference
    a, b = _sound(first.path)[84000:], _sound(second.path)[:36000]
    assert len(a) == 36000
    # The tones have a constant power, so what is left of it tells the gains.
    power = [np.convolve(x**2, np.ones(2400) / 2400, mode="valid")[1200:-1200] for x in (a, b)]
    assert report.output is not None
    steady = np.mean(_sound(first.path)[20000:60000] ** 2)
    np.testing.assert_allclose(sum(power) / steady, 1, atol=0.05)
    placed = read_timeline(report.output).timeline
    assert [track.name for track in placed.audio_tracks()] == ["FOLEY", "FOLEY 2"]
    spans = [next(iter(track.find_clips())).range_in_parent() for track in placed.audio_tracks()]
    assert [(span.start_time.to_frames(), span.duration.to_frames()) for span in spans] == [(0, 60), (42, 54)]


def test_a_transition_is_heard_as_far_as_the_media_goes(run: Run, kit: Any, media: str) -> None:
    report = run(kit.clip(media, 0, 48), _dissolve(12, 12), kit.clip(media, 4, 48), kit=kit)
    second = report.items[1].to_json()
    # Only four frames lie before it.
    assert second["timeline_start_s"] == 2.0 and second["heard_start_s"] == round(2 - 4 / 24, 6)
    sound = _sound(report.items[1].stems[0].path)
    assert abs(sound[0]) < 1e-3 and np.abs(sound[:2400]).max() < 0.3


def test_an_interrupted_plan_goes_on_as_it_would_have(run: Run, kit: Any, media: str, session: Session) -> None:
    """Of two overlapping cuts of one film the first is done; that must not change how the second is made."""
    cuts = [kit.clip(media, 48, 96), kit.clip(media, 60, 48, name="a")]
    whole = run(*[cut.deepcopy() for cut in cuts], kit=kit)
    seeds = [item.jobs[0].seed for item in whole.items]
    lost = session.store.get(whole.items[1].jobs[0].raw_key)
    assert lost is not None
    lost.unlink()
    again = run(*cuts, kit=kit)
    assert _statuses(again) == ["cached", "generated"]
    assert [item.jobs[0].seed for item in again.items] == seeds


def test_files_have_handles_when_asked_for(run: Run, kit: Any, media: str, tmp_path: Path) -> None:
    clean = run(kit.clip(media, 12, 48), kit.clip(media, 140, 48), name="clean", kit=kit)
    recipe = kit.tone_recipe(tmp_path, "stems.write_handles=true", "stems.handle_s=0.75")
    report = run(kit.clip(media, 12, 48), kit.clip(media, 140, 48), kit=kit, recipe=recipe)
    first, second = (item.stems[0] for item in report.items)
    # Half a second before the first, a sixth after the second: no more is there.
    assert (first.head_samples, first.tail_samples) == (24000, 36000)
    assert (second.head_samples, second.tail_samples) == (36000, 8000)
    assert first.samples == 24000 + 96000 + 36000 == read_bwf_info(first.path).num_samples
    assert first.time_reference == 3600 * 48000 - 24000
    assert report.output is not None
    placed, plain = (
        [*read_timeline(out).timeline.audio_tracks()[0].find_clips()] for out in (report.output, clean.output)
    )
    for one, other in zip(placed, plain, strict=True):
        assert one.source_range == other.source_range
    there = placed[0].media_reference.available_range
    assert there.start_time.to_seconds() == 3599.5 and there.duration.to_seconds() == Fraction(13, 4)
    heard = _sound(first.path)[24000 : 24000 + 96000]
    np.testing.assert_allclose(heard[2400:-2400], _sound(clean.items[0].stems[0].path)[2400:-2400], atol=2e-6)


def test_a_handle_before_midnight_is_left_away(kit: Any, session: Session, tmp_path: Path, media: str) -> None:
    timeline = kit.timeline_of(kit.clip(media, 48, 24))
    timeline.global_start_time = otio.opentime.RationalTime(6, 24)
    otio.adapters.write_to_file(timeline, str(tmp_path / "early.otio"))
    recipe = kit.tone_recipe(tmp_path, "stems.write_handles=true")
    report = sonify(SonifyRequest(input=tmp_path / "early.otio", recipe=recipe, device="cpu"), session)
    (stem,) = report.items[0].stems
    assert (stem.time_reference, stem.head_samples, stem.tail_samples) == (0, 12000, 48000)


@pytest.mark.parametrize("rate", [24, 25, 30000 / 1001, 59.94])
def test_handles_are_whole_frames_of_the_timeline(kit: Any, session: Session, tmp_path: Path, rate: float) -> None:
    exact = clock.exact_rate(rate)
    kit.movie(tmp_path / "a.mp4", seconds=8, rate=Fraction(30))
    clips = [kit.clip("a.mp4", start, 31, rate) for start in (70, 101, 7)]
    timeline = kit.timeline_of(*clips)
    timeline.global_start_time = otio.opentime.RationalTime(round(3600 * exact), rate)
    otio.adapters.write_to_file(timeline, str(tmp_path / "cut.otio"))
    recipe = kit.tone_recipe(tmp_path, "stems.write_handles=true", "stems.handle_s=0.777")
    report = sonify(SonifyRequest(input=tmp_path / "cut.otio", recipe=recipe, device="cpu"), session)
    assert len(report.items) == 3
    for item in report.items:
        (stem,) = item.stems
        clip = stem.job.source.clip
        # As many as were generated: whole frames of the media, of which the last clip has few before it.
        head, tail = (int(min(made_s, Fraction(777, 1000)) * exact) for made_s in (stem.job.head_s, stem.job.tail_s))
        assert head >= 3 and tail >= 18
        edges_s = (
            clip.heard_start_s - head / exact,
            clip.heard_start_s,
            clip.heard_end_s,
            clip.heard_end_s + tail / exact,
        )
        first, begin, end, last = (clock.to_index(edge_s, RATE) for edge_s in edges_s)
        assert (stem.head_samples, stem.tail_samples) == (begin - first, last - end)
        assert stem.samples == last - first == read_bwf_info(stem.path).num_samples
