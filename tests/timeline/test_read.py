"""Every way in which a file is no timeline, in one sentence each; bundles; the way paths are written."""

from __future__ import annotations

import zipfile
from pathlib import Path

import opentimelineio as otio
import pytest

from avlink.core.errors import OutputError, TimelineError
from avlink.timeline.formats.otioz import unpack_media, write_bundle
from avlink.timeline.formats.record_times import fix_record_times
from avlink.timeline.read import read_timeline
from avlink.timeline.resolve import find_media
from avlink.timeline.timebase import origin_s
from avlink.timeline.urls import UrlStyle, rebase_urls, url_style, write_url
from avlink.timeline.values import ClipRef
from avlink.timeline.walk import list_clips
from avlink.timeline.write import check_output, write_timeline


def _timeline(*urls: str) -> otio.schema.Timeline:
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(24, 24))
    timeline = otio.schema.Timeline("t")
    track = otio.schema.Track("V1", [otio.schema.Clip("c", otio.schema.ExternalReference(url), span) for url in urls])
    timeline.tracks.append(track)
    return timeline


BAD = {
    "empty.otio": (b"", "is no OTIO file"),
    "broken.otio": (b'{"OTIO_SCHEMA": "Timeline.1", "tracks": ', "is no OTIO file"),
    "list.otio": (b"[1, 2]", "not a timeline"),
    "binary.otio": (bytes(range(256)), "is not text"),
    "clip.otio": (otio.schema.Clip("c").to_json_string().encode(), "holds a Clip, not a timeline"),
    "stack.otio": (otio.schema.Stack("c").to_json_string().encode(), "holds a Stack, not a timeline"),
    "bin.otio": (otio.schema.SerializableCollection("b").to_json_string().encode(), "without a timeline"),
    "two.otio": (
        otio.schema.SerializableCollection("b", [otio.schema.Timeline("x"), otio.schema.Timeline("y")])
        .to_json_string()
        .encode(),
        r"2 timelines \(x, y\)",
    ),
    "newer.otio": (b'{"OTIO_SCHEMA": "Timeline.9"}', r"newer OpenTimelineIO \(it holds Timeline.9"),
    "cut.xyz": (b"x", "no OTIO adapter for .xyz files"),
    "nosuffix": (b"x", "no OTIO adapter for files without a suffix"),
    "text.edl": (b"hello\nworld\n", "cannot be read as .edl"),
    "text.otioz": (b"no zip", "is broken, or no OTIO bundle"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_what_is_no_timeline_is_a_sentence(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    content, words = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TimelineError, match=words) as error:
        read_timeline(tmp_path / name)
    assert "\n" not in str(error.value) and error.value.exit_code == 2
    assert capfd.readouterr() == ("", "")


def test_a_missing_file_and_a_folder_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(TimelineError, match="does not exist"):
        read_timeline(tmp_path / "gone.otio")
    with pytest.raises(TimelineError, match="is a folder"):
        read_timeline(tmp_path)


def test_a_collection_with_one_timeline_is_that_timeline(tmp_path: Path) -> None:
    inner = otio.schema.SerializableCollection("bin", [otio.schema.Clip("x"), _timeline("a.mp4")])
    (tmp_path / "c.otio").write_text(inner.to_json_string())
    assert len(list_clips(read_timeline(tmp_path / "c.otio").timeline)) == 1


def test_record_times_of_several_tracks_stay_apart() -> None:
    timeline = _timeline("a.mp4")
    timeline.tracks.append(_timeline("b.mp4").tracks[0].deepcopy())
    for track, seconds in zip(timeline.tracks, (3600, 3602), strict=True):
        track.source_range = otio.opentime.TimeRange(
            otio.opentime.RationalTime(-seconds * 24, 24), otio.opentime.RationalTime(24, 24)
        )
    fix_record_times(timeline)
    assert origin_s(timeline) == 3600
    assert [item.timeline_start_s for item in list_clips(timeline)] == [0, 2]
    before = timeline.to_json_string()
    fix_record_times(timeline)
    assert timeline.to_json_string() == before


def test_a_bundle_gives_its_media_and_takes_ours_in(tmp_path: Path) -> None:
    (tmp_path / "a b.mp4").write_bytes(b"picture")
    (tmp_path / "stem.wav").write_bytes(b"sound")
    timeline = _timeline("media/a%20b.mp4", "media/../../escape.mp4")
    first, second = tmp_path / "one.otioz", tmp_path / "two.otioz"
    media = {"media/a b.mp4": tmp_path / "a b.mp4", "media/../../escape.mp4": tmp_path / "a b.mp4"}
    write_bundle(timeline, first, old=None, media=media)
    file = read_timeline(first)
    folder = unpack_media(first, file.timeline, tmp_path / "deep" / "unpacked")
    assert (folder / "media" / "a b.mp4").read_bytes() == b"picture"
    assert not (tmp_path / "escape.mp4").exists() and not (tmp_path / "deep" / "escape.mp4").exists()
    write_bundle(file.timeline, second, old=first, media={"media/stem.wav": tmp_path / "stem.wav"})
    with zipfile.ZipFile(second) as archive:
        assert archive.read("media/a b.mp4") == b"picture" and archive.read("media/stem.wav") == b"sound"
        assert archive.namelist().count("content.otio") == 1 and archive.testzip() is None
    assert read_timeline(second).timeline.is_equivalent_to(timeline)


def test_a_bundle_without_content_is_a_sentence(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.otioz", "w") as archive:
        archive.writestr("version.txt", "1.0.0")
    with pytest.raises(TimelineError, match=r"no content\.otio inside"):
        read_timeline(tmp_path / "x.otioz")


@pytest.mark.parametrize(
    "urls, style",
    [
        ([], "plain"),
        (["/a/b.mov", "/a/c.mov", "c.mov"], "plain"),
        (["C:\\a\\b.mov"], "plain"),
        (["file:///a/b.mov"], "file"),
        (["media/a.mov"], "relative"),
        (["media%20x/a.mov"], "relative-quoted"),
        (["https://a/b.mov"], "plain"),
    ],
)
def test_the_project_s_own_way_of_writing_paths_is_seen(urls: list[str], style: str) -> None:
    assert url_style(_timeline(*urls)) == style


STYLES: tuple[UrlStyle, ...] = ("plain", "file", "relative", "relative-quoted")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", ["a b.stems/50%20off #1.wav", "é/x.wav", "x.wav", "s3:x.wav", "data: x/y.wav"])
def test_files_of_ours_play_on_when_the_folder_is_moved(tmp_path: Path, style: UrlStyle, name: str) -> None:
    from avlink.timeline.resolve import find_file, remote_scheme

    old, new = tmp_path / "old", tmp_path / "new"
    (old / name).parent.mkdir(parents=True)
    (old / name).touch()
    url = write_url(old / name, style, old)
    assert remote_scheme(url) is None and find_file(url, old) == old / name
    old.rename(new)
    assert find_file(url, new) == new / name


@pytest.mark.parametrize("style", STYLES)
def test_files_of_ours_elsewhere_are_named_by_whole_paths(tmp_path: Path, style: UrlStyle) -> None:
    from avlink.timeline.resolve import find_file

    stem = tmp_path / "stems" / "a b.wav"
    stem.parent.mkdir()
    stem.touch()
    url = write_url(stem, style, tmp_path / "edit")
    assert url == (stem.as_uri() if style == "file" else str(stem))
    assert find_file(url, Path("/")) == stem


def test_relative_media_stays_right_when_the_timeline_is_written_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "old" / "media").mkdir(parents=True)
    (tmp_path / "old" / "media" / "a.mp4").touch()
    timeline = _timeline("media/a.mp4", "gone.mp4", "/abs/x.mp4")
    rebase_urls(timeline, tmp_path / "old", tmp_path)
    assert [clip.media_reference.target_url for clip in timeline.find_clips()] == [
        "old/media/a.mp4",
        "gone.mp4",
        "/abs/x.mp4",
    ]


def test_what_is_read_is_never_overwritten(tmp_path: Path) -> None:
    cut = tmp_path / "cut.otio"
    write_timeline(_timeline("a.mp4"), cut)
    (tmp_path / "link.otio").symlink_to(cut)
    for output in (cut, tmp_path / "link.otio"):
        with pytest.raises(OutputError, match="never overwritten"):
            check_output(output, inputs=(cut,))
    with pytest.raises(TimelineError, match="which keep everything"):
        check_output(tmp_path / "cut.xml", inputs=(cut,))


def test_an_image_sequence_stays_right_when_the_timeline_is_written_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "old" / "shot a").mkdir(parents=True)
    for base in ("shot a/", "shot%20a/", "gone/", "/abs/"):
        timeline = _timeline("a.mp4")
        timeline.tracks[0][0].media_reference = otio.schema.ImageSequenceReference(target_url_base=base)
        rebase_urls(timeline, tmp_path / "old", tmp_path)
        written = timeline.tracks[0][0].media_reference.target_url_base
        moved = {"shot a/": "old/shot a/", "shot%20a/": "old/shot%20a/"}
        assert written == moved.get(base, base)


def test_an_otiod_finds_its_media_inside(tmp_path: Path) -> None:
    folder = tmp_path / "cut.otiod"
    (folder / "media").mkdir(parents=True)
    (folder / "media" / "a.mp4").touch()
    (folder / "content.otio").write_text(_timeline("media/a.mp4").to_json_string())
    file = read_timeline(folder)
    (clip,) = list_clips(file.timeline)
    assert isinstance(clip, ClipRef) and find_media(clip, file.folder)[1] == folder / "media" / "a.mp4"
    (folder / "content.otio").unlink()
    with pytest.raises(TimelineError, match="cannot be read"):
        read_timeline(folder)


NEST = """<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE xmeml><xmeml version="4">
<sequence id="s1"><name>cut</name>
<duration>48</duration><rate><timebase>24</timebase><ntsc>FALSE</ntsc></rate><media><video><track>
<clipitem id="c1"><name>nest</name><duration>48</duration><rate><timebase>24</timebase><ntsc>FALSE</ntsc></rate>
<start>12</start><end>36</end><in>6</in><out>30</out><sequence id="s2"><name>nest</name><duration>48</duration>
<rate><timebase>24</timebase><ntsc>FALSE</ntsc></rate><media><video><track>
<clipitem id="c2"><name>é.mov</name><duration>48</duration><rate><timebase>24</timebase><ntsc>FALSE</ntsc></rate>
<start>0</start><end>48</end><in>100</in><out>148</out><file id="f1"><name>é.mov</name><pathurl>file://localhost/e.mov</pathurl>
<duration>480</duration><rate><timebase>24</timebase><ntsc>FALSE</ntsc></rate></file></clipitem>
</track></video></media></sequence></clipitem></track></video></media></sequence></xmeml>"""


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1"])
def test_nested_sequences_of_final_cut_xml_keep_their_contents(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "nest.xml"
    path.write_bytes(NEST.format(encoding=encoding).encode(encoding))
    (clip,) = list_clips(read_timeline(path).timeline)
    assert isinstance(clip, ClipRef) and clip.name == "é.mov" and clip.nests == ("nest",)
    frames = [time * 24 for time in (clip.timeline_start_s, clip.timeline_duration_s, clip.source_start_s)]
    assert frames == [12, 24, 106]


@pytest.mark.parametrize("text", ["<xmeml>", "<other/>", "", "no xml"])
def test_xml_that_is_no_project_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.xml").write_text(text)
    with pytest.raises(TimelineError, match=r"cannot be read as \.xml"):
        read_timeline(tmp_path / "x.xml")
