"""Notes in movies: what a generator left stays as it stood, also when a sound and more notes are added."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlink.core.values import Waveform
from avlink.media import mp4_metadata
from avlink.media.mp4_metadata import is_mp4, read_user_data, rewrite_with_user_data
from avlink.media.mux import mux_sound
from avlink.media.probe import probe

GRAPH = json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 5, "text": "ein Hündchen «läuft»"}}})
NOTES = {"prompt": GRAPH, "workflow": json.dumps({"nodes": [], "x": "ä" * 5000}), "comment": "a comment"}
SECOND = Waveform(samples=np.zeros((1, 48000), np.float32), sample_rate=48000)


def generated(path: Path, notes: dict[str, str], *, movflags: str = "", codec: str = "libx264") -> Path:
    """A second of picture with notes, written by libavformat alone, as generators do."""
    with av.open(str(path), "w", options={"movflags": movflags} if movflags else {}) as container:
        container.metadata.update(notes)
        stream = container.add_stream(codec, rate=16)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(16):
            pixels = np.full((48, 64, 3), index * 15, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def notes_of(path: Path) -> dict[str, str]:
    with av.open(str(path), metadata_errors="ignore") as container:
        return dict(container.metadata)


def coded(path: Path) -> list[tuple[int, bytes]]:
    """Every picture's time in milliseconds and its bytes, as they are coded."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        return [(round(1000 * packet.pts * packet.time_base), bytes(packet)) for packet in packets]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v"])
@pytest.mark.parametrize("movflags", ["use_metadata_tags", "use_metadata_tags+faststart", ""])
def test_notes_stay_byte_for_byte_beside_ours(tmp_path: Path, suffix: str, movflags: str) -> None:
    source = generated(tmp_path / f"in{suffix}", NOTES, movflags=movflags)
    out = tmp_path / f"out{suffix}"
    mux_sound(source, SECOND, out, tags={"avlink": '{"tool": "ä"}'})
    before, after = notes_of(source), notes_of(out)
    assert after.pop("avlink") == '{"tool": "ä"}'
    assert {name: after[name] for name in before if "brand" not in name} == {
        name: text for name, text in before.items() if "brand" not in name
    }
    if movflags:
        assert after["workflow"] == NOTES["workflow"]
    # Each item of the list that was there is there in the same bytes.
    (old,), (new,) = read_user_data(source), read_user_data(out)
    assert items_of(old)
    assert set(items_of(old)) <= set(items_of(new))
    assert coded(out) == coded(source)
    assert probe(out).has_audio


def items_of(udta: bytes) -> list[bytes]:
    """The single texts: of a list where there is one, and those that stand in the box itself, as in QuickTime."""
    boxes = list(mp4_metadata._children(udta[8:]))
    for meta in [box for kind, box in boxes if kind == b"meta"]:
        (ilst,) = [box for kind, box in mp4_metadata._children(meta[12:]) if kind == b"ilst"]
        boxes += mp4_metadata._children(ilst[8:])
    return [box for kind, box in boxes if kind != b"meta"]


@pytest.mark.parametrize("movflags", ["use_metadata_tags", ""])
def test_a_note_that_is_there_is_replaced(tmp_path: Path, movflags: str) -> None:
    source = generated(tmp_path / "a.mp4", NOTES, movflags=movflags)
    for turn in range(3):
        out = tmp_path / f"b{turn}.mp4"
        mux_sound(source, SECOND, out, tags={"avlink": f"turn {turn}"})
        assert notes_of(out)["avlink"] == f"turn {turn}"
        source = out
    assert source.read_bytes().count(b"turn ") == 1


@pytest.mark.parametrize(
    ("source", "target"), [(".mp4", ".mkv"), (".webm", ".mkv"), (".mkv", ".mp4"), (".webm", ".webm"), (".mkv", ".mov")]
)
def test_notes_move_to_other_containers(tmp_path: Path, source: str, target: str) -> None:
    movie = generated(
        tmp_path / f"in{source}",
        NOTES,
        movflags="use_metadata_tags" if source == ".mp4" else "",
        codec="libvpx-vp9" if source == ".webm" else "libx264",
    )
    out = tmp_path / f"out{target}"
    mux_sound(movie, SECOND, out, tags={"avlink": "ours"})
    after = {name.lower(): text for name, text in notes_of(out).items()}
    assert {name: after[name] for name in NOTES} == NOTES
    assert after["avlink"] == "ours"
    if target in {".mkv", ".webm"}:
        assert not {"minor_version", "major_brand", "duration"} & set(after)
    assert [picture[1] for picture in coded(out)] == [picture[1] for picture in coded(movie)]
    # Matroska's clock ticks in milliseconds.
    assert all(abs(new[0] - old[0]) <= 1 for new, old in zip(coded(out), coded(movie), strict=True))
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 16


def test_a_movie_without_notes_gets_ours(tmp_path: Path) -> None:
    source = generated(tmp_path / "in.mp4", {})
    out = tmp_path / "out.mp4"
    mux_sound(source, SECOND, out, tags={"avlink": "ours", "more": "and more"})
    assert {name: notes_of(out)[name] for name in ("avlink", "more")} == {"avlink": "ours", "more": "and more"}
    # Under names of their own, where ComfyUI looks for its graph, though libavformat's stands in iTunes' way.
    assert notes_of(out)["encoder"] == notes_of(source)["encoder"]
    assert b"mdta" in read_user_data(out)[0] and b"mdir" not in read_user_data(out)[0]


def test_the_index_comes_first_and_points_to_the_pictures(tmp_path: Path) -> None:
    source = generated(tmp_path / "in.mp4", {})
    out = tmp_path / "out.mp4"
    rewrite_with_user_data(source, out, [], {"long": "x" * 100_000})
    with out.open("rb") as file:
        kinds = [box.kind for box in mp4_metadata._places(file)]
    assert kinds.index(b"moov") < kinds.index(b"mdat")
    assert coded(out) == coded(source)
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 16


def test_offsets_beyond_four_gigabytes_become_wide() -> None:
    whole = mp4_metadata._box(b"stco", bytes(4) + (2).to_bytes(4, "big") + b"\xff\xff\xff\xf0" + b"\0\0\0\x10")
    moved = mp4_metadata._offsets(b"stco", whole, 0x20)
    assert moved[4:8] == b"co64"
    assert [int.from_bytes(moved[at : at + 8], "big") for at in (16, 24)] == [0x1_0000_0010, 0x30]


@given(data=st.binary(max_size=300))
@settings(max_examples=60)
def test_no_bytes_break_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("boxes") / "x.mp4"
    for start in (b"", b"\0\0\0\x10ftypisom\0\0\0\0", b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x40moov\0\0\0\x38udta"):
        path.write_bytes(start + data)
        is_mp4(path)
        for box in read_user_data(path):
            mp4_metadata._tagged([box], {"a": "b"})


def test_picture_times_are_those_of_the_source(tmp_path: Path) -> None:
    source = generated(tmp_path / "in.mp4", NOTES)
    out = tmp_path / "out.mp4"
    mux_sound(source, SECOND, out, tags={"avlink": "x"})
    assert probe(out).duration_s == probe(source).duration_s == Fraction(1)
