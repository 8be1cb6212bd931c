"""Image sequences: what timelines call them, and the files that are there."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from avlink.timeline.formats.otioz import unpack_media, write_bundle
from avlink.timeline.image_sequences import ImageNames, find_images, image_name, missing_images, names_of_pattern
from avlink.timeline.media_refs import media_refs
from avlink.timeline.resolve import MediaRoots, Unresolved, find_media
from avlink.timeline.walk import list_clips

Reference = Callable[..., otio.schema.ImageSequenceReference]


def _range(start: float, frames: float, rate: float = 24) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(otio.opentime.RationalTime(start, rate), otio.opentime.RationalTime(frames, rate))


def reference(base: str = "shots/", **asked: object) -> otio.schema.ImageSequenceReference:
    said: dict[str, object] = {
        "target_url_base": base,
        "name_prefix": "shot.",
        "name_suffix": ".png",
        "start_frame": 1001,
        "frame_step": 1,
        "rate": 24,
        "frame_zero_padding": 4,
        "available_range": _range(1001, 12),
        **asked,
    }
    return otio.schema.ImageSequenceReference(**said)


def timeline(ref: otio.core.MediaReference, start: float = 1001, frames: float = 12) -> otio.schema.Timeline:
    made = otio.schema.Timeline("t")
    made.tracks.append(otio.schema.Track("V1", [otio.schema.Clip("c", ref, _range(start, frames))]))
    return made


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in range(1001, 1013):
        (folder / f"shot.{number}.png").touch()
    return folder


def test_numbers_are_written_as_otio_writes_them() -> None:
    for start, padding, step in ((1001, 4, 1), (1, 0, 2), (-3, 4, 1), (7, 6, 5)):
        ref = reference(start_frame=start, frame_zero_padding=padding, frame_step=step, available_range=_range(0, 50))
        (found,) = media_refs(otio.schema.Clip("c", ref))
        assert found.images is not None and found.images.num_images is not None
        assert found.images.num_images == ref.number_of_images_in_sequence()
        for index in range(found.images.num_images):
            assert f"shots/{image_name(found.images, start + index * step)}" == ref.target_url_for_image_number(index)


def test_a_step_makes_pictures_last_longer() -> None:
    (found,) = media_refs(otio.schema.Clip("c", reference(frame_step=2)))
    assert found.images is not None and found.images.rate == 12 and found.images.num_images == 6


def test_the_rate_is_the_reference_s_else_that_of_its_range() -> None:
    for rate, ranged, expected in ((23.976, 24, Fraction(24000, 1001)), (0, 25, Fraction(25))):
        (found,) = media_refs(otio.schema.Clip("c", reference(rate=rate, available_range=_range(0, 50, ranged))))
        assert found.images is not None and found.images.rate == expected
    (found,) = media_refs(otio.schema.Clip("c", reference(rate=0, available_range=None)))
    assert found.images is None


@pytest.mark.parametrize("base", ["shots/", "./shots/", "sho%74s/", "{absolute}/", "file://{absolute}/"])
def test_a_sequence_is_found_like_a_file(shots: Path, base: str) -> None:
    (clip,) = list_clips(timeline(reference(base.format(absolute=shots))))
    ref, found = find_media(clip, shots.parent)  # type: ignore[arg-type]
    assert ref.kind == "images" and found.files == tuple(shots / f"shot.{number}.png" for number in range(1001, 1013))  # type: ignore[union-attr]


def test_a_sequence_is_found_below_media_roots_by_its_first_image(shots: Path, tmp_path: Path) -> None:
    (clip,) = list_clips(timeline(reference("D:\\gone\\")))
    with pytest.raises(Unresolved, match=r"shot\.1001\.png is missing") as error:
        find_media(clip, tmp_path / "else")  # type: ignore[arg-type]
    assert error.value.missing and error.value.failed
    _, found = find_media(clip, tmp_path / "else", MediaRoots([tmp_path]))  # type: ignore[arg-type]
    assert len(found.files) == 12  # type: ignore[union-attr]


def test_without_a_range_a_sequence_is_what_lies_there(shots: Path) -> None:
    (found,) = media_refs(otio.schema.Clip("c", reference(available_range=None)))
    assert found.images is not None
    images = find_images(found.images, shots, [path.name for path in shots.iterdir()])
    assert images is not None and len(images.files) == 12 and images.duration_s == Fraction(1, 2)


def test_missing_images_are_named_by_their_numbers(shots: Path) -> None:
    for number in (1003, 1004, 1005, 1011):
        (shots / f"shot.{number}.png").unlink()
    (found,) = media_refs(otio.schema.Clip("c", reference()))
    assert found.images is not None
    images = find_images(found.images, shots, [path.name for path in shots.iterdir()])
    assert images is not None
    assert missing_images(found.images, images, Fraction(0), images.duration_s) == "1003-1005, 1011"
    assert missing_images(found.images, images, Fraction(5, 24), Fraction(9, 24)) == ""
    assert missing_images(found.images, images, Fraction(3, 24), Fraction(3, 24)) == "1004"


@pytest.mark.parametrize(
    "url, folder, first, padding, count",
    [
        ("a/shot.%04d.png", "a/", None, 4, 50),
        ("shot_%d.jpg", "", None, 0, 50),
        ("C:\\x\\shot.####.exr", "C:\\x\\", None, 4, 50),
        ("/r/shot.[0101-0150].dpx", "/r/", 101, 4, 50),
    ],
)
def test_patterns_stand_for_sequences(url: str, folder: str, first: int | None, padding: int, count: int) -> None:
    found = names_of_pattern(url, Fraction(24), first=None, num_images=count)
    assert found is not None and found[0] == folder
    assert (found[1].first, found[1].padding, found[1].num_images) == (first, padding, count)
    assert found[1].suffix == url[-4:] and found[1].prefix in ("shot.", "shot_")


def test_a_pattern_in_a_file_s_place_is_a_sequence_and_a_still_is_none(shots: Path) -> None:
    ref = otio.schema.ExternalReference("shots/shot.%04d.png", _range(0, 12))
    (clip,) = list_clips(timeline(ref, 0))
    assert find_media(clip, shots.parent)[1].files[0] == shots / "shot.1001.png"  # type: ignore[arg-type, union-attr]
    for url in ("shots/shot.1001.png", "what#1.png", "100%.png"):
        (found,) = media_refs(otio.schema.Clip("c", otio.schema.ExternalReference(url, _range(0, 12))))
        assert found.kind == "file"


def test_a_sequence_in_a_bundle_is_unpacked_and_nothing_else(shots: Path, tmp_path: Path) -> None:
    made = timeline(reference("media/"))
    media = {f"media/{path.name}": path for path in shots.iterdir()}
    media["media/other.1.png"] = shots / "shot.1001.png"
    write_bundle(made, tmp_path / "x.otioz", old=None, media=media)
    folder = unpack_media(tmp_path / "x.otioz", made, tmp_path / "out")
    assert len(list((folder / "media").iterdir())) == 12
    (clip,) = list_clips(made)
    assert all(find_media(clip, folder)[1].files)  # type: ignore[arg-type, union-attr]


def test_names_keep_all_that_they_were_given() -> None:
    names = ImageNames(
        prefix="a", suffix=".png", first=None, step=1, padding=3, rate=Fraction(24), num_images=None, missing="hold"
    )
    assert image_name(names, 7) == "a007.png" and image_name(names, -7) == "a-007.png"
    assert find_images(names, Path("x"), []) is None
