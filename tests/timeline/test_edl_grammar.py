"""The text of edit decision lists as programs bend it, and each way in which it is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.errors import TimelineError
from avlink.timeline.formats.edl_grammar import EdlChannel, EdlLine, EdlMotion, decode_edl, parse_edl
from avlink.timeline.read import read_timeline

EVENT = "001  AX       V     C        00:00:01:00 00:00:03:00 01:00:00:00 01:00:02:00"
TEXT = f"TITLE: Tür\r\nFCM: NON-DROP FRAME\r\n\r\n{EVENT}\r\n* FROM CLIP NAME: Tür zu.mp4\r\n"


def only(text: str) -> EdlLine:
    (found,) = parse_edl(text)
    (line,) = found.lines
    return line


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("ends", ["\r\n", "\n", "\r"])
def test_every_encoding_and_line_end(encoding: str, ends: str) -> None:
    (found,) = parse_edl(decode_edl(TEXT.replace("\r\n", ends).encode(encoding)))
    assert found.title == "Tür" and found.statements[-1].text == "FROM CLIP NAME: Tür zu.mp4"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "number", "reel"),
    [
        (EVENT, "1", "AX"),
        (EVENT.lower(), "1", "ax"),
        (EVENT.replace("  ", "\t"), "1", "AX"),
        (f"   {EVENT}   ", "1", "AX"),
        (f"{EVENT}  trailing words 7", "1", "AX"),
        (EVENT.replace("001", "000001"), "1", "AX"),
        (EVENT.replace("AX", "b clip"), "1", "b clip"),
        (EVENT.replace("AX", ""), "1", ""),
        (EVENT.replace("AX", "100"), "1", "100"),
        (EVENT.replace("AX", "Start_4K_Full Aperture_24fps"), "1", "Start_4K_Full Aperture_24fps"),
        (EVENT.replace("AX", "A001_C002_0101AB_0123456789_ABCDEFGHIJ"), "1", "A001_C002_0101AB_0123456789_ABCDEFGHIJ"),
        (f"\x0c{EVENT}\n\x1a\0\0", "1", "AX"),
    ],
)
def test_columns_are_read_from_the_timecodes_to_the_left(text: str, number: str, reel: str) -> None:
    line = only(f"title: x\n{text}\n")
    assert (line.number, line.reel, line.channels, line.type) == (number, reel, (EdlChannel("V", 1),), "cut")
    assert line.times == ("00:00:01:00", "00:00:03:00", "01:00:00:00", "01:00:02:00")


@pytest.mark.parametrize(
    ("type", "meant", "frames"),
    [
        ("C", "cut", 0),
        ("D    024", "dissolve", 24),
        ("W001 010", "wipe", 10),
        ("W    010", "wipe", 10),
        ("K B", "key background", 0),
        ("KB", "key background", 0),
        ("K    000", "key", 0),
        ("K", "key", 0),
        ("K O  030", "key out", 30),
        ("KO 030", "key out", 30),
        ("K B (F)", "key background", 0),
    ],
)
def test_edit_types(type: str, meant: str, frames: int) -> None:
    line = only(EVENT.replace("C  ", f"{type}  "))
    assert (line.type, line.fade_frames, line.reel) == (meant, frames, "AX")


def test_channels_and_edit_types_of_one_letter_are_told_apart() -> None:
    line = only(EVENT.replace("V     C", "B     K B"))
    assert line.type == "key background" and line.channels == (EdlChannel("V", 1), EdlChannel("A", 1))
    assert only(EVENT.replace("V     C", "B     K  ")).type == "key"


def test_frame_counts_stand_for_timecodes() -> None:
    assert only("001  AX  V  C  24 72 0 48").times == ("24", "72", "0", "48")


@pytest.mark.parametrize(
    ("text", "reel", "speed", "trigger"),
    [
        ("M2   AX             048.0                00:00:00:00", "AX", 48.0, "00:00:00:00"),
        ("m2\tAX\t-24.5\t+00:00:01:00", "AX", -24.5, "00:00:01:00"),
        ("M2   100   012.0   00:00:01:00", "100", 12.0, "00:00:01:00"),
        ("M2   Z682_156 (LAY3)  0.0  01:00:10:21", "Z682_156 (LAY3)", 0.0, "01:00:10:21"),
        ("M2   CYAN  000.0    MSTR     I +00:00:00:15", "CYAN", 0.0, "00:00:00:15"),
        ("M2   AX   048.0", "AX", 48.0, None),
        ("M2   048.0   00:00:01:00", "", 48.0, "00:00:01:00"),
    ],
)
def test_motion_lines(text: str, reel: str, speed: float, trigger: str | None) -> None:
    (found,) = parse_edl(f"{EVENT}\n{text}\n")
    (motion,) = (one for one in found.statements if isinstance(one, EdlMotion))
    assert (motion.reel, float(motion.frames_per_second), motion.trigger) == (reel, speed, trigger)


def test_comments_may_stand_anywhere() -> None:
    words = [
        "* Exported by an editor",
        "HERES A NOTE",
        "24 fps",
        "2 clips from 01:00:00:00 to 01:00:02:00",
        ">>> SOURCE A001 a.mov",
        "EFFECTS NAME IS CROSS DISSOLVE",
        "GPI",
        "* 002  AX  V  C  00:00:01:00 00:00:03:00 01:00:00:00 01:00:02:00",
        "TIMEWARP",
        "* LOC:",
        "M2",
        "AUD",
        "FCM:",
    ]
    text = "\n".join([*words, EVENT, *words])
    assert only(text).line == len(words) + 1
    assert only("\n".join(["TITLE: x", "TITLE: y", *words, EVENT])).reel == "AX"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (EVENT[:-11], r"line 3: an event has four timecodes .*, and this one has 3"),
        ("001  AX       V     C        00:00:01:0", r"line 3: an event has four timecodes .*, and this one has 1"),
        (EVENT.replace(" C ", " X "), r"line 3: 'X' is no edit type; known are C, D, W with a number, K, K B and K O"),
        (EVENT.replace(" V ", " Q "), r"line 3: 'Q' is no channel; known are V, V2, A, A2, AA, B, NONE"),
        (EVENT.replace(" V ", " A0 "), r"line 3: 'A0' is no channel"),
        (EVENT.replace("01:00:02:00", "00:59:00:00"), r"line 3: the record out 00:59:00:00 lies before the record in"),
        (EVENT.replace("01:00:02:00", "01:00:61:00"), r"line 3: '01:00:61:00' is no timecode at 24"),
        (EVENT.replace(" V ", " NONE "), r"line 3: none of its events has a length and a channel"),
        ("hello", "it holds no events"),
        ("", "it holds no events"),
    ],
)
def test_each_mistake_names_its_line_and_cause(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "cut.edl").write_text(f"TITLE: x\n\n{text}\n")
    with pytest.raises(TimelineError, match=rf"cut\.edl cannot be read as \.edl: {sentence}") as error:
        read_timeline(tmp_path / "cut.edl")
    assert "\n" not in str(error.value) and error.value.exit_code == 2


WORDS = [
    *("001", "002", "AX", "BL", "V", "A2", "AA/V", "NONE", "C", "D", "024", "W001", "K", "B", "O", "M2", "048.0", "*"),
    *(
        "-024.0",
        "FCM:",
        "DROP FRAME",
        "TITLE: x",
        "FROM CLIP NAME: a",
        "SOURCE FILE: a.mov",
        "AUD",
        "3",
        "\n",
        "\n",
        "\t",
    ),
    *("00:00:00:00", "00:00:02:00", "01:00:00;00", "01:00:02:12", "23:59:59:23", "LOC: 01:00:01:00 RED x", "\x00", "é"),
]


@given(st.lists(st.sampled_from(WORDS), max_size=60), st.sampled_from(["utf-8", "utf-16", "cp1252"]))
def test_any_text_is_read_or_refused_in_a_sentence(words: list[str], encoding: str) -> None:
    from avlink.timeline.formats.edl import read_edl

    text = f"{EVENT}\n" + " ".join(words).replace(" \n ", "\n")
    try:
        found = read_edl(text.encode(encoding))
    except ValueError as error:
        assert str(error).startswith("line ") and "\n" not in str(error)
    else:
        for timeline in found.timelines:
            for track in timeline.tracks:
                assert all(not hasattr(item, "source_range") or item.duration().value > 0 for item in track)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    from avlink.timeline.formats.edl import read_edl

    with pytest.raises(ValueError, match=r"^it holds no events|^line \d"):
        read_edl(content)
