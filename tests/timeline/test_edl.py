"""Edit decision lists: what each line of a list puts where, in frames, by the walk that all commands share."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import pytest

from avlink.timeline.select import select_clips
from avlink.timeline.timebase import origin_s
from avlink.timeline.values import ClipRef, Skip
from avlink.timeline.walk import list_clips, list_sounds

sys.path.insert(0, str(Path(__file__).parent))
from edl_text import NEXT, SHOT, edl, line, pictures, timeline_of

# Speeds


@pytest.mark.parametrize(
    ("rate", "motion", "speed"),
    [
        (24, "048.0", Fraction(2)),
        (24, "012.0", Fraction(1, 2)),
        (24, "026.4", Fraction(11, 10)),
        (24, "24", Fraction(1)),
        (24, "+048.0", Fraction(2)),
        (24, "47,56", Fraction(4756, 2400)),
        (25, "050.0", Fraction(2)),
        (50, "025.0", Fraction(1, 2)),
        (60, "090.0", Fraction(3, 2)),
        (48, "024.0", Fraction(1, 2)),
        (23.976, "048.0", Fraction(2)),
        (23.976, "047.9", Fraction(2)),
        (29.97, "059.9", Fraction(2)),
        (29.97, "015.0", Fraction(1, 2)),
        (59.94, "-059.9", Fraction(-1)),
    ],
)
def test_m2_is_the_speed_though_source_and_record_have_one_length(rate: float, motion: str, speed: Fraction) -> None:
    (clip, after) = pictures(
        line(1, ("00:02:00", "00:04:00"), ("00:00:00", "00:02:00"))
        + f"M2   AX             {motion}                00:00:02:00\n* FROM CLIP NAME: a\n"
        + NEXT,
        rate=rate,
    )
    second = round(rate)
    assert clip == ("a", 0, 2 * second, 2 * second, speed)
    assert after == ("b", 2 * second, 4 * second, 10 * second, 1)


def test_m2_says_the_speed_also_where_the_source_is_cut_to_whole_frames() -> None:
    body = line(1, ("00:02:06", "00:06:19"), ("00:00:00", "00:04:04"), "a") + "M2   AX    026.4    00:00:02:06\n"
    assert pictures(body) == [("a", 0, 100, 54, Fraction(11, 10))]


@pytest.mark.parametrize(
    ("source", "motion", "low"),
    [
        # Source in and out in order, or the first picture that is seen first.
        (("00:02:00", "00:04:00"), "-024.0                00:00:02:00", 48),
        (("00:04:00", "00:02:00"), "-024.0                00:00:04:00", 48),
        (("00:02:00", "00:04:00"), "-048.0                00:00:02:00", 48),
        (("00:02:00", "00:06:00"), "-048.0                00:00:02:00", 48),
        (("00:04:00", "00:06:00"), "-048.0                00:00:06:00", 48),
        (("00:06:00", "00:02:00"), "-048.0                00:00:06:00", 48),
    ],
)
def test_a_negative_m2_runs_backwards(source: tuple[str, str], motion: str, low: int) -> None:
    body = line(1, source, ("00:00:00", "00:02:00"), "a") + f"M2   AX             {motion}\n"
    ((name, start, end, first, speed),) = pictures(body)
    assert (name, start, end, first) == ("a", 0, 48, low) and speed == Fraction(motion.split()[0]) / 24


@pytest.mark.parametrize(
    "said",
    [
        "M2   AX             000.0                00:00:02:00\n",
        "M2   AX      000.0    MSTR     I +00:00:02:00\n",
        "M2   a\t\t0.0\t\t\t00:00:02:00\n",
        "* * FREEZE FRAME\n",
        "* FROM CLIP IS A STILL\n",
    ],
)
def test_freeze_frames_stand_still_and_get_no_sound(said: str) -> None:
    body = line(1, ("00:02:00", "00:04:00"), ("00:00:00", "00:02:00"), "a FF") + said.replace(" a\t", " a FF\t")
    assert pictures(body) == [("a", 0, 48, 48, 0)]
    (skip,) = select_clips(list_clips(timeline_of(body)))
    assert isinstance(skip, Skip) and "freeze frame" in skip.reason


def test_one_frame_of_source_that_fills_more_is_a_still() -> None:
    body = line(1, ("00:02:00", "00:02:01"), ("00:00:00", "00:02:00"), "a")
    assert pictures(body) == [("a", 0, 48, 48, 0)]


def test_without_an_m2_the_source_fills_its_place_and_that_is_told() -> None:
    body = line(1, ("00:02:00", "00:06:00"), ("00:00:00", "00:02:00"), "a")
    assert pictures(body) == [("a", 0, 48, 48, 2)]
    (note,) = edl(body).notes
    assert note.startswith("line 2: 96 frames of source fill 48 of the record, and no M2 says the speed")
    # A source that counts at another rate is cut to other frames.
    assert pictures(line(1, ("00:02:00", "00:04:01"), ("00:00:00", "00:02:00"), "a")) == [("a", 0, 48, 48, 1)]


def test_m2_belongs_to_the_reel_and_the_time_that_it_names() -> None:
    two = line(1, ("00:00:00", "00:02:00"), ("00:00:00", "00:02:00"), reel="ONE")
    two += line(1, ("00:05:00", "00:07:00"), ("00:00:00", "00:02:00"), reel="TWO", channel="V2")
    two += "M2   TWO      048.0    00:00:05:00\nM2   ONE      012.0    00:00:00:00\n"
    assert [speed for *_, speed in pictures(two)] == [Fraction(1, 2), 2]
    # Both sources of a transition may be of one reel.
    fade = SHOT + line(2, ("00:03:00", "00:03:00"), ("00:02:00", "00:02:00"))
    fade += line(2, ("00:08:00", "00:10:00"), ("00:02:00", "00:04:00"), type="D    012")
    fade += "M2   AX    012.0    00:00:03:00\nM2   AX    048.0    00:00:08:00\n* TO CLIP NAME: b\n"
    assert [(name, speed) for name, *_, speed in pictures(fade)] == [("a", 1), ("b", 2)]
    # Reels of 32 characters are cut off in some M2 lines.
    long = line(1, ("00:01:00", "00:03:00"), ("00:00:00", "00:02:00"), reel="A001C001_0101AB_0123456789_ABCDEF")
    assert pictures(long + "M2   A001C001    048.0    00:00:01:00\n")[0][-1] == 2
    other = edl(SHOT + "M2   OTHER    048.0    00:00:07:00\n")
    assert other.notes == ("line 4: its M2 is for a reel ('OTHER') of no event beside it",)


def test_m2_may_stand_before_its_event() -> None:
    first, second = "M2   AX    048.0    00:00:01:00\n", "M2   AX    012.0    00:00:10:00\n"
    assert [speed for *_, speed in pictures(first + SHOT + second + NEXT)] == [2, Fraction(1, 2)]
    assert [speed for *_, speed in pictures(SHOT + second + NEXT)] == [1, Fraction(1, 2)]
    assert [speed for *_, speed in pictures(SHOT + first + NEXT + second)] == [2, Fraction(1, 2)]


# Transitions and keys


def heard(body: str) -> list[tuple[str, Fraction, Fraction, Fraction, Fraction]]:
    """Name, place, and what is heard of it, in frames."""
    return [
        (
            one.name,
            one.timeline_start_s * 24,
            one.timeline_end_s * 24,
            one.heard_start_s * 24,
            one.heard_end_s * 24,
        )
        for one in select_clips(list_clips(timeline_of(body)))
        if isinstance(one, ClipRef)
    ]


TWO_LINES = line(2, ("00:03:00", "00:03:00"), ("00:02:00", "00:02:00"))
NAMES = "* FROM CLIP NAME: a\n* TO CLIP NAME: b\n"


@pytest.mark.parametrize("type", ["D    012", "W001 012", "W    012", "d 12"])
@pytest.mark.parametrize("from_line", [TWO_LINES, ""])
def test_a_transition_has_two_lines_or_an_event_of_its_own(from_line: str, type: str) -> None:
    body = SHOT + from_line + line(2, ("00:10:00", "00:12:00"), ("00:02:00", "00:04:00"), type=type) + NAMES
    assert heard(body) == [("a", 0, 48, 0, 60), ("b", 48, 96, 48, 96)]


def test_names_between_and_after_the_lines_of_a_transition() -> None:
    into = line(2, ("00:10:00", "00:12:00"), ("00:02:00", "00:04:00"), type="D    012", reel="REELB")
    between = SHOT + TWO_LINES + "* FROM CLIP NAME: a\n" + into + "* FROM CLIP NAME: b\n"
    only_from = SHOT + TWO_LINES + into + "* FROM CLIP NAME: a\n"
    one_line = SHOT + into + "* FROM CLIP NAME: b\n"
    assert [names[1][0] for names in map(pictures, (between, only_from, one_line))] == ["b", "REELB", "b"]


def test_source_files_of_a_transition_belong_to_its_two_sources() -> None:
    into = line(2, ("00:10:00", "00:12:00"), ("00:02:00", "00:04:00"), type="D    012")
    full = line(2, ("00:01:00", "00:03:00"), ("00:00:00", "00:02:00"))
    alone = "* FROM CLIP NAME: a\n* TO CLIP NAME: b\n* SOURCE FILE: a.mov\n* SOURCE FILE: b.mov\n"
    (_, second) = list_clips(timeline_of(SHOT + into + alone))
    assert isinstance(second, ClipRef) and (second.name, second.media[0].url) == ("b", "b.mov")
    for notes in (
        "* FROM CLIP NAME: a\n* SOURCE FILE: a.mov\n* TO CLIP NAME: b\n* SOURCE FILE: b.mov\n",
        "* FROM CLIP NAME: a\n* TO CLIP NAME: b\n* SOURCE FILE: a.mov\n* SOURCE FILE: b.mov\n",
        "* SOURCE FILE: a.mov\n* SOURCE FILE: b.mov\n* FROM CLIP NAME: a\n* TO CLIP NAME: b\n",
        "* FROM CLIP: a.mov\n* TO CLIP: b.mov\n* FROM CLIP NAME: a\n* TO CLIP NAME: b\n",
    ):
        found = [(one.name, one.media[0].url) for one in list_clips(timeline_of(full + into + notes))]  # type: ignore[union-attr]
        assert found == [("a", "a.mov"), ("b", "b.mov")]


def test_black_is_nothing_and_fades_come_from_it_and_go_to_it() -> None:
    body = (
        line(1, ("00:00:00", "00:00:00"), ("00:00:00", "00:00:00"), reel="BL")
        + line(1, ("00:01:00", "00:04:00"), ("00:00:00", "00:03:00"), type="D    024")
        + "* TO CLIP NAME: a\n"
        + line(2, ("00:04:00", "00:04:00"), ("00:03:00", "00:03:00"))
        + line(2, ("00:00:00", "00:01:00"), ("00:03:00", "00:04:00"), reel="BL", type="D    024")
        + "* FROM CLIP NAME: a\n"
        + line(3, ("00:10:00", "00:12:00"), ("00:04:00", "00:06:00"), "b")
    )
    assert heard(body) == [("a", 0, 72, 0, 96), ("b", 96, 144, 96, 144)]
    (first, _) = (one for one in select_clips(list_clips(timeline_of(body))) if isinstance(one, ClipRef))
    assert [(fade.start_s * 24, fade.end_s * 24, fade.rising) for fade in first.fades] == [
        (0, 24, True),
        (72, 96, False),
    ]
    # Black at the head of a list is a part of its time.
    black = line(1, ("00:00:00", "00:02:00"), ("00:00:00", "00:02:00"), reel="BL")
    assert heard(black + NEXT) == [("b", 48, 96, 48, 96)]


def test_a_transition_longer_than_its_event_ends_with_it() -> None:
    body = SHOT + line(2, ("00:10:00", "00:10:10"), ("00:02:00", "00:02:10"), "b", type="D    999")
    assert heard(body)[0] == ("a", 0, 48, 0, 58)


@pytest.mark.parametrize("back, front", [("K B", "K    000"), ("KB", "K"), ("K B (F)", "K O  000"), ("k b", "ko 012")])
def test_the_background_of_a_key_plays_on(back: str, front: str) -> None:
    body = (
        SHOT
        + line(2, ("00:03:00", "00:05:00"), ("00:02:00", "00:04:00"), "a.mp4", type=back)
        + line(2, ("00:20:00", "00:22:00"), ("00:02:00", "00:04:00"), "title.mp4", type=front)
    )
    seen = [(one.track, one.name) for one in select_clips(list_clips(timeline_of(body))) if isinstance(one, ClipRef)]
    assert ("V", "a.mp4") in seen and ("V key", "title.mp4") in seen
    assert pictures(body)[1] == ("a.mp4", 48, 96, 72, 1)


def test_key_clip_name_is_that_of_the_foreground() -> None:
    body = (
        line(6, ("00:01:00", "00:03:00"), ("00:00:00", "00:02:00"))
        + line(6, ("00:03:00", "00:05:00"), ("00:02:00", "00:04:00"), type="K B")
        + line(6, ("00:20:00", "00:22:00"), ("00:02:00", "00:04:00"), type="K    000")
        + "* FROM CLIP NAME: a.mov\n* KEY CLIP NAME: logo.mov\n"
    )
    assert [row[0] for row in pictures(body)] == ["a.mov", "a.mov", "logo.mov"]


# Channels


@pytest.mark.parametrize(
    ("channel", "tracks"),
    [
        ("V", ["V"]),
        ("V1", ["V1"]),
        ("V2", ["V2"]),
        ("A", ["A"]),
        ("A2", ["A2"]),
        ("A4", ["A4"]),
        ("AA", ["A1", "A2"]),
        ("B", ["V", "A1"]),
        ("AA/V", ["V", "A1", "A2"]),
        ("A2/V", ["V", "A2"]),
        ("V/A", ["V", "A1"]),
        ("VA2", ["V", "A2"]),
        ("v", ["V"]),
    ],
)
def test_channels_are_tracks(channel: str, tracks: list[str]) -> None:
    body = line(1, ("00:01:00", "00:03:00"), ("00:00:00", "00:02:00"), "a", channel=channel)
    timeline = timeline_of(body)
    assert [track.name for track in timeline.tracks] == tracks
    assert [track.kind for track in timeline.tracks] == ["Video" if name[0] == "V" else "Audio" for name in tracks]


def test_none_is_sound_on_the_channels_of_its_aud_line() -> None:
    body = SHOT + line(2, ("00:01:00", "00:05:00"), ("00:00:00", "00:04:00"), "a", channel="NONE") + "AUD  3    4\n"
    body += line(3, ("00:10:00", "00:12:00"), ("00:02:00", "00:04:00"), "b")
    timeline = timeline_of(body)
    assert [track.name for track in timeline.tracks] == ["V", "A3", "A4"]
    assert pictures(body) == [("a", 0, 48, 24, 1), ("b", 48, 96, 240, 1)]
    assert [one.timeline_duration_s for one in list_sounds(timeline) if isinstance(one, ClipRef)] == [4, 4]
    timeline = timeline_of(SHOT + "AUD   3\n")
    assert [track.name for track in timeline.tracks] == ["V", "A3"]


def test_sound_and_picture_of_a_split_edit_have_places_of_their_own() -> None:
    body = "SPLIT:    AUDIO DELAY=  00:00:00:12\n"
    body += line(1, ("00:01:00", "00:03:00"), ("00:00:00", "00:02:00"), reel="T1")
    body += line(1, ("00:01:12", "00:03:00"), ("00:00:12", "00:02:00"), reel="T1", channel="A")
    timeline = timeline_of(body + "* FROM CLIP NAME: a\n")
    (picture,), (sound,) = list_clips(timeline), list_sounds(timeline)
    assert isinstance(picture, ClipRef) and isinstance(sound, ClipRef)
    assert (picture.name, picture.timeline_start_s, sound.name, sound.timeline_start_s) == ("a", 0, "a", Fraction(1, 2))


def test_higher_channels_hide_lower_ones_where_they_have_a_picture() -> None:
    body = line(1, ("00:01:00", "00:05:00"), ("00:00:00", "00:04:00"), "low.mov", channel="V1")
    body += line(2, ("00:10:00", "00:11:00"), ("00:01:00", "00:02:00"), "high.mov", channel="V2")
    body += line(3, ("00:00:00", "00:01:00"), ("00:02:00", "00:03:00"), reel="BL", channel="V2")
    assert [(name, start, end) for name, start, end, *_ in heard(body)] == [
        ("low.mov", 0, 24),
        ("high.mov", 24, 48),
        ("low.mov", 48, 96),
    ]
    # Clips of a reel are films too, whatever their names.
    reels = body.replace("AX", "R1").replace(".mov", "")
    assert [(name, start, end) for name, start, end, *_ in heard(reels)][1:] == [("high", 24, 48), ("low", 48, 96)]


# Order, gaps, midnight


def test_events_lie_at_their_record_times_in_whatever_order() -> None:
    body = line(7, ("00:05:00", "00:06:00"), ("00:06:00", "00:07:00"), "c") + NEXT + SHOT
    assert [(name, start, end) for name, start, end, *_ in pictures(body)] == [
        ("a", 0, 48),
        ("b", 48, 96),
        ("c", 144, 168),
    ]
    assert origin_s(timeline_of(body)) == 3600


def test_a_later_line_records_over_an_earlier_one() -> None:
    body = line(1, ("00:00:00", "00:10:00"), ("00:00:00", "00:10:00"), "a")
    body += line(2, ("00:50:00", "00:52:00"), ("00:04:00", "00:06:00"), "b")
    assert pictures(body) == [("a", 0, 96, 0, 1), ("b", 96, 144, 1200, 1), ("a", 144, 240, 144, 1)]
    assert edl(body).notes == ("line 4 records over a part of line 2, and the later line is what is seen",)
    back = body.replace("* FROM CLIP NAME: a\n", "* FROM CLIP NAME: a\nM2   AX   -024.0   00:00:00:00\n")
    assert pictures(back) == [("a", 0, 96, 144, -1), ("b", 96, 144, 1200, 1), ("a", 144, 240, 0, -1)]
    # An event may go on under the transition into the next.
    under = SHOT + line(2, ("00:10:00", "00:12:00"), ("00:01:12", "00:03:12"), "b", type="D    012")
    assert heard(under)[0] == ("a", 0, 36, 0, 48) and edl(under).notes == ()


@pytest.mark.parametrize("order", [1, -1])
def test_a_list_over_midnight(order: int) -> None:
    events = [
        "001  AX       V     C        00:00:01:00 00:00:03:00 23:59:58:00 00:00:00:00\n* FROM CLIP NAME: a\n",
        "002  AX       V     C        00:00:00:00 00:00:02:00 00:00:00:00 00:00:02:00\n* FROM CLIP NAME: b\n"
        "* LOC: 00:00:01:00 RED     FOLEY: steps\n",
        "003  AX       V     C        23:59:59:00 00:00:01:00 00:00:04:00 00:00:06:00\n* FROM CLIP NAME: c\n",
    ][::order]
    found = pictures("".join(events))
    assert found == [("a", 0, 48, 24, 1), ("b", 48, 96, 0, 1), ("c", 144, 192, 86399 * 24, 1)]
    clips = [one for one in select_clips(list_clips(timeline_of("".join(events)))) if isinstance(one, ClipRef)]
    assert [one.asked_prompt for one in clips] == [None, "steps", None]
    assert origin_s(timeline_of("".join(events))) == 86398


def test_one_event_over_midnight_and_record_times_past_24_hours() -> None:
    one = "001  AX       V     C        00:00:01:00 00:00:05:00 23:59:58:00 00:00:02:00\n"
    past = "001  AX       V     C        00:00:01:00 00:00:05:00 23:59:58:00 24:00:02:00\n"
    later = "002  AX       V     C        00:00:01:00 00:00:03:00 25:00:00:00 25:00:02:00\n"
    assert pictures(one) == pictures(past) == [("1", 0, 96, 24, 1)]
    assert pictures(past + later)[1][1:3] == (3602 * 24, 3604 * 24)


def test_a_list_of_a_whole_day_is_not_turned_round() -> None:
    body = "001  AX  V  C  00:00:00:00 00:00:02:00 00:00:00:00 00:00:02:00\n"
    body += "002  AX  V  C  00:00:00:00 00:00:02:00 22:00:00:00 22:00:02:00\n"
    assert [row[1] for row in pictures(body)] == [0, 79200 * 24]
