from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avlink.core.errors import InputError, MediaError
from avlink.testing.footage import make_movie
from avlink.training.data.clip_spec import ClipSpec
from avlink.training.data.decoding import decode_shard, short_reason
from avlink.training.data.prepared import ShardJob, has_column, read_column_report
from avlink.training.data.source_clips import SourceClip

SPEC = ClipSpec(fps=6, width=32, height=18, window_s=Fraction(1), sample_rate=8000, samples=8000, media="pictures")


def test_rows_of_clips_that_are_gone_or_crashed_are_zeros_with_their_reason(tmp_path: Path) -> None:
    film = make_movie(tmp_path / "a.mp4", seconds=2, flashes=(24,))
    clip = SourceClip(path=film, label="a", size=1)
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
