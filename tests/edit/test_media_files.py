"""Sonify on single media files, and on real media with real faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from avlink.core.errors import InputError, MediaError, OutputError
from avlink.core.recipe import SonifyRecipe
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.media.bwf import read_bwf_info
from avlink.media.probe import probe
from avlink.session import Session

SHARED = Path(__file__).parents[2] / ".." / "shared"


def _run(session: Session, recipe: SonifyRecipe, path: Path, **asked: object) -> SonifyReport:
    return sonify(SonifyRequest(input=path, recipe=recipe, device="cpu", **asked), session)  # type: ignore[arg-type]


def _statuses(report: SonifyReport) -> list[str]:
    return [item.status for item in report.items]


def test_a_media_file_gets_a_wav_and_a_movie_with_it(
    kit: Any, session: Session, recipe: SonifyRecipe, tmp_path: Path
) -> None:
    path = kit.movie(tmp_path / "shot.mp4", seconds=2)
    before = path.read_bytes()
    report = _run(session, recipe, path)
    assert path.read_bytes() == before
    sound, video = tmp_path / "shot.foley.wav", tmp_path / "shot.foley.mp4"
    assert report.output == video and report.items[0].stems[0].path == sound
    assert read_bwf_info(sound).num_samples == 96000
    info = probe(video)
    assert info.has_video and info.has_audio and info.duration_s == 2
    assert _statuses(_run(session, recipe, path)) == ["cached"]


@pytest.mark.parametrize("name, has_video", [("only.wav", False), ("only.mkv", True)])
def test_a_named_output_is_the_only_one(
    session: Session, recipe: SonifyRecipe, tmp_path: Path, movies: Path, name: str, has_video: bool
) -> None:
    report = _run(session, recipe, movies / "a.mp4", output=tmp_path / "out" / name)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]
    assert probe(tmp_path / "out" / name).has_video is has_video
    assert report.items[0].stems[0].path == tmp_path / "out" / name


def test_a_media_file_is_never_its_own_output(kit: Any, session: Session, recipe: SonifyRecipe, tmp_path: Path) -> None:
    path = kit.movie(tmp_path / "shot.mp4", seconds=2)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="never overwritten"):
        _run(session, recipe, path, output=path)
    with pytest.raises(OutputError, match="is written as one of"):
        _run(session, recipe, path, output=tmp_path / "x.pdf")
    with pytest.raises(InputError, match="--stems is for timelines"):
        _run(session, recipe, path, stems=tmp_path / "stems")
    assert path.read_bytes() == before


@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of real media is not beside the checkout")
@pytest.mark.parametrize(
    "name, words",
    [
        ("derived__truncated_hammer.mp4", "cut short"),
        ("derived__truncated_faststart_hammer.mp4", "cut short"),
        ("derived__zero_bytes.mp4", "empty"),
        ("derived__text_not_video.mp4", "text"),
        ("moviepy__dash-video-with-dash-.mp4", "1x1"),
        ("decord__corrupted.mp4", "damaged"),
        ("small__AudioVideoInterleave.avi", "not one picture"),
    ],
)
def test_broken_media_is_a_sentence(
    session: Session, recipe: SonifyRecipe, tmp_path: Path, name: str, words: str
) -> None:
    with pytest.raises(MediaError, match=words):
        _run(session, recipe, SHARED / "media" / name, output=tmp_path / "out.wav")
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of real media is not beside the checkout")
def test_real_timelines_with_real_faults(session: Session, recipe: SonifyRecipe, tmp_path: Path) -> None:
    real = SHARED / "timelines" / "real"
    report = _run(session, recipe, real / "rm19_broken_media.otio", output=tmp_path / "a.otio")
    assert _statuses(report) == ["generated", "failed", "failed", "failed"]
    report = _run(session, recipe, real / "rm09_missing_generator_multiref.otio", output=tmp_path / "b.otio")
    # One of its clips is a longer cut of one above, within what was made of that.
    assert report.counts == {"generated": 3, "cached": 1, "skipped": 3, "failed": 1}
    report = _run(session, recipe, real / "rm15_bundle.otioz", output=tmp_path / "c.otioz")
    assert report.counts["generated"] == 3
