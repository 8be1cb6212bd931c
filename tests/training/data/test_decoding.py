from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avlink.core.errors import InputError, MediaError
from avlink.core.values import FrameSource
from avlink.media.frames import open_frames
from avlink.testing.footage import make_movie
from avlink.training.data.clip_spec import ClipSpec
from avlink.training.data.decoding import decode_shard, short_reason
from avlink.training.data.prepared import ShardJob, has_column, read_column_report
from avlink.training.data.source_clips import SourceClip

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
