from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import opentimelineio as otio
import pytest

from avlink import Waveform, probe, read_audio, to_index
from avlink.testing import Shot, make_movie, make_timeline


def greys(path: Path) -> list[float]:
    """The mean of every frame."""
    with av.open(str(path)) as container:
        return [float(frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]


@pytest.mark.parametrize(("rate", "exact"), [(24, Fraction(24)), (23.976, Fraction(24000, 1001)), (50, Fraction(50))])
def test_a_movie_is_as_long_and_as_fast_as_it_is_asked_for(tmp_path: Path, rate: float, exact: Fraction) -> None:
    sound = Waveform(samples=np.full((1, 8000), 0.25, np.float32), sample_rate=16000)
    info = probe(make_movie(tmp_path / "new" / "a.mp4", seconds=Fraction(1, 2), rate=rate, sound=sound))
    assert info.video is not None and (info.video.rate, info.video.width, info.video.height) == (exact, 64, 36)
    assert len(greys(info.path)) == to_index(Fraction(1, 2), exact)
    assert np.abs(read_audio(tmp_path / "new" / "a.mp4", sample_rate=16000).samples).max() > 0.2


def test_pictures_are_those_of_the_seed_and_flashes_are_white(tmp_path: Path) -> None:
    first, again, other = [make_movie(tmp_path / f"{n}.mp4", seed=s, flashes=[5]) for n, s in enumerate((1, 1, 2))]
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()
    seen = greys(first)
    assert np.flatnonzero(np.array(seen) > 240).tolist() == [5]


def test_a_timeline_shows_its_shots_in_order(tmp_path: Path) -> None:
    shots = [Shot(name="a", first=6, frames=30), Shot(name="b", gap=12, frames=50, rate=25), "a"]
    path = make_timeline(tmp_path, shots, rate=24, start_s=3600, name="edit")
    timeline = otio.adapters.read_from_file(str(path))
    assert path == tmp_path / "edit.otio" and timeline.global_start_time == otio.opentime.RationalTime(86400, 24)
    (track,) = timeline.video_tracks()
    assert [type(item).__name__ for item in track] == ["Clip", "Gap", "Clip", "Clip"]
    assert [float(track.range_of_child(item).start_time.to_seconds()) for item in track] == [0, 1.25, 1.75, 3.75]
    media = {clip.name: clip.media_reference.target_url for clip in track.find_clips()}
    assert media == {"a": "media/a.mp4", "b": "media/b.mp4"}
    # As long as the shots need them, each at its own rate.
    lengths = {name: probe(tmp_path / url).duration_s for name, url in media.items()}
    assert lengths == {"a": Fraction(36, 24), "b": Fraction(2)}


def test_a_movie_that_is_there_is_used(tmp_path: Path) -> None:
    mine = make_movie(tmp_path / "media" / "a.mp4", seconds=3)
    before = mine.read_bytes()
    make_timeline(tmp_path, ["a", "c"])
    assert mine.read_bytes() == before and (tmp_path / "media" / "c.mp4").exists()
