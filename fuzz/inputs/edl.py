"""Edit decision lists: CMX 3600 as programs write it, and lines that nobody should have written."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from fuzz.case import Case, Place
from fuzz.cut import COMMON_RATES, Cut, cuts
from fuzz.damage import damaged_text
from fuzz.inputs.timelines import project_cases
from fuzz.values import names, number_texts, urls

_CHANNELS = ("V", "V", "V", "B", "NONE", "A", "A2", "A3", "AA", "AA/V", "A2/V", "V2", "")
_EDITS = ("C", "C", "D    024", "W001 012", "K B", "K    010", "K O", "D", "X")
_COMMENTS = (
    "* FROM CLIP NAME: {}",
    "* TO CLIP NAME: {}",
    "* SOURCE FILE: {}",
    "* FROM CLIP: {}",
    "* LOC: {} RED     FOLEY: steps",
    "* COMMENT: {}",
    "FINAL CUT PRO REEL: {} REPLACED BY: A",
    "AUD  3    4",
    "SPLIT:    AUDIO DELAY=  {}",
    ">>> SOURCE {}",
    "* FREEZE FRAME",
    "FCM: DROP FRAME",
    "FCM: NON-DROP FRAME",
    "TITLE: {}",
    "M2   AX       {}                {}",
    "TRG 001 {}",
    "",
)


@st.composite
def files(draw: st.DrawFn) -> Case:
    """Return a case of an EDL."""
    kind = draw(st.sampled_from(["whole", "whole", "any", "damaged", "damaged"]))
    cut = draw(cuts(COMMON_RATES))
    # A list does not say where it starts, but by its first event.
    cut = replace(cut, clips=(replace(cut.clips[0], gap=0), *cut.clips[1:]))
    rate = ("--rate", str(cut.rate.exact), "--media-root", ".")
    if kind == "whole":
        # A list names clips by their files.
        places = tuple(sorted(Place(one.start_s, one.duration_s, "") for one in cut.places()))
        return draw(
            project_cases("cut.edl", {"cut.edl": text(cut)}, format="edl", options=rate, places=places, whole=True)
        )
    content = draw(damaged_text(text(cut))) if kind == "damaged" else draw(_lists())
    options = draw(st.sampled_from([rate, rate, (), ("--rate", "25")]))
    return draw(project_cases("cut.edl", {"cut.edl": content}, format="edl", options=options))


def text(cut: Cut) -> bytes:
    """Return the list of an edit."""
    lines = ["TITLE: cut", "FCM: NON-DROP FRAME", ""]
    for number, (clip, at) in enumerate(zip(cut.clips, cut.starts(), strict=True), start=1):
        record = cut.start + at
        frames = (clip.first, clip.first + clip.used, record, record + clip.frames)
        times = " ".join(timecode(frame, cut.rate.timebase) for frame in frames)
        lines.append(f"{number:03}  AX       V     C        {times}")
        if clip.speed != 1:
            speed = float(clip.speed * cut.rate.timebase)
            source = times.partition(" ")[0]
            lines.append(f"M2   AX       {speed:05.1f}                {source}")
        lines.append(f"* FROM CLIP NAME: {clip.media}")
    return "\r\n".join([*lines, ""]).encode()


def timecode(frame: int, timebase: int) -> str:
    """Return the timecode of a frame, wrapped at midnight."""
    seconds, frame = divmod(frame % (timebase * 86400), timebase)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{frame:02}"


@st.composite
def _timecodes(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 9)) == 0:
        return draw(number_texts | st.just("99:99:99:99") | st.just("00:00:00;02"))
    mark = draw(st.sampled_from(":::;."))
    return f"{draw(st.sampled_from([0, 1, 23]))}:00:{draw(st.integers(0, 9)):02}{mark}{draw(st.integers(0, 29)):02}"


@st.composite
def _events(draw: st.DrawFn) -> list[str]:
    number = draw(st.integers(0, 20) | st.sampled_from([999, 1000, 10**6]))
    reel = draw(st.sampled_from(["AX", "BL", "TAPE1", "a.mp4", "A B", "REEL_WITH_A_LONG_NAME", ""]))
    channel, edit = draw(st.sampled_from(_CHANNELS)), draw(st.sampled_from(_EDITS))
    times = " ".join(draw(st.lists(_timecodes(), min_size=4, max_size=4)))
    lines = [f"{number:03}  {reel:<8} {channel:<5} {edit:<8} {times}"]
    for comment in draw(st.lists(st.sampled_from(_COMMENTS), max_size=3)):
        words = draw(st.sampled_from(["a.mp4", "01:00:00:00", "-024.0", "000.0"]) | urls | names)
        lines.append(comment.replace("{}", words))
    return lines


@st.composite
def _lists(draw: st.DrawFn) -> bytes:
    events = draw(st.lists(_events(), max_size=6))
    heads = draw(st.sampled_from([["TITLE: t", "FCM: NON-DROP FRAME"], ["TITLE: t"], ["FCM: DROP FRAME"], []]))
    return "\n".join([*heads, *(line for event in events for line in event)]).encode("utf-8", "replace")
