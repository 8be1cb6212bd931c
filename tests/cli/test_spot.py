"""`avlink spot` as a program: real clips with true events, from the picture to an editing program and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import opentimelineio as otio
import pytest

from avlink.core.values import Frames
from avlink.foundry import FRAME_RATE, make_clips
from avlink.media.movie import write_video
from avlink.metrics.sync import match_onsets
from avlink.timeline.read import read_timeline
from avlink.timeline.values import ClipRef
from avlink.timeline.walk import list_clips


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, list[float]]:
    """Movies of two clips that the model was not trained on, with the times of their events."""
    folder = tmp_path_factory.mktemp("films")
    batch = make_clips(range(2_000_100, 2_000_108), split="held_out")
    found = {}
    for info, pixels in zip(batch.clips, batch.frames, strict=True):
        if len(info.events) >= 4 and len(found) < 2:
            path = folder / f"{len(found)}_{info.kind}.mp4"
            write_video(path, Frames(pixels=pixels.numpy(), rate=FRAME_RATE), scale=4, smooth=True)
            found[path] = [event.time_s for event in info.events]
    return found


@pytest.fixture
def cut(tmp_path: Path, films: dict[Path, list[float]]) -> Path:
    timeline = otio.schema.Timeline("cut", global_start_time=otio.opentime.RationalTime(86400, 24))
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(120, 24))
    clips = [otio.schema.Clip(film.stem, otio.schema.ExternalReference(str(film)), span) for film in films]
    timeline.tracks.append(otio.schema.Track("V1", clips))
    otio.adapters.write_to_file(timeline, str(tmp_path / "cut.otio"))
    return tmp_path / "cut.otio"


def hits_of(path: Path) -> dict[str, tuple[object, ...] | None]:
    return {item.name: item.hits for item in list_clips(read_timeline(path).timeline) if isinstance(item, ClipRef)}


def test_the_events_of_real_pictures_are_marked(
    program: Callable[..., object], avlink: Callable[..., object], films: dict[Path, list[float]], cut: Path
) -> None:
    ran = program("spot", cut, "--device", "cpu", "--json")
    assert ran.code == 0 and ran.json["command"] == "spot"
    assert ran.json["output"] == str(cut.with_name("cut.spotted.otio"))
    for item, true in zip(ran.json["items"], films.values(), strict=True):
        found = [hit["time_s"] for hit in item["hits"]]
        assert match_onsets([time_s for time_s in true if time_s < 5], found, 0.1).f1 >= 0.8
        assert all(0 <= hit["confidence"] <= 1 and 0 <= hit["strength"] <= 1 for hit in item["hits"])
    again = avlink("spot", cut, "--device", "cpu", "--json")
    assert again.json["counts"]["cached"] == 2 and again.json["hits"] == ran.json["hits"]


def test_hits_go_to_other_programs_and_come_back(avlink: Callable[..., object], cut: Path) -> None:
    assert avlink("spot", cut, "--spotter", "motion-peaks").code == 0
    spotted = cut.with_name("cut.spotted.otio")
    before = hits_of(spotted)
    count = sum(len(hits or ()) for hits in before.values())
    for to, suffix in (
        *((name, f".{name}") for name in ("edl", "xml", "fcpxml", "rpp", "csv", "vtt")),
        ("protools", ".txt"),
    ):
        ran = avlink("export", spotted, "--to", to)
        assert ran.code == 0 and f"{count} hits" in ran.out, (to, ran)
        back = avlink("import-cues", spotted, spotted.with_suffix(suffix), "-o", cut.with_name(f"{to}.otio"), "--json")
        assert back.code == 0 and back.json["hits"] == 0, (to, back)
        assert hits_of(cut.with_name(f"{to}.otio")) == before
    cues = spotted.with_suffix(".vtt")
    cues.write_text(re.sub(r"hit [\d.]+\n", "door slam 0.3\n", cues.read_text(), count=1))
    ran = avlink("import-cues", spotted, cues)
    assert ran.code == 0 and ran.out == f"wrote {cut.with_name('cut.spotted.cues.otio')} (1 hit changed)\n"


def test_hits_reach_the_plan_of_a_run(avlink: Callable[..., object], tone: tuple[str, ...], cut: Path) -> None:
    assert avlink("spot", cut, "--spotter", "motion-peaks").code == 0
    spotted = cut.with_name("cut.spotted.otio")
    made = {}
    for project in (cut, spotted):
        assert avlink("sonify", project, *tone, "--json").code == 0
        foley = otio.adapters.read_from_file(str(project.with_name(f"{project.stem}.foley.otio")))
        made[project] = [stem.media_reference.metadata["avlink"]["raw_key"] for stem in foley.tracks[-1].find_clips()]
    assert len(made[cut]) == len(made[spotted]) == 2
    assert not set(made[cut]) & set(made[spotted])
    # The markers are in the finished project too, where people go on to correct them.
    assert hits_of(spotted.with_name("cut.spotted.foley.otio")) == hits_of(spotted)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--spotter", "motion-stm"), "did you mean 'motion-stem'?"),
        (("--sensitivity", "2"), "spotter.options.sensitivity = 2.0: must be less than or equal to 1"),
        (("--min-confidence", "-1"), "min_confidence = -1.0: must be greater than or equal to 0"),
        (("-r", "foley"), "is a recipe for `avlink sonify`, not for `avlink spot`"),
        (("-s", "spotter.options.model=none"), "there is no model 'none'"),
    ],
)
def test_wrong_input_is_one_sentence(
    avlink: Callable[..., object], cut: Path, arguments: tuple[str, ...], said: str
) -> None:
    ran = avlink("spot", cut, *arguments)
    assert ran.code == 2 and said in ran.err and ran.out == ""
    assert not cut.with_name("cut.spotted.otio").exists()
