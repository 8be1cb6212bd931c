"""Exports of a project with stems: every file is read again by somebody else, and compared in samples."""

from __future__ import annotations

import csv
import re
import shutil
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as xml

import opentimelineio as otio
import pytest
import soundfile
from avlink_otio import plugin

from avlink import hookimpl, testing
from avlink.core.errors import InputError, OutputError, PluginError, TimelineError
from avlink.core.events import Event, Message
from avlink.core.recipe import SonifyRecipe
from avlink.edit.export import ExportReport, ExportRequest, export, write_format
from avlink.edit.sonify import SonifyRequest, sonify
from avlink.hooks import Registry, TimelineFormat, make_registry
from avlink.session import Session, open_session
from avlink.timeline.flatten import flatten_timeline
from avlink.timeline.read import read_timeline
from avlink.timeline.resolve import find_media
from avlink.timeline.values import ClipRef
from avlink.timeline.walk import list_sounds

SHARED = Path(__file__).parents[2] / ".." / "shared" / "timelines"
RATE = 48000
# A clip of 30 frames, a gap of 12, one of 33 frames at 25, and one of 12, at 24 frames per second.
STARTS = [0, Fraction(42, 24) * RATE, (Fraction(42, 24) + Fraction(33, 25)) * RATE]
LENGTHS = [60000, 63360, 24000]
PLACES = list(zip(STARTS, LENGTHS, strict=True))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return make_registry(plugin)


@pytest.fixture(scope="module")
def finished(kit, movies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sonified project, made once: the folder with the cut, its output and its stems."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(movies, folder / "media")
    gap = otio.schema.Gap(duration=otio.opentime.RationalTime(12, 24))
    shots = (kit.clip("media/a.mp4", 6, 30), gap, kit.clip("media/b.mp4", 0, 33, 25), kit.clip("media/a.mp4", 0, 12))
    otio.adapters.write_to_file(kit.timeline_of(*shots), str(folder / "cut.otio"))
    recipe: SonifyRecipe = kit.tone_recipe(folder, "run.takes=2")
    session = open_session(device="cpu", registry=testing.fake_registry(), cache=folder / "cache")
    sonify(SonifyRequest(input=folder / "cut.otio", recipe=recipe, device="cpu"), session)
    shutil.rmtree(folder / "cache")
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "project") / "cut.foley.otio"


@pytest.fixture
def run(project: Path, registry: Registry) -> Callable[..., ExportReport]:
    def go(to: str, **more: Path) -> ExportReport:
        return export(ExportRequest(input=more.pop("input", project), to=to, **more), registry)

    return go


def _stems(project: Path) -> list[Path]:
    file = read_timeline(project)
    clips = [clip for track in file.timeline.audio_tracks() for clip in track.find_clips()]
    return [project.parent / clip.media_reference.target_url for clip in clips]


def test_reaper_finds_the_stems_on_their_samples(run: Callable[..., ExportReport], project: Path) -> None:
    report = run("rpp")
    assert report.output == project.with_name("cut.foley.rpp")
    assert (report.tracks, report.clips, report.notes) == (("FOLEY",), 3, ())
    text = report.output.read_text(encoding="utf-8")
    positions = [Fraction(found) * RATE for found in re.findall(r"^ +POSITION (\S+)$", text, re.MULTILINE)]
    lengths = [Fraction(found) * RATE for found in re.findall(r"^ +LENGTH (\S+)$", text, re.MULTILINE)]
    for found, (first, count) in zip(zip(positions, lengths, strict=True), PLACES, strict=True):
        assert abs(found[0] - first) < 1e-6 and found[1] == count
    files = [report.output.parent / name for name in re.findall(r'FILE "(.*)"', text)]
    assert files[::2] == _stems(project) and all(path.is_file() for path in files)
    assert len(files) == 2 * len(PLACES)
    assert [len(soundfile.read(path)[0]) for path in files[::2]] == LENGTHS


def test_a_moved_folder_plays_on(run: Callable[..., ExportReport], project: Path) -> None:
    run("rpp")
    run("fcpxml")
    moved = project.parent.rename(project.parent.with_name("elsewhere 50%20"))
    stems = _stems(moved / project.name)
    assert len(stems) == len(PLACES) and all(stem.is_file() for stem in stems)
    text = (moved / "cut.foley.rpp").read_text(encoding="utf-8")
    assert all((moved / name).is_file() for name in re.findall(r'FILE "(.*)"', text))
    sounds = list_sounds(read_timeline(moved / "cut.foley.fcpxml").timeline)
    clips = [one for one in sounds if isinstance(one, ClipRef)]
    assert [find_media(clip, moved)[1] for clip in clips] == stems


def test_the_other_formats_are_read_at_the_same_places(run: Callable[..., ExportReport], project: Path) -> None:
    root = xml.parse(run("fcpxml").output).getroot()
    # The takes of a stem are an audition, whose first clip plays.
    placed = [
        element for element in root.iter() if element.tag in ("audition", "asset-clip") and "offset" in element.attrib
    ]
    found = [(element, element if element.tag == "asset-clip" else element[0]) for element in placed]
    times = [(element.attrib["offset"], clip.attrib["duration"]) for element, clip in found]
    assert [[Fraction(time.removesuffix("s")) * RATE for time in pair] for pair in times] == [
        list(place) for place in PLACES
    ]

    again = otio.adapters.read_from_file(str(run("aaf").output))
    (track,) = again.audio_tracks()
    spans = [track.range_of_child(clip) for clip in track.find_clips()]
    assert [(span.start_time.value, span.duration.value, span.duration.rate) for span in spans] == [
        (first, count, RATE) for first, count in PLACES
    ]

    report = run("xml")
    # The last clip begins at frame 73.68, which this format has no words for.
    assert report.notes == ("1 clip lies between frames, which FCP 7 XML cannot say: moved by up to 13.3 ms",)
    again = otio.adapters.read_from_file(str(report.output), adapter_name="fcp_xml")
    (track,) = again.audio_tracks()
    spans = [track.range_of_child(clip) for clip in track.find_clips()]
    assert [(span.start_time.value, span.duration.value) for span in spans] == [(0, 30), (42, 32), (74, 12)]

    rows = list(csv.DictReader(run("csv").output.read_text(encoding="utf-8-sig").splitlines()))
    assert [(int(row["start_samples"]), int(row["samples"])) for row in rows] == PLACES
    assert [project.parent / row["media"] for row in rows] == _stems(project)


@pytest.mark.parametrize("to", ["rpp", "kdenlive", "xml", "fcpxml", "aaf", "edl", "csv", "otioz", "otiod"])
def test_nothing_that_is_read_changes(run: Callable[..., ExportReport], project: Path, to: str, tmp_path: Path) -> None:
    def state() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in project.parent.glob("cut*") if path.is_file()} | {
            str(path): path.read_bytes() for path in _stems(project)
        }

    before = state()
    output = tmp_path / "elsewhere" / f"out.{to}"
    run(to, output=output)
    assert output.exists() and state() == before
    assert not list(tmp_path.rglob(".avlink-tmp-*"))


def test_a_bundle_has_everything_inside_and_the_same_bytes_each_time(
    run: Callable[..., ExportReport], project: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "a.otioz", tmp_path / "b.otioz"
    run("otioz", output=first)
    run("otioz", output=second)
    assert first.read_bytes() == second.read_bytes()
    again = otio.adapters.read_from_file(str(first))
    source = read_timeline(project)
    with zipfile.ZipFile(first) as archive:
        assert archive.testzip() is None
        assert archive.read("version.txt") == b"1.0.0"
        pairs = list(zip(again.find_clips(), source.timeline.find_clips(), strict=True))
        for inside, outside in pairs:
            assert inside.source_range == outside.source_range
            for key, ref in outside.media_references().items():
                name = inside.media_references()[key].target_url
                assert archive.read(name) == (project.parent / ref.target_url).read_bytes()
        methods = {member.filename: member.compress_type for member in archive.infolist()}
    assert {methods[name] for name in methods if name.startswith("media/")} == {zipfile.ZIP_STORED}
    assert len(pairs) == 6


def test_a_bundle_can_be_taken_apart_again(run: Callable[..., ExportReport], tmp_path: Path) -> None:
    bundle = tmp_path / "in" / "cut.foley.otioz"
    run("otioz", output=bundle)
    folder = run("otiod", input=bundle, output=tmp_path / "out" / "cut.otiod").output
    file = read_timeline(folder)
    urls = [clip.media_reference.target_url for clip in file.timeline.find_clips()]
    assert all((folder / url).is_file() for url in urls)
    assert run("otiod", input=bundle, output=folder).output == folder
    (folder / "content.otio").write_text("{}", encoding="utf-8")
    with pytest.raises(OutputError, match="was changed after AVLink wrote it"):
        run("otiod", input=bundle, output=folder)
    report = run("rpp", input=bundle)
    files = re.findall(r'FILE "(.*)"', report.output.read_text(encoding="utf-8"))
    assert files[0].startswith("cut.stems/media/") and all((bundle.parent / name).is_file() for name in files)
    with pytest.raises(TimelineError, match="holds its media inside"):
        run("otio", input=bundle, output=tmp_path / "x.otio")


def test_images_of_a_sequence_stay_in_a_bundle(kit, tmp_path: Path, registry: Registry) -> None:
    inside, outside = (
        otio.schema.Clip(
            "film",
            otio.schema.ImageSequenceReference(base, "f.", ".png", start_frame=1, frame_zero_padding=4, rate=24.0),
            otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(2, 24)),
        )
        for base in ("media/", "elsewhere/")
    )
    with zipfile.ZipFile(tmp_path / "in.otioz", "w") as archive:
        archive.writestr("content.otio", kit.timeline_of(inside, outside).to_json_string())
        archive.writestr("media/f.0001.png", b"one")
    report = export(ExportRequest(input=tmp_path / "in.otioz", to="otioz", output=tmp_path / "out.otioz"), registry)
    assert report.notes == ("the image sequence elsewhere/ is not taken along",)
    with zipfile.ZipFile(report.output) as archive:
        assert archive.read("media/f.0001.png") == b"one"


def test_files_of_one_name_stay_two_files(kit, tmp_path: Path, registry: Registry) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mov").write_text(folder)
    timeline = kit.timeline_of(kit.clip("one/a.mov", 0, 12), kit.clip("two/a.mov", 0, 12), kit.clip("gone.mov", 0, 12))
    otio.adapters.write_to_file(timeline, str(tmp_path / "cut.otio"))
    report = export(ExportRequest(input=tmp_path / "cut.otio", to="otioz"), registry)
    assert report.missing == ("gone.mov",) and report.notes[1:] == ("gone.mov is not taken along",)
    again = otio.adapters.read_from_file(str(report.output))
    urls = [clip.media_reference.target_url for clip in again.find_clips()]
    with zipfile.ZipFile(report.output) as archive:
        assert [archive.read(url) for url in urls[:2]] == [b"one", b"two"]
    assert urls[0] == "media/a.mov" and re.fullmatch(r"media/a_[0-9a-f]{10}\.mov", urls[1]) and urls[2] == "gone.mov"


def test_a_recipe_can_ask_for_all_of_them(session: Session, kit, cut: Path, tmp_path: Path) -> None:
    also = 'write.also=["rpp", "aaf", "xml", "fcpxml", "edl", "cues"]'
    both = make_registry(plugin, testing)
    told: list[Event] = []
    session = Session(registry=both, store=session.store, device="cpu", listener=told.append)
    recipe = kit.tone_recipe(tmp_path, also)
    sonify(SonifyRequest(input=cut, recipe=recipe, device="cpu"), session)
    assert any("between frames" in event.text for event in told if isinstance(event, Message))
    assert all(
        cut.with_name(f"cut.foley.{suffix}").is_file() for suffix in ("rpp", "aaf", "xml", "fcpxml", "edl", "csv")
    )


@pytest.mark.parametrize(
    "to, said", [("rppp", "--to rppp: there is no such format; did you mean 'rpp'?"), ("mov", "known: ")]
)
def test_an_unknown_format_is_a_sentence(run: Callable[..., ExportReport], to: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        run(to)


def test_a_project_without_sound_is_a_sentence(cut: Path, registry: Registry) -> None:
    with pytest.raises(TimelineError, match=r"\.rpp cannot be written: the timeline has no sound tracks"):
        export(ExportRequest(input=cut, to="rpp"), registry)
    # A sheet can be made before there is any.
    report = export(ExportRequest(input=cut, to="csv"), registry)
    assert len(report.output.read_text(encoding="utf-8-sig").splitlines()) == 4


def test_the_project_itself_is_never_written_over(run: Callable[..., ExportReport], project: Path) -> None:
    with pytest.raises(OutputError, match="is an input and is never overwritten"):
        run("otio")


def test_a_format_that_fails_is_the_plugins_fault(project: Path) -> None:
    class Broken:
        @hookimpl
        def avlink_timeline_formats(self) -> list[TimelineFormat]:
            return [TimelineFormat(name="odd", suffix=".odd", write=lambda timeline, path: 1 / 0)]

    with pytest.raises(PluginError, match="'odd' failed: ZeroDivisionError"):
        export(ExportRequest(input=project, to="odd"), make_registry(Broken()))
    assert not project.with_name("cut.foley.odd").exists()


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real timelines are not beside the checkout")
def test_every_real_timeline_is_written_or_refused_in_words(registry: Registry, tmp_path: Path) -> None:
    written = dict.fromkeys(registry.formats, 0)
    for path in sorted(
        path for path in SHARED.rglob("*") if path.suffix in {".otio", ".otioz", ".xml", ".edl", ".aaf"}
    ):
        try:
            file = read_timeline(path)
        except TimelineError:
            continue
        timeline = flatten_timeline(file.timeline, drop_frame=file.drop_frame)
        for name, found in registry.formats.items():
            try:
                write_format(found, timeline, tmp_path / f"out{found.suffix}")
            except TimelineError:
                continue
            written[name] += 1
    # These need media, and hits.
    assert written.pop("aaf") == written.pop("vtt") == written.pop("protools") == 0
    assert all(count >= 6 for count in written.values()) and written["cues"] >= 20


def _sound_cut(folder: Path, *clips: otio.schema.Clip) -> Path:
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(otio.schema.Track("A1", list(clips), kind=otio.schema.TrackKind.Audio))
    otio.adapters.write_to_file(timeline, str(folder / "cut.otio"))
    return folder / "cut.otio"


def _files(report: ExportReport) -> list[str]:
    return re.findall(r'FILE "?([^"\n]+)', report.output.read_text(encoding="utf-8"))


def test_sound_is_found_as_pictures_are(kit, tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "rushes").mkdir()
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / "rushes" / name, [0.0] * RATE * 3, RATE)
    # An EDL names clips and no files, and of two references the first may be on a disk that is not there.
    by_name = otio.schema.Clip("a", source_range=kit.clip("x", 12, 24).source_range)
    proxy = kit.clip("gone/b.wav", 0, 24)
    proxy.set_media_references(
        {"online": otio.schema.ExternalReference("gone.wav"), "proxy": otio.schema.ExternalReference("b.wav")}, "online"
    )
    cut = _sound_cut(tmp_path, by_name, proxy, kit.clip("lost.wav", 0, 24))
    report = export(ExportRequest(input=cut, to="rpp", media_root=(tmp_path / "rushes",)), registry)
    assert _files(report) == ["rushes/a.wav", "gone.wav", "rushes/b.wav", "lost.wav"]
    text = report.output.read_text(encoding="utf-8")
    assert re.findall(r"SOFFS (\S+)", text)[0] == "0.5" and "TAKE SEL" in text
    assert report.missing == ("lost.wav",) and "1 media file not found: lost.wav;" in report.notes[0]


def test_a_start_that_is_the_files_own_timecode_is_counted_from_its_first_sample(
    kit, project: Path, registry: Registry
) -> None:
    # A Broadcast Wave file that begins at 01:00:00:00 by its stamp, of which the timeline states no range.
    shutil.copyfile(_stems(project)[0], project.parent / "a.wav")
    cut = _sound_cut(project.parent, kit.clip("a.wav", 86400 + 6, 12))
    text = export(ExportRequest(input=cut, to="rpp"), registry).output.read_text(encoding="utf-8")
    assert re.findall(r"SOFFS (\S+)", text) == ["0.25"]


@pytest.mark.parametrize("pictures", [0, 1, 3])
def test_as_many_clips_are_told_as_a_sheet_has_rows(kit, tmp_path: Path, registry: Registry, pictures: int) -> None:
    cut = _sound_cut(tmp_path, kit.clip("a.wav", 0, 24), kit.clip("a.wav", 0, 24))
    timeline = otio.adapters.read_from_file(str(cut))
    timeline.tracks.append(otio.schema.Track("V1", [kit.clip("a.mov", 0, 24 + index) for index in range(pictures)]))
    otio.adapters.write_to_file(timeline, str(cut))
    report = export(ExportRequest(input=cut, to="csv"), registry)
    with report.output.open(encoding="utf-8-sig", newline="") as sheet:
        assert len(list(csv.DictReader(sheet))) == report.clips == pictures
    assert any("the cue sheet is empty" in note for note in report.notes) == (pictures == 0)


def test_only_clips_that_are_written_are_told(kit, tmp_path: Path, registry: Registry) -> None:
    retimed = kit.clip("a.wav", 0, 24)
    retimed.effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    cut = _sound_cut(tmp_path, retimed, kit.clip("a.wav", 0, 24))
    report = export(ExportRequest(input=cut, to="rpp"), registry)
    assert (report.tracks, report.clips) == (("A1",), 1)
    assert "'a' is retimed and is left out" in report.notes
