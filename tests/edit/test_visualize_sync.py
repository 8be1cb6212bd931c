"""Pictures in step: what a click is heard at, a frame is seen at, at every rate, from any start, at any speed."""

from __future__ import annotations

import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import opentimelineio as otio
import pytest

from avlink.core import clock
from avlink.session import Session

sys.path.insert(0, str(Path(__file__).parent))
from clicks import CLICKS_S, FPS, blinking, frames_at, gap, pictures, project, run, seen, sound, write_clicks

STARTS_S = [Fraction(0), Fraction(12345, 48000), Fraction(7, 5)]
SPEEDS = [Fraction(1), Fraction(2), Fraction(1, 2), Fraction(-1), Fraction(-3, 2)]


@pytest.fixture
def session(session: Session) -> Session:
    return blinking(session)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_clicks(tmp_path / "clicks.wav")
    return tmp_path


@pytest.mark.parametrize("rate", [24.0, 25.0, 30000 / 1001, 23.976])
def test_clicks_are_seen_where_they_are_heard(session: Session, folder: Path, rate: float) -> None:
    rows: list[list[otio.core.Item]] = []
    for start_s in STARTS_S:
        row: list[otio.core.Item] = [gap(start_s)] if start_s else []
        for speed in SPEEDS:
            # A length that ends between two frames, so that the next one begins there.
            length_s = Fraction(4) / abs(speed) - Fraction(1234, 48000)
            row.append(sound(Fraction(1, 4), length_s, f"at {start_s} x {speed}", speed=float(speed)))
        rows.append(row)
    path = project(folder, *rows, rate=rate)
    report = run(session, path)
    assert report.exit_code == 0 and report.counts["generated"] == len(STARTS_S) * len(SPEEDS)
    exact = clock.exact_rate(rate)
    placed = {clip.name: clip for clips in pictures(report.output).values() for clip in clips}
    timeline = otio.adapters.read_from_file(str(path))
    for track in timeline.audio_tracks():
        for clip in track.find_clips():
            heard = clip.range_in_parent()
            begin_s = Fraction(round(heard.start_time.value), 48000)
            length_s = Fraction(round(heard.duration.value), 48000)
            first, stop = clock.to_index(begin_s, exact), clock.to_index(begin_s + length_s, exact)
            picture = placed[clip.name]
            assert frames_at(picture) == (first, stop)
            movie_rate, shades, timecode = seen(path.parent / picture.media_reference.target_url)
            assert movie_rate == exact and len(shades) == stop - first
            assert timecode is not None and picture.source_range.start_time.value == 86400 + first
            speed = Fraction(clip.effects[0].time_scalar).limit_denominator(100) if clip.effects else Fraction(1)
            low_s, high_s = Fraction(1, 4), Fraction(1, 4) + length_s * abs(speed)
            origin_s = low_s if speed > 0 else high_s
            events_s = [begin_s + (time_s - origin_s) / speed for time_s in CLICKS_S if low_s <= time_s < high_s - 0.01]
            white = [first + index for index, shade in enumerate(shades) if shade > 160]
            assert events_s and white
            # A white frame lies in the sixth of a second around a click; edges are those of the nearest frame.
            half = 1 / (2 * exact)
            click_s = Fraction(1, 150) / abs(speed)
            for index in white:
                assert any(
                    event_s - 1 / FPS - half <= index / exact <= event_s + click_s + 1 / FPS + half
                    for event_s in events_s
                )
            for event_s in events_s:
                assert any(abs((index + Fraction(1, 2)) / exact - event_s) <= 1 / FPS + half for index in white)


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(25), Fraction(30000, 1001)])
def test_a_click_on_the_edge_of_a_picture_is_seen_from_the_nearest_frame_on(
    session: Session, folder: Path, rate: Fraction
) -> None:
    """Of a clip from the file's start the pictures begin at sixths of a second, as three of the clicks do."""
    start_s = Fraction(12345, 48000)
    path = project(folder, [gap(start_s), sound(Fraction(0), Fraction(5))], rate=float(rate))
    (clips,) = pictures(run(session, path).output).values()
    _, shades, _ = seen(folder / clips[0].media_reference.target_url)
    lit = [index for index, shade in enumerate(shades) if shade > 160]
    starts = [frames_at(clips[0])[0] + index for index in lit if index - 1 not in lit]
    edges_s = [start_s + Fraction(int(time_s * FPS), 1) / FPS for time_s in CLICKS_S]
    assert starts == [clock.to_index(edge_s, rate) for edge_s in edges_s]


def test_neighbours_meet_without_a_hole_or_an_overlap(session: Session, folder: Path) -> None:
    row = [sound(Fraction(index, 10), Fraction(10007, 48000), f"c{index}") for index in range(12)]
    report = run(session, project(folder, row, rate=24000 / 1001))
    (clips,) = pictures(report.output).values()
    edges = [frames_at(clip) for clip in clips]
    assert len(edges) == 12 and all(one[1] == other[0] for one, other in pairwise(edges))
    assert edges[-1][1] == clock.to_index(12 * Fraction(10007, 48000), Fraction(24000, 1001))
