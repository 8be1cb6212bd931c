"""The movie with hits drawn in: every hit on its picture and its sample, at any rate, and nothing longer or shorter."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avlink.core.hits import Hit
from avlink.core.values import Frames, Waveform
from avlink.edit.hit_preview import SAMPLE_RATE, ShownHit, clicked, draw_hits
from avlink.media.audio import read_audio
from avlink.media.clicks import PEAK, ClickTrack, click
from avlink.media.drawing import Mark, drawn
from avlink.media.mix import PlacedSound
from avlink.media.movie import write_movie

GREY = np.full((90, 160, 3), 100, np.uint8)


def _shown(times_s: Sequence[Fraction], **facts: object) -> list[ShownHit]:
    return [ShownHit(at_s=time_s, hit=Hit(time_s=time_s, **facts)) for time_s in times_s]  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30000, 1001), Fraction(15), Fraction(60)])
def test_a_hit_is_drawn_from_its_own_picture_on_for_six(rate: Fraction) -> None:
    at_s = Fraction(1237, 1000)
    pictures = list(draw_hits(iter([GREY] * 100), _shown([at_s], place=(0.5, 0.5)), rate=rate))
    changed = [index for index, picture in enumerate(pictures) if not np.array_equal(picture, GREY)]
    first = int(at_s * rate)
    assert changed == list(range(first, first + 6))


def test_a_sound_that_goes_on_is_drawn_as_long_as_it_lasts() -> None:
    hits = _shown([Fraction(1)], kind="slide", duration_s=Fraction(3, 2))
    pictures = list(draw_hits(iter([GREY] * 80), hits, rate=Fraction(24)))
    assert [index for index, one in enumerate(pictures) if not np.array_equal(one, GREY)] == list(range(24, 60))


@pytest.mark.parametrize(("x", "y"), [(0.1, 0.2), (0.9, 0.8), (0.5, 0.5), (0.0, 1.0)])
def test_a_ring_lies_around_its_place(x: float, y: float) -> None:
    mark = Mark(label="", share=0.0, colour=(255, 0, 0), place=(x, y), radius=0.1)
    picture = drawn(GREY, [mark]).astype(int)
    rows, cols = np.nonzero((picture[..., 0] > 200) & (picture[..., 1] < 60))
    assert len(rows)
    assert np.hypot(cols - x * 160, rows - y * 90).max() < 0.1 * 90 + 3


def test_what_has_no_place_is_at_the_lower_edge_and_several_side_by_side() -> None:
    marks = [Mark(label="hit", share=0.5, colour=colour) for colour in ((255, 0, 0), (0, 255, 0))]
    picture = drawn(np.full((180, 320, 3), 100, np.uint8), marks).astype(int)
    for channel in (0, 1):
        rows, _ = np.nonzero((picture[..., channel] > 200) & (picture[..., 1 - channel] < 60))
        assert len(rows) and rows.min() > 0.75 * 180


@pytest.mark.parametrize("size", [(2, 2), (9, 16), (36, 64), (540, 960)])
def test_marks_fit_into_any_picture(size: tuple[int, int]) -> None:
    marks = [
        Mark(label="雨 door slam " * 9, share=2.0, colour=(255, 0, 0), place=place)
        for place in ((0.0, 0.0), (1, 1), None)
    ]
    assert drawn(np.zeros((*size, 3), np.uint8), marks).shape == (*size, 3)


def test_a_fuller_bar_is_a_surer_hit() -> None:
    def filled(share: float) -> int:
        picture = drawn(GREY, [Mark(label="", share=share, colour=(255, 0, 0), place=(0.3, 0.5))]).astype(int)
        return int(((picture[..., 0] > 200) & (picture[..., 1] < 60)).sum())

    assert filled(0.0) < filled(0.4) < filled(1.0)


def test_clicks_begin_on_their_samples_at_12_dbfs() -> None:
    starts = [0, 100, 4800, 4810, 9_999, -5, 10_000]
    track = ClickTrack(starts, sample_rate=SAMPLE_RATE, num_samples=10_000)
    whole = track.read(0, 10_000)
    assert whole.shape == (1, 10_000)
    for start in (0, 100, 4800, 4810, 9_999):
        assert whole[0, start] == pytest.approx(PEAK) and pytest.approx(0.2512, abs=1e-4) == PEAK
    assert np.abs(whole).max() == pytest.approx(PEAK)
    assert np.abs(click(SAMPLE_RATE)).argmax() == 0
    parts = np.concatenate([track.read(at, at + 333) for at in range(0, 10_000, 333)], axis=1)
    assert np.array_equal(parts, whole)


def test_own_sound_is_12_db_lower_under_the_clicks() -> None:
    tone = np.full((2, 48000), 0.8, np.float32)
    own = [PlacedSound(sound=Waveform(samples=tone, sample_rate=48000), at=0, num_samples=48000)]
    sound = clicked(own, _shown([Fraction(1, 2)]), 48000)
    assert sound is not None and (sound.channels, sound.num_samples) == (2, 48000)
    heard = sound.read(0, 48000)
    assert heard[:, 1000] == pytest.approx(0.8 * 10 ** (-12 / 20), rel=1e-4)
    assert heard[:, 24000] == pytest.approx(0.8 * 10 ** (-12 / 20) + PEAK, rel=1e-4)
    assert clicked([], [], 48000) is None


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(24000, 1001)])
def test_pictures_and_clicks_stay_together_to_the_end(tmp_path: Path, rate: Fraction) -> None:
    count = 480
    times_s = [Fraction(n * 7919, 10_000) for n in range(1, 25)]
    duration_s = count / rate
    pictures = draw_hits(iter([GREY] * count), _shown(times_s, place=(0.5, 0.5)), rate=rate)
    sound = clicked([], _shown(times_s), round(duration_s * SAMPLE_RATE))
    write_movie(tmp_path / "p.mp4", pictures, sound, rate=rate, width=160, height=90)
    with av.open(str(tmp_path / "p.mp4")) as container:
        video = container.streams.video[0]
        assert video.average_rate == rate
        changes = [float(np.ptp(frame.to_ndarray(format="rgb24"))) for frame in container.decode(video=0)]
    assert len(changes) == count
    begins = [i for i in range(1, count) if changes[i] > 60 >= changes[i - 1]]
    assert begins == [int(time_s * rate) for time_s in times_s]
    heard = read_audio(tmp_path / "p.mp4", sample_rate=SAMPLE_RATE).samples[0]
    assert abs(len(heard) - round(duration_s * SAMPLE_RATE)) <= 1024
    one = click(SAMPLE_RATE)
    for time_s in times_s:
        at = round(time_s * SAMPLE_RATE)
        near = heard[at - 200 : at + 200 + len(one)]
        # AAC blurs a click, and moves it by nothing.
        assert abs(int(np.correlate(near, one, "valid").argmax()) - 200) <= 1


def test_frames_are_what_is_drawn_on() -> None:
    frames = Frames(pixels=np.broadcast_to(GREY, (3, *GREY.shape)), rate=Fraction(24))
    untouched = list(draw_hits(iter(frames.read(0, 3)), [], rate=Fraction(24)))
    assert all(np.array_equal(one, GREY) for one in untouched)
