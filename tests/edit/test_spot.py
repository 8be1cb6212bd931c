"""`avlink spot` as a service: selecting, caching, failing, writing, and what people made of an earlier result."""

from __future__ import annotations

import types
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from avlink import testing
from avlink.core.errors import InputError, MediaError, OutputError, TimelineError
from avlink.core.events import Event, Message
from avlink.core.hits import Hit
from avlink.core.recipe import load_recipe
from avlink.core.values import FrameSource, PictureSpec
from avlink.edit.spot import spot
from avlink.edit.spot_input import SpotRequest
from avlink.edit.spot_report import SpotReport
from avlink.hooks import Spotter, SpotterOptions, hookimpl
from avlink.session import Session, open_session
from avlink.testing import Shot
from avlink.timeline.read import read_timeline
from avlink.timeline.values import ClipRef
from avlink.timeline.walk import list_clips


class Flashes:
    """A spotter that hits where a picture is white, and notes every clip that it looks at."""

    picture = PictureSpec(rate=Fraction(24), width=16, height=9)

    def __init__(self) -> None:
        self.looked = 0

    def spot(self, frames: FrameSource) -> Sequence[Hit]:
        self.looked += 1
        pixels = frames.read(0, frames.num_frames)
        white = [number for number in range(len(pixels)) if pixels[number].mean() > 200]
        return [Hit(time_s=Fraction(number, 24), strength=0.5, confidence=0.6) for number in white]


@pytest.fixture
def flashes() -> Flashes:
    return Flashes()


@pytest.fixture
def session(tmp_path: Path, told: list[Event], flashes: Flashes) -> Session:
    plugin = types.ModuleType("flashes")

    def offer() -> list[Spotter]:
        return [
            Spotter(name="flashes", fingerprint=lambda options: repr(options), load=lambda options, device: flashes),
            Spotter(
                name="broken", fingerprint=lambda options: "1", load=lambda options, device: types.SimpleNamespace()
            ),
        ]

    plugin.avlink_spotters = hookimpl(offer)  # type: ignore[attr-defined]
    registry = testing.fake_registry(plugin)
    return open_session(device="cpu", registry=registry, cache=tmp_path / "cache", listener=told.append)


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """Two films that flash, and a cut of them with a gap and a trim."""
    testing.make_movie(tmp_path / "media" / "a.mp4", seconds=3, flashes=[12, 36, 60])
    testing.make_movie(tmp_path / "media" / "b.mp4", seconds=2, flashes=[30])
    shots = [Shot(name="a", first=6, frames=48), Shot(name="b", gap=12, frames=48)]
    return testing.make_timeline(tmp_path, shots, start_s=3600)


def run(session: Session, path: Path, *settings: str, **asked: object) -> SpotReport:
    recipe = load_recipe("spot", "spot", ["spotter.name=flashes", *settings])
    return spot(SpotRequest(input=path, recipe=recipe, device="cpu", **asked), session)  # type: ignore[arg-type]


def hits_of(path: Path) -> dict[str, list[Fraction] | None]:
    """The times of hits by clip, as a plan sees them."""
    clips = [item for item in list_clips(read_timeline(path).timeline) if isinstance(item, ClipRef)]
    return {clip.name: None if clip.hits is None else [hit.time_s for hit in clip.hits] for clip in clips}


def edit(path: Path) -> tuple[otio.schema.Timeline, otio.schema.Clip]:
    timeline = otio.adapters.read_from_file(str(path))
    return timeline, next(iter(timeline.find_clips()))


def told_text(told: list[Event]) -> str:
    return "\n".join(event.text for event in told if isinstance(event, Message))


def test_hits_are_markers_on_the_clips_of_a_copy(session: Session, cut: Path) -> None:
    before = cut.read_bytes()
    report = run(session, cut)
    assert report.output == cut.with_name("cut.spotted.otio") and report.exit_code == 0
    assert cut.read_bytes() == before
    assert hits_of(report.output) == {"a": [Fraction(6, 24), Fraction(30, 24)], "b": [Fraction(30, 24)]}
    clip = next(iter(read_timeline(report.output).timeline.find_clips()))
    first = clip.markers[0]
    assert (first.name, first.comment, first.color) == ("hit 0.5", "confidence 0.6", "RED")
    # On the frame of the film in which it is seen.
    assert first.marked_range == otio.opentime.TimeRange(
        otio.opentime.RationalTime(12, 24), otio.opentime.RationalTime(1, 24)
    )
    items = report.to_json()["items"]
    assert [item["status"] for item in items] == ["spotted", "spotted"]
    assert [(hit["timeline_s"], hit["timeline_tc"]) for hit in items[1]["hits"]] == [(3.75, "01:00:03:18")]


def test_a_second_run_looks_at_nothing_and_writes_the_same_bytes(session: Session, cut: Path, flashes: Flashes) -> None:
    output = run(session, cut).output
    assert output is not None and flashes.looked == 2
    before = output.read_bytes()
    report = run(session, cut)
    assert flashes.looked == 2 and report.counts["cached"] == 2
    assert output.read_bytes() == before
    assert run(session, cut, force=True).counts["spotted"] == 2 and flashes.looked == 4
    assert output.read_bytes() == before
    # The confidence is no matter of looking.
    assert sum(len(item.hits) for item in run(session, cut, "min_confidence=0.7").items) == 0
    assert flashes.looked == 4


def test_a_retimed_and_reversed_clip_has_its_hits_where_they_are_seen(session: Session, cut: Path) -> None:
    timeline, clip = edit(cut)
    clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=-1.0))
    otio.adapters.write_to_file(timeline, str(cut))
    output = run(session, cut).output
    assert output is not None
    # Frames 6 to 54 of the film, from the end: the first frame of a flash is its last one that is seen.
    assert hits_of(output)["a"] == [Fraction(54 - 36 - 1, 24), Fraction(54 - 12 - 1, 24)]


def test_what_people_changed_is_kept(session: Session, cut: Path, told: list[Event]) -> None:
    output = run(session, cut).output
    assert output is not None
    timeline, clip = edit(output)
    del clip.markers[0]
    clip.markers[0].name = "door slam"
    clip.markers.append(
        otio.schema.Marker(
            "step 0.9", otio.opentime.TimeRange(otio.opentime.RationalTime(50, 24), otio.opentime.RationalTime(1, 24))
        )
    )
    otio.adapters.write_to_file(timeline, str(output))
    edited = output.read_bytes()
    report = run(session, cut)
    assert [(hit.time_s, hit.words or hit.kind, hit.source) for hit in report.items[0].hits] == [
        (Fraction(30, 24), "door slam", "marker"),
        (Fraction(44, 24), "step", "marker"),
    ]
    assert output.with_name("cut.spotted.otio.bak").read_bytes() == edited
    assert "hits of a that people changed are as they were left" in told_text(told)
    assert "as it was before is kept as cut.spotted.otio.bak" in told_text(told)
    # And in every later run.
    assert run(session, cut, force=True).items[0].hits == report.items[0].hits


def test_a_foreign_file_is_not_overwritten(session: Session, cut: Path, flashes: Flashes) -> None:
    foreign = cut.with_name("cut.spotted.otio")
    foreign.write_bytes(cut.read_bytes())
    with pytest.raises(OutputError, match="was not written by AVLink"):
        run(session, cut)
    assert flashes.looked == 0
    run(session, cut, overwrite=True)
    assert foreign.with_name("cut.spotted.otio.bak").read_bytes() == cut.read_bytes()
    with pytest.raises(OutputError, match="is an input and is never overwritten"):
        run(session, cut, output=cut)


def test_one_damaged_film_among_good_ones_fails_alone(session: Session, cut: Path) -> None:
    film = cut.parent / "media" / "b.mp4"
    film.write_bytes(film.read_bytes()[:2000])
    report = run(session, cut)
    assert report.exit_code == 3 and report.counts["failed"] == 1
    (failed,) = [item for item in report.items if item.status == "failed"]
    assert failed.clip.name == "b" and failed.reason
    assert report.output is not None and len(hits_of(report.output)["a"] or ()) == 2
    assert hits_of(report.output)["b"] is None


def test_missing_media_ends_the_run_or_is_left_out(session: Session, cut: Path) -> None:
    (cut.parent / "media" / "b.mp4").unlink()
    with pytest.raises(TimelineError, match=r"1 media file not found: media/b\.mp4; --media-root names folders"):
        run(session, cut)
    report = run(session, cut, skip_missing=True)
    assert [item.status for item in report.items] == ["spotted", "skipped"]


def test_clips_are_chosen_by_track(session: Session, cut: Path) -> None:
    assert len(run(session, cut, 'select.tracks=["V1"]').items) == 2
    with pytest.raises(TimelineError, match="has no video track 'V9' with clips"):
        run(session, cut, 'select.tracks=["V9"]')


def test_cues_do_not_limit_what_is_seen(session: Session, cut: Path) -> None:
    timeline, clip = edit(cut)
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(10, 24), otio.opentime.RationalTime(6, 24))
    clip.markers.append(otio.schema.Marker("FOLEY: door slam", span))
    otio.adapters.write_to_file(timeline, str(cut))
    output = run(session, cut).output
    assert output is not None and len(hits_of(output)["a"] or ()) == 2


def test_a_film_becomes_a_timeline_of_one_clip(session: Session, cut: Path) -> None:
    film = cut.parent / "media" / "a.mp4"
    report = run(session, film)
    assert report.output == film.with_name("a.spotted.otio")
    assert hits_of(report.output) == {"a.mp4": [Fraction(12, 24), Fraction(36, 24), Fraction(60, 24)]}
    # The result is a project: it can be looked at again, and edits of it are kept.
    timeline, clip = edit(report.output)
    del clip.markers[1]
    otio.adapters.write_to_file(timeline, str(report.output))
    assert [hit.time_s for hit in run(session, film).items[0].hits] == [Fraction(12, 24), Fraction(60, 24)]
    own = run(session, report.output, output=cut.parent / "again.otio")
    assert [hit.time_s for hit in own.items[0].hits] == [Fraction(12, 24), Fraction(60, 24)]


def test_a_sound_has_no_picture_to_look_at(session: Session, tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.zeros(4800), 48000)
    with pytest.raises(MediaError):
        run(session, tmp_path / "a.wav")


def test_a_spotter_that_is_none_is_named(session: Session, cut: Path) -> None:
    recipe = load_recipe("spot", "spot", ["spotter.name=broken"])
    report_of = SpotRequest(input=cut, recipe=recipe, device="cpu")
    with pytest.raises(Exception, match="spotter 'broken' loaded SimpleNamespace, which is no spotter"):
        spot(report_of, session)


def test_options_of_spotters_are_checked(session: Session, cut: Path) -> None:
    with pytest.raises(InputError, match=r"spotter\.options\.sensitivity = 2"):
        run(session, cut, "spotter.options.sensitivity=2")
    assert SpotterOptions().sensitivity == 0.5
