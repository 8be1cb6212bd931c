from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avlink.core.clock import to_index
from avlink.core.errors import MediaError
from avlink.core.values import FrameSource, PictureSpec
from avlink.media.frames import open_frames
from avlink.media.probe import probe

RATES = [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(15), Fraction(60)]
MakeMovie = Callable[..., Path]


def spec(rate: Fraction | int = 24, width: int = 64, height: int = 48) -> PictureSpec:
    return PictureSpec(rate=Fraction(rate), width=width, height=height)


def whole(frames: FrameSource) -> np.ndarray:
    return frames.read(0, frames.num_frames)


def levels(frames: FrameSource) -> np.ndarray:
    return whole(frames).astype(float).mean(axis=(1, 2, 3))


@pytest.mark.parametrize("source_rate", RATES)
@pytest.mark.parametrize("rate", [6, 24, Fraction(30000, 1001)])
def test_the_number_of_frames_is_exact(make_movie: MakeMovie, source_rate: Fraction, rate: Fraction) -> None:
    path = make_movie("a.mp4", [120] * 60, rate=source_rate, size=(32, 32))
    for duration_s in (Fraction(1, 2), Fraction(617, 1000), 30 / source_rate):
        frames = open_frames(path, start_s=Fraction(1, 10), duration_s=duration_s, spec=spec(rate, 16, 16))
        assert frames.num_frames == max(1, to_index(duration_s, Fraction(rate))) == len(whole(frames))


def test_the_same_rate_gives_the_same_frames(make_movie: MakeMovie) -> None:
    shades = [(37 * i) % 200 + 20 for i in range(30)]
    path = make_movie("a.mp4", shades, rate=Fraction(24))
    got = levels(open_frames(path, start_s=Fraction(0), duration_s=Fraction(30, 24), spec=spec()))
    assert np.abs(got - shades).max() < 3


def test_decimation_averages_what_is_seen(make_movie: MakeMovie) -> None:
    shades = [(53 * i) % 200 + 20 for i in range(40)]
    path = make_movie("a.mp4", shades, rate=Fraction(60))
    got = levels(open_frames(path, start_s=Fraction(0), duration_s=Fraction(40, 60), spec=spec(15)))
    assert np.abs(got - np.reshape(shades, (10, 4)).mean(axis=1)).max() < 3


def test_a_slower_source_is_held(make_movie: MakeMovie) -> None:
    shades = [20, 200, 90, 150, 40]
    path = make_movie("a.mp4", shades, rate=Fraction(8))
    got = levels(open_frames(path, start_s=Fraction(0), duration_s=Fraction(5, 8), spec=spec(24)))
    assert np.abs(got - np.repeat(shades, 3)).max() < 3


def test_variable_rates_follow_their_times(make_movie: MakeMovie) -> None:
    times = [Fraction(t, 100) for t in (0, 4, 8, 50, 54, 92, 100)]
    shades = [20, 60, 100, 140, 180, 220, 40]
    path = make_movie("a.mp4", shades, times=times)
    got = levels(open_frames(path, start_s=Fraction(0), duration_s=Fraction(1), spec=spec(100)))
    seen = [shades[max(k for k, t in enumerate(times) if t <= Fraction(i, 100))] for i in range(100)]
    assert np.abs(got - seen).max() < 3


def test_area_averaging_and_no_cropping(make_movie: MakeMovie) -> None:
    rng = np.random.default_rng(0)
    picture = np.repeat(np.repeat(rng.integers(0, 256, (12, 16, 1), np.uint8), 16, axis=0), 16, axis=1).repeat(
        3, axis=2
    )
    path = make_movie("a.mp4", [picture] * 3, size=(256, 192))
    got = whole(open_frames(path, start_s=Fraction(0), duration_s=Fraction(1, 25), spec=spec(25, 16, 12)))[0]
    assert np.abs(got.astype(int) - picture[8::16, 8::16]).max() < 8


@pytest.mark.parametrize("colour", [(200, 30, 30), (30, 200, 30), (30, 30, 200), (240, 240, 240), (5, 5, 5)])
def test_colours_come_back(make_movie: MakeMovie, colour: tuple[int, int, int]) -> None:
    picture = np.tile(np.array(colour, np.uint8), (48, 64, 1))
    path = make_movie("a.mp4", [picture] * 3)
    got = whole(open_frames(path, start_s=Fraction(0), duration_s=Fraction(1, 25), spec=spec(25, 8, 6)))
    assert np.abs(got.mean(axis=(0, 1, 2)) - colour).max() < 4


def test_another_shape_gets_black_bars_and_a_similar_one_is_stretched(make_movie: MakeMovie) -> None:
    path = make_movie("wide.mp4", [200] * 3, size=(128, 48))
    boxed = whole(open_frames(path, start_s=Fraction(0), duration_s=Fraction(1, 25), spec=spec(25, 64, 48)))[0]
    assert boxed[:11].max() == 0 and boxed[-11:].max() == 0 and boxed[13:-13].min() > 190
    filled = whole(open_frames(path, start_s=Fraction(0), duration_s=Fraction(1, 25), spec=spec(25, 64, 27)))[0]
    assert filled.min() > 190


def test_rotated_and_anamorphic_pictures_stand_upright(real_media: Callable[[str], Path]) -> None:
    path = real_media("decord__video_90.mov")
    upright = whole(open_frames(path, start_s=Fraction(0), duration_s=Fraction(1, 30), spec=spec(30, 80, 142)))[0]
    with av.open(str(path)) as container:
        lying = next(container.decode(video=0)).reformat(142, 80, "rgb24", interpolation="AREA").to_ndarray()
    # Checked by eye once: turned a quarter clockwise, the letters on the keys can be read.
    assert np.abs(upright.astype(int) - np.rot90(lying, k=-1)).mean() < 2
    wide = real_media("mediabunny__sar_2x1.mp4")
    shown = whole(open_frames(wide, start_s=Fraction(0), duration_s=Fraction(1, 30), spec=spec(30, 64, 18)))[0]
    assert shown[0].max() > 100 and shown[-1].max() > 100


SEEKABLE = [
    "auto-editor__example.mp4",
    "derived__av1_opus_drum.webm",
    "derived__hevc10_hammer.mp4",
    "derived__mpegts_metal.ts",
    "derived__vfr_metal.mp4",
    "exoplayer__sample.avi",
    "tlrender__BART_2021-02-07.m4v",
    "moviepy__no_duration.webm",
]


@pytest.mark.parametrize("name", SEEKABLE)
def test_seeking_equals_decoding_from_the_start(real_media: Callable[[str], Path], name: str) -> None:
    path = real_media(name)
    length = min(probe(path).duration_s, Fraction(24))
    small = spec(24, 32, 18)
    full = whole(open_frames(path, start_s=Fraction(0), duration_s=length, spec=small))
    for first in (50, len(full) // 2 + 7, len(full) - 13):
        part = open_frames(path, start_s=Fraction(first, 24), duration_s=Fraction(12, 24), spec=small)
        assert np.array_equal(whole(part), full[first : first + 12])


def test_seeking_in_long_groups(make_movie: MakeMovie) -> None:
    path = make_movie("a.mp4", [i % 200 + 20 for i in range(300)], gop=250, size=(32, 32))
    small = spec(25, 16, 16)
    full = whole(open_frames(path, start_s=Fraction(0), duration_s=Fraction(12), spec=small))
    for first in (60, 249, 250, 251, 290):
        part = open_frames(path, start_s=Fraction(first, 25), duration_s=Fraction(10, 25), spec=small)
        assert np.array_equal(whole(part), full[first : first + 10])


def test_media_time_starts_at_the_first_picture(make_movie: MakeMovie) -> None:
    shades = [20 * i + 20 for i in range(10)]
    for offset_s in (Fraction(0), Fraction(3, 2), Fraction(-3, 25)):
        times = [offset_s + Fraction(i, 25) for i in range(10)]
        path = make_movie(f"from{float(offset_s)}.mp4", shades, times=times)
        # Pictures before time 0 are cut by the edit list that the container then writes.
        cut = max(0, round(-offset_s * 25))
        got = levels(open_frames(path, start_s=Fraction(0), duration_s=Fraction(10 - cut, 25), spec=spec(25)))
        assert np.abs(got - shades[cut:]).max() < 3


def test_one_frame_past_the_end_is_held_and_more_is_refused(make_movie: MakeMovie) -> None:
    path = make_movie("a.mp4", [40] * 24 + [200], rate=Fraction(25))
    held = levels(open_frames(path, start_s=Fraction(0), duration_s=Fraction(26, 25), spec=spec(25)))
    assert len(held) == 26 and held[-1] > 190
    for start_s, duration_s in [
        (Fraction(0), Fraction(6, 5)),
        (Fraction(1, 2), Fraction(1)),
        (Fraction(9), Fraction(1)),
    ]:
        with pytest.raises(MediaError, match=r"ends at 1\.000 s"):
            open_frames(path, start_s=start_s, duration_s=duration_s, spec=spec(25))


def test_impossible_stretches_are_refused(make_movie: MakeMovie) -> None:
    path = make_movie("a.mp4", [40] * 5)
    for start_s, duration_s in [(Fraction(-1), Fraction(1)), (Fraction(0), Fraction(0))]:
        with pytest.raises(MediaError, match="must start at 0 or later"):
            open_frames(path, start_s=start_s, duration_s=duration_s, spec=spec(25))


def test_reading_stretches_equals_reading_all(make_movie: MakeMovie) -> None:
    frames = open_frames(
        make_movie("a.mp4", list(range(20, 220, 4))), start_s=Fraction(0), duration_s=Fraction(2), spec=spec(25, 16, 12)
    )
    full = whole(frames)
    assert full.shape == (50, 12, 16, 3)
    assert np.array_equal(np.concatenate([frames.read(30, 50), frames.read(0, 30)]), np.roll(full, -30, axis=0))
    assert len(frames.read(45, 60)) == 5 and len(frames.read(7, 7)) == 0


def test_damage_on_the_way_names_the_time_reached(real_media: Callable[[str], Path]) -> None:
    damaged = {
        "decord__corrupted.mp4": (Fraction(5), "decoding stopped after 2"),
        "derived__truncated_faststart_hammer.mp4": (Fraction(9), r"5\.(458|500) s"),
    }
    for name, (duration_s, words) in damaged.items():
        with pytest.raises(MediaError, match=words):
            open_frames(real_media(name), start_s=Fraction(0), duration_s=duration_s, spec=spec(24, 32, 18))
    before_it = open_frames(
        real_media("decord__corrupted.mp4"), start_s=Fraction(0), duration_s=Fraction(2), spec=spec()
    )
    assert before_it.num_frames == 48


def test_one_pixel_is_refused_in_words(real_media: Callable[[str], Path]) -> None:
    path = real_media("moviepy__dash-video-with-dash-.mp4")
    with pytest.raises(MediaError, match="1x1 pixels"):
        open_frames(path, start_s=Fraction(0), duration_s=Fraction(1), spec=spec())
