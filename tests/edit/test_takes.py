"""Takes: listed and switched without generating, and never over a file that is not ours."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from avlink.core.errors import InputError, OutputError
from avlink.edit.sonify import SonifyRequest, sonify
from avlink.edit.takes import list_takes, use_take
from avlink.session import Session
from avlink.timeline.formats.otioz import write_bundle
from avlink.timeline.read import read_timeline


@pytest.fixture
def foley(kit: Any, session: Session, cut: Path) -> Path:
    recipe = kit.tone_recipe(cut.parent, "run.takes=3")
    output = sonify(SonifyRequest(input=cut, recipe=recipe, device="cpu"), session).output
    assert output is not None
    return output


def _heard(path: Path) -> list[str]:
    timeline = read_timeline(path).timeline
    return [Path(clip.media_reference.target_url).name for clip in timeline.audio_tracks()[0].find_clips()]


def test_takes_are_listed_by_stem(foley: Path) -> None:
    before = foley.read_bytes()
    report = list_takes(foley)
    assert report.output is None and foley.read_bytes() == before
    assert [(stem.heard, [take.take for take in stem.takes]) for stem in report.stems] == [(1, [1, 2, 3])] * 3
    assert [stem.timeline_start_s for stem in report.stems] == [0.0, 1.75, 3.07]
    assert [stem.timeline_start_tc for stem in report.stems] == ["01:00:00:00", "01:00:01:18", "01:00:03:01"]
    assert len({take.seed for stem in report.stems for take in stem.takes}) == 9


def test_switching_there_and_back_gives_the_same_bytes(foley: Path) -> None:
    before = foley.read_bytes()
    report = use_take(foley, 2)
    assert report.output == foley and report.changed == 3
    assert all("_FOLEY_t2_" in name for name in _heard(foley))
    assert [stem.heard for stem in list_takes(foley).stems] == [2, 2, 2]
    assert use_take(foley, 2).changed == 0
    use_take(foley, 1)
    assert foley.read_bytes() == before


def test_one_clip_by_name_or_id(foley: Path) -> None:
    ids = [stem.id for stem in list_takes(foley).stems]
    use_take(foley, 3, ["B"])
    use_take(foley, 2, [ids[0]])
    assert [stem.heard for stem in list_takes(foley).stems] == [2, 3, 1]
    assert [stem.clip for stem in list_takes(foley, ["b"]).stems] == ["b"]


def test_a_choice_stays_when_sonify_runs_again(kit: Any, session: Session, foley: Path, cut: Path) -> None:
    use_take(foley, 2, ["b"])
    recipe = kit.tone_recipe(cut.parent, "run.takes=3")
    sonify(SonifyRequest(input=cut, recipe=recipe, device="cpu"), session)
    assert [stem.heard for stem in list_takes(foley).stems] == [1, 2, 1]


def test_a_project_of_another_name_is_never_written(foley: Path) -> None:
    mine = foley.with_name("mine.otio")
    mine.write_bytes(foley.read_bytes())
    before = mine.read_bytes()
    assert use_take(mine, 2).output == foley.with_name("mine.foley.otio")
    with pytest.raises(OutputError, match="is an input"):
        use_take(mine, 2, output=mine)
    assert mine.read_bytes() == before


def test_what_is_not_there_is_said(foley: Path, cut: Path) -> None:
    with pytest.raises(InputError, match="has no take 9; it has: 1, 2, 3"):
        use_take(foley, 9)
    with pytest.raises(InputError, match="no stem of a clip 'door'; there are: a, b"):
        list_takes(foley, ["door"])
    with pytest.raises(InputError, match="has no stems of AVLink"):
        list_takes(cut)


def test_a_bundle_is_switched_inside(kit: Any, session: Session, tmp_path: Path, movies: Path) -> None:
    timeline = kit.timeline_of(kit.clip("media/a.mp4", 0, 12))
    write_bundle(timeline, tmp_path / "cut.otioz", old=None, media={"media/a.mp4": movies / "a.mp4"})
    recipe = kit.tone_recipe(tmp_path, "run.takes=2")
    foley = sonify(SonifyRequest(input=tmp_path / "cut.otioz", recipe=recipe, device="cpu"), session).output
    assert foley is not None
    with zipfile.ZipFile(foley) as archive:
        names = archive.namelist()
    assert use_take(foley, 2).output == foley
    with zipfile.ZipFile(foley) as archive:
        assert sorted(archive.namelist()) == sorted(names)
    (stem,) = list_takes(foley).stems
    assert stem.heard == 2
    with pytest.raises(InputError, match=r"becomes \.otioz again"):
        use_take(foley, 2, output=foley.with_name("y.otio"))
