"""From what projects write as a path to a file."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from avlink.timeline.media_refs import MediaRef
from avlink.timeline.resolve import MediaRoots, Unresolved, find_file, find_media, media_start, outside_media
from avlink.timeline.values import ClipRef

NAMES = ["a.mp4", "a b.mp4", "take#3.mp4", "what?.mp4", "50%20off.mp4", "100%.mp4", "Ünïcode 音.mp4", "take:2.mp4"]


def _clip(*media: MediaRef) -> ClipRef:
    return ClipRef(
        id="x",
        name="c",
        track="V1",
        layer=0,
        timeline_start_s=Fraction(0),
        timeline_duration_s=Fraction(1),
        source_start_s=Fraction(0),
        media=media,
    )


def _file(url: str, key: str = "DEFAULT_MEDIA") -> MediaRef:
    return MediaRef(key=key, kind="file", url=url)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_found_however_it_is_written(tmp_path: Path, name: str) -> None:
    from urllib.parse import quote

    file = tmp_path / "media folder" / name
    file.parent.mkdir()
    file.touch()
    absolute = str(file)
    for url in (
        f"media folder/{name}",
        f"./media folder/{name}",
        quote(f"media folder/{name}"),
        absolute,
        quote(absolute),
        file.as_uri(),
        f"file://{absolute}",
        f"file://localhost{quote(absolute)}",
        f"file://media folder/{name}",
    ):
        found = find_file(url, tmp_path)
        assert found is not None and found.samefile(file), url


@pytest.mark.parametrize(
    "url",
    [
        "C:\\shots\\a.mp4",
        "D:/shots/a.mp4",
        "file:///D%3a/shots/a.mp4",
        "file:///D:/shots/a.mp4",
        "file:///D|/shots/a.mp4",
        "file://localhost/D%3A%5Cshots%5Ca.mp4",
        "\\\\srv\\share\\a.mp4",
        "//srv/share/a.mp4",
        "file://srv/share/a.mp4",
        "file:////srv/share/a.mp4",
        "shots\\a.mp4",
        "/gone/a.mp4",
    ],
)
def test_media_roots_are_searched_by_name(tmp_path: Path, url: str) -> None:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "deep" / "deeper" / "a.mp4").touch()
    assert find_file(url, tmp_path) is None
    assert find_file(url, tmp_path, MediaRoots([tmp_path])) == tmp_path / "deep" / "deeper" / "a.mp4"


def test_the_first_reference_that_is_a_file_is_taken(tmp_path: Path) -> None:
    (tmp_path / "proxy.mp4").touch()
    ref, path = find_media(_clip(_file("gone.mov"), _file("proxy.mp4", "proxy")), tmp_path)
    assert ref.key == "proxy" and path.name == "proxy.mp4"


@pytest.mark.parametrize(
    "ref, words, failed",
    [
        (_file("gone.mov"), "gone.mov is missing", True),
        (_file("https://example.com/a.mp4"), "remote (https)", False),
        (_file(""), "names no file", False),
        (_file("a\0b"), "is missing", True),
        (_file("x" * 5000), "is missing", True),
        (_file("frame.png"), "still", False),
        (MediaRef(key="k", kind="missing"), "names no media", False),
        (MediaRef(key="k", kind="generator"), "title", False),
        (MediaRef(key="k", kind="images"), "image sequence", False),
    ],
)
def test_every_lack_has_its_sentence(tmp_path: Path, ref: MediaRef, words: str, failed: bool) -> None:
    with pytest.raises(Unresolved, match=words.replace("(", r"\(").replace(")", r"\)")) as error:
        find_media(_clip(ref), tmp_path)
    assert error.value.failed is failed


def test_a_source_start_counts_from_the_media_range_else_from_its_timecode() -> None:
    hour = Fraction(3600)
    ranged = MediaRef(key="k", kind="file", start_s=hour)
    bare = MediaRef(key="k", kind="file")
    ten = Fraction(10)
    assert media_start(ranged, hour + 2, timecode_s=None, file_duration_s=ten) == 2
    assert media_start(bare, hour + 2, timecode_s=hour, file_duration_s=ten) == 2
    assert media_start(bare, Fraction(2), timecode_s=hour, file_duration_s=ten) == 2


def test_a_clip_outside_its_media_is_a_sentence() -> None:
    ten, frame = Fraction(10), Fraction(1, 24)
    assert outside_media(Fraction(0), ten, ten, slack_s=frame) is None
    assert outside_media(frame, ten, ten, slack_s=frame) is None
    assert "9.000 s to 12.000 s" in (outside_media(Fraction(9), Fraction(3), ten, slack_s=frame) or "")
    assert "-1.000 s" in (outside_media(Fraction(-1), Fraction(3), None, slack_s=frame) or "")


def test_media_roots_match_in_any_case_if_none_matches_exactly(tmp_path: Path) -> None:
    for name in ("one/A.MP4", "two/a.mp4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    roots = MediaRoots([tmp_path])
    assert roots.find("a.mp4") == tmp_path / "two" / "a.mp4"
    assert roots.find("A.MP4") == tmp_path / "one" / "A.MP4"
    assert roots.find("a.Mp4") is None and len(roots.alike("a.Mp4")) == 2
    assert roots.find("b.mp4") is None


@pytest.mark.parametrize("ref", [MediaRef(key="k", kind="missing"), _file(""), None])
def test_a_clip_without_media_is_looked_up_by_its_name(tmp_path: Path, ref: MediaRef | None) -> None:
    (tmp_path / "A001_C002.MOV").touch()
    (tmp_path / "A001_C003.wav").touch()
    roots = MediaRoots([tmp_path])
    media = () if ref is None else (ref,)
    for name, found in (("A001_C002", True), ("a001_c002.mov", True), ("A001_C003", False), ("A001_C003.wav", False)):
        clip = replace(_clip(*media), name=name)
        if found:
            assert find_media(clip, tmp_path / "else", roots)[1] == tmp_path / "A001_C002.MOV"
        else:
            with pytest.raises(Unresolved):
                find_media(clip, tmp_path / "else", roots)
    with pytest.raises(Unresolved):
        find_media(replace(_clip(*media), name="A001_C002"), tmp_path)


def test_a_generator_is_never_looked_up_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "bars.mov").touch()
    with pytest.raises(Unresolved, match="made by the editing program"):
        find_media(replace(_clip(MediaRef(key="k", kind="generator")), name="bars"), tmp_path, MediaRoots([tmp_path]))


def test_only_what_was_looked_for_and_not_found_is_missing(tmp_path: Path) -> None:
    for ref, missing in ((_file("gone.mov"), True), (_file("https://a/b.mov"), False), (_file("x.png"), False)):
        with pytest.raises(Unresolved) as error:
            find_media(_clip(ref), tmp_path)
        assert error.value.missing is missing


def _media(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


@pytest.mark.parametrize("written, stored", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_are_found_in_either_unicode_form(tmp_path: Path, written: str, stored: str) -> None:
    from unicodedata import normalize
    from urllib.parse import quote

    name = "Tür für é/Ångström ガ.mp4"
    _media(tmp_path, normalize(stored, name))
    file = tmp_path / normalize(stored, name)
    url = normalize(written, name)
    assert url != normalize(stored, name)
    for one in (url, quote(url), f"{tmp_path}/{url}", f"file://{quote(f'{tmp_path}/{url}')}"):
        assert find_file(one, tmp_path) == file, one
    roots = MediaRoots([tmp_path])
    assert find_file(f"/Volumes/Film/{url}", Path("/"), roots) == file
    assert find_file(quote(f"/Volumes/Film/{url}"), Path("/"), roots) == file


def test_of_one_name_the_file_in_the_folders_of_the_project_is_taken(tmp_path: Path) -> None:
    _media(tmp_path, "CARD_A/CLIP/C1.MP4", "CARD_B/CLIP/C1.MP4", "day 2/CARD_A/CLIP/C1.MP4", "C1.MP4")
    roots = MediaRoots([tmp_path])
    for url, found in (
        ("/Volumes/x/CARD_B/CLIP/C1.MP4", "CARD_B/CLIP/C1.MP4"),
        ("D:\\rushes\\card_b\\CLIP\\C1.MP4", "CARD_B/CLIP/C1.MP4"),
        ("file:///Volumes/day%202/CARD_A/CLIP/C1.MP4", "day 2/CARD_A/CLIP/C1.MP4"),
        # Folders in between are passed over where they tell the candidates apart.
        ("/x/day 2/unpacked/CARD_A/CLIP/C1.MP4", "day 2/CARD_A/CLIP/C1.MP4"),
        (f"/x/{tmp_path.name}/C1.MP4", "C1.MP4"),
    ):
        assert find_file(url, Path("/"), roots) == tmp_path / found, url


def test_files_that_fit_equally_well_are_refused_by_name(tmp_path: Path) -> None:
    _media(tmp_path, "CARD_A/CLIP/C1.MP4", "CARD_B/CLIP/C1.MP4")
    roots = MediaRoots([tmp_path])
    for clip in (_clip(_file("/x/CARD_C/CLIP/C1.MP4")), replace(_clip(), name="C1"), replace(_clip(), name="C1.MP4")):
        with pytest.raises(Unresolved, match=r"equally well: .*CARD_A/CLIP/C1\.MP4, .*CARD_B/CLIP/C1\.MP4") as error:
            find_media(clip, tmp_path / "else", roots)
        assert error.value.failed and error.value.missing
    # A folder that holds one of them says which.
    roots = MediaRoots([tmp_path / "CARD_B"])
    assert find_file("/x/CARD_C/CLIP/C1.MP4", Path("/"), roots) == tmp_path / "CARD_B/CLIP/C1.MP4"


def test_the_reel_of_an_edl_may_be_the_folder_of_its_card(tmp_path: Path) -> None:
    _media(tmp_path, "A001/CLIP/C1.MP4", "A002/CLIP/C1.MP4")
    roots = MediaRoots([tmp_path])
    clip = replace(_clip(MediaRef(key="k", kind="missing", reel="A002")), name="C1")
    assert find_media(clip, tmp_path / "else", roots)[1] == tmp_path / "A002/CLIP/C1.MP4"


def test_a_folder_named_twice_and_links_are_one_candidate(tmp_path: Path) -> None:
    _media(tmp_path, "a/x.mp4")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.mp4").symlink_to(tmp_path / "a" / "x.mp4")
    roots = MediaRoots([tmp_path, tmp_path / "a"])
    found = roots.find("x.mp4", "/gone/x.mp4")
    assert found is not None and found.samefile(tmp_path / "a" / "x.mp4")


def test_percent_signs_are_read_as_a_path_or_a_url_has_them(tmp_path: Path) -> None:
    _media(tmp_path, "50%20off.mp4", "50 off.mp4", "100% real.mp4", "T\u00fcr.mp4")
    for url, name in (
        ("50%20off.mp4", "50%20off.mp4"),
        (f"{tmp_path}/50%20off.mp4", "50%20off.mp4"),
        (f"file://{tmp_path}/50%20off.mp4", "50 off.mp4"),
        (f"file://localhost{tmp_path}/50%2520off.mp4", "50%20off.mp4"),
        ("100%25 real.mp4", "100% real.mp4"),
        ("100% real.mp4", "100% real.mp4"),
        # In the code page of Windows.
        ("T%FCr.mp4", "T\u00fcr.mp4"),
    ):
        assert find_file(url, tmp_path) == tmp_path / name, url
        assert find_file(url.replace(str(tmp_path), "/gone"), Path("/"), MediaRoots([tmp_path])) == tmp_path / name, url
