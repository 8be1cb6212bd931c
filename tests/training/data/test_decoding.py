from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avlink.core.errors import InputError, MediaError
from avlink.core.values import FrameSource, Waveform
from avlink.media.frames import open_frames
from avlink.testing.footage import make_movie
from avlink.training.data.clip_spec import ClipSpec
from avlink.training.data.decoding import decode_shard, short_reason, start_of
from avlink.training.data.prepared import ShardJob, has_column, read_column_report
from avlink.training.data.source_clips import SourceClip, SourceListing

SPEC = ClipSpec(fps=6, width=32, height=18, window_s=Fraction(1), sample_rate=8000, samples=8000, media="pictures")


def test_rows_of_clips_that_are_gone_or_crashed_are_zeros_with_their_reason(tmp_path: Path) -> None:
    film = make_movie(tmp_path / "a.mp4", seconds=2, flashes=(24,))
    clip = SourceClip(path=film, label="a", size=film.stat().st_size)
    rows: list[int] = []
    job = ShardJob(folder=tmp_path / "shard", spec=SPEC, clips=[clip, None, clip], crashed={2: "it crashed"})
    job.folder.mkdir()
    decode_shard(job, rows.append)
    assert rows == [0, 1, 2]
    for name in SPEC.columns:
        assert has_column(job.folder, name)
        bad, _ = read_column_report(job.folder, name)
        assert bad == {1: "the file is there no more", 2: "it crashed"}
        column = np.load(job.folder / name)
        assert not column[1:].any()
    frames = np.load(job.folder / SPEC.pictures_file)
    assert frames.shape == (3, 6, 18, 32, 3) and frames[0].any()
    # A complete shard is not decoded again.
    before = {path: path.stat().st_mtime_ns for path in job.folder.iterdir()}
    decode_shard(job, rows.append)
    assert {path: path.stat().st_mtime_ns for path in job.folder.iterdir()} == before


def test_a_disk_that_is_gone_ends_the_work_and_a_broken_file_does_not(tmp_path: Path) -> None:
    (tmp_path / "shard").mkdir()
    broken = tmp_path / "broken.mp4"
    broken.write_text("no film at all")
    clip = SourceClip(path=broken, label="b", size=1)
    decode_shard(ShardJob(folder=tmp_path / "shard", spec=SPEC, clips=[clip], crashed={}), lambda row: None)
    assert 0 in read_column_report(tmp_path / "shard", SPEC.pictures_file)[0]
    (tmp_path / "other").mkdir()
    gone = SourceClip(path=tmp_path / "gone.mp4", label="g", size=1)
    with pytest.raises(InputError, match="is there no more"):
        decode_shard(ShardJob(folder=tmp_path / "other", spec=SPEC, clips=[gone], crashed={}), lambda row: None)


def test_a_reason_stands_without_the_path_and_without_advice() -> None:
    error = MediaError("the media file '/x/a.mp4' is empty; copy it again")
    assert short_reason(error, Path("/x/a.mp4")) == "the file is empty"


@pytest.mark.parametrize("others", ["the same size", "another size"])
def test_a_file_that_is_replaced_is_set_aside_and_the_others_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: str
) -> None:
    films = [make_movie(tmp_path / f"{name}.mp4", seconds=1) for name in "ab"]
    clips = [SourceClip(path=film, label=film.stem, size=film.stat().st_size) for film in films]
    content = films[0].read_bytes() + (b"" if others == "the same size" else bytes(8))

    def slow(*arguments: Any, **more: Any) -> FrameSource:
        frames = open_frames(*arguments, **more)
        if arguments[0] == films[0]:
            films[0].unlink()
            films[0].write_bytes(content)
        return frames

    folder = tmp_path / "shard"
    folder.mkdir()
    monkeypatch.setattr("avlink.training.data.decoding.open_frames", slow)
    decode_shard(ShardJob(folder=folder, spec=SPEC, clips=clips, crashed={}), lambda row: None)
    bad, _ = read_column_report(folder, SPEC.pictures_file)
    assert bad == {0: "the file changed while it was read"}


def test_a_file_that_was_replaced_since_it_was_listed_is_set_aside(tmp_path: Path) -> None:
    film = make_movie(tmp_path / "a.mp4", seconds=1)
    clip = SourceClip(path=film, label="a", size=film.stat().st_size - 1)
    (tmp_path / "shard").mkdir()
    decode_shard(ShardJob(folder=tmp_path / "shard", spec=SPEC, clips=[clip], crashed={}), lambda row: None)
    bad, _ = read_column_report(tmp_path / "shard", SPEC.pictures_file)
    assert bad == {0: "the file has changed since it was listed"}


def test_crops_lie_anywhere_in_a_file_and_their_picture_goes_with_their_sound(tmp_path: Path) -> None:
    # A flash and a click every second, at 0.5, 1.5 and so on.
    clicks = np.zeros((1, 9 * 48000), np.float32)
    for start in range(24000, 9 * 48000, 48000):
        clicks[0, start : start + 480] = 0.9 * np.sin(np.arange(480) / 8)
    sound = Waveform(samples=clicks, sample_rate=48000)
    film = make_movie(tmp_path / "a.mp4", seconds=9, flashes=tuple(range(12, 9 * 24, 24)), sound=sound)
    spec = replace(SPEC, window_s=Fraction(2), samples=16000, fps=24, media="both")
    listing = SourceListing()
    listing.add("train", SourceClip(path=film, label="a", size=film.stat().st_size))
    listing.add("held_out", SourceClip(path=film, label="b", size=film.stat().st_size))
    listing.limit(None, 1, crops=8)
    clips = listing.clips["train"]
    assert [clip.crop for clip in clips] == list(range(8)) and listing.clips["held_out"][0].crop is None
    assert len({clip.key for clip in clips}) == 8
    folder = tmp_path / "shard"
    folder.mkdir()
    decode_shard(ShardJob(folder=folder, spec=spec, clips=clips, crashed={}), lambda row: None)
    pictures, sounds = np.load(folder / spec.pictures_file), np.load(folder / spec.sound_file)
    places = set()
    for picture, samples in zip(pictures, sounds, strict=True):
        seen = np.flatnonzero(picture.mean(axis=(1, 2, 3)) > 170) / 24
        heard = np.flatnonzero(np.abs(samples) > 0.3) / 8000
        first = heard[0]
        # One a second, so that each window of two has two of them, and none of a file that has ended.
        assert np.abs(seen - first).min() < 0.06 and np.abs(heard - first - 1).min() < 0.01
        places.add(round(float(first), 2))
    assert len(places) > 4


def test_a_crop_of_a_cut_stays_within_it(tmp_path: Path) -> None:
    film = make_movie(tmp_path / "a.mp4", seconds=9)
    for crop in range(20):
        clip = SourceClip(path=film, label="a", size=1, start_s=Fraction(3), cut_s=Fraction(4), crop=crop)
        assert 3 <= start_of(film, clip, Fraction(1)) <= 6
        # A cut of its own, which begins with its file, and no longer than a window.
        assert start_of(film, replace(clip, start_s=Fraction(30), cut_s=Fraction(4)), Fraction(4)) == 0
