"""Hits that people correct, from the picture to the stem: the built-in model follows them, and changes nothing else."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest
from numpy.typing import NDArray

from avlink import testing
from avlink.core.recipe import load_recipe
from avlink.core.values import Frames
from avlink.edit.sonify import SonifyRequest, sonify
from avlink.edit.spot import spot
from avlink.edit.spot_input import SpotRequest
from avlink.foundry import FRAME_RATE, make_clips
from avlink.media.movie import write_video
from avlink.media.wave import WaveFile
from avlink.metrics.onsets import detect_onsets
from avlink.metrics.sync import match_onsets
from avlink.session import Session, open_session
from avlink.testing import Shot

SEED = 1_000_001
RATE = 48000


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return open_session(device="cpu", cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def spotted(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A timeline of one drawn clip, which the built-in spotter has marked."""
    folder = tmp_path_factory.mktemp("edit")
    (folder / "media").mkdir()
    batch = make_clips([SEED], split="held_out")
    movie = Frames(pixels=batch.frames[0].numpy(), rate=FRAME_RATE)
    write_video(folder / "media" / "a.mp4", movie)
    cut = testing.make_timeline(folder, [Shot(name="a", frames=120)], start_s=3600)
    report = spot(SpotRequest(input=cut, recipe=load_recipe("spot", "spot"), device="cpu"), session)
    assert report.output is not None
    return report.output


def markers_of(project: Path) -> otio.schema.Timeline:
    timeline = otio.adapters.read_from_file(str(project))
    assert isinstance(timeline, otio.schema.Timeline)
    return timeline


def times_of(timeline: otio.schema.Timeline) -> NDArray[np.float64]:
    (clip,) = timeline.find_clips()
    first_s = clip.trimmed_range().start_time.to_seconds()
    return np.array(sorted(marker.marked_range.start_time.to_seconds() - first_s for marker in clip.markers))


def stem_of(project: Path, session: Session) -> NDArray[np.float32]:
    # With two noises of five one hit is heard twice, as some of the recordings are that the model learned from.
    recipe = load_recipe("foley", "sonify", ["backend.options.steps=4", "stems.post=[]", "run.seed=1"])
    report = sonify(SonifyRequest(input=project, recipe=recipe, device="cpu"), session)
    (item,) = report.items
    sound = WaveFile(item.stems[0].path)
    assert sound.sample_rate == RATE
    return sound.read(0, sound.num_samples)[0]


def test_a_deleted_hit_is_silent_and_nothing_else_changes(spotted: Path, session: Session, tmp_path: Path) -> None:
    timeline = markers_of(spotted)
    hits_s = times_of(timeline)
    assert len(hits_s) >= 4
    before = stem_of(spotted, session)
    assert match_onsets(hits_s, detect_onsets(before, RATE).times_s, 0.06).f1 > 0.9

    (clip,) = timeline.find_clips()
    gone = sorted(clip.markers, key=lambda marker: marker.marked_range.start_time)[2]
    at_s = gone.marked_range.start_time.to_seconds() - clip.trimmed_range().start_time.to_seconds()
    clip.markers[:] = [marker.deepcopy() for marker in clip.markers if marker.marked_range != gone.marked_range]
    edited = spotted.with_name("edited.otio")
    otio.adapters.write_to_file(timeline, str(edited))
    after = stem_of(edited, session)
    found_s = detect_onsets(after, RATE).times_s
    assert match_onsets(times_of(timeline), found_s, 0.06).f1 > 0.9
    assert not np.any(np.abs(found_s - at_s) < 0.06)

    changed = np.flatnonzero(before != after) / RATE
    # Widened by what resampling may add on either side.
    assert changed.min() > at_s - 0.13 and changed.max() < at_s + 2.6
    assert len(changed) / RATE < Fraction(3, 2)


def test_an_added_hit_sounds_where_nothing_moves(spotted: Path, session: Session) -> None:
    timeline = markers_of(spotted)
    hits_s = times_of(timeline)
    edges = np.concatenate([[0.0], hits_s, [5.0]])
    widest = int(np.argmax(np.diff(edges)))
    at_s = float(edges[widest] + edges[widest + 1]) / 2
    (clip,) = timeline.find_clips()
    first = clip.trimmed_range().start_time
    moment = first + otio.opentime.RationalTime(round(at_s * first.rate), first.rate)
    span = otio.opentime.TimeRange(moment, otio.opentime.RationalTime(1, first.rate))
    clip.markers.append(otio.schema.Marker("hit 0.9", span))
    edited = spotted.with_name("added.otio")
    otio.adapters.write_to_file(timeline, str(edited))
    found_s = detect_onsets(stem_of(edited, session), RATE).times_s
    assert np.any(np.abs(found_s - at_s) < 0.06)
