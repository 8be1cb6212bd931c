"""Sound and picture together: what is written comes back in sync, and the copied picture stays what it was."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from avlink.core.clock import to_index
from avlink.core.errors import MediaError, OutputError
from avlink.core.sound import AmplifiedSound
from avlink.core.values import Frames, PictureSpec, Waveform
from avlink.media.audio import read_audio
from avlink.media.composite import Ramp, Segment, composite_frames
from avlink.media.frames import open_frames
from avlink.media.mix import Mixdown, PlacedSound, within_full_scale
from avlink.media.movie import write_movie, write_video
from avlink.media.mux import mux_sound
from avlink.media.probe import probe, require_video

MakeMovie = Callable[..., Path]
CLICKS_S = (Fraction(1, 2), Fraction(1), Fraction(9, 4))


def clicks(rate: int = 48000, seconds: int = 3, channels: int = 1) -> Waveform:
    """Clicks whose energy lies around each of CLICKS_S, symmetric to half a sample."""
    samples = np.zeros((channels, rate * seconds), np.float32)
    for time_s in CLICKS_S:
        samples[:, to_index(time_s, rate) - 16 : to_index(time_s, rate) + 17] = 0.9 * np.hanning(33)
    return Waveform(samples=samples, sample_rate=rate)


def click_times(wave: Waveform) -> list[float]:
    found = []
    for time_s in CLICKS_S:
        first = to_index(time_s - Fraction(1, 10), wave.sample_rate)
        energy = wave.samples[0, first : first + wave.sample_rate // 5].astype(float) ** 2
        found.append((first + (energy * np.arange(len(energy))).sum() / energy.sum()) / wave.sample_rate)
    return found


def flashes(rate: Fraction, seconds: int = 3) -> list[int]:
    lit = {to_index(time_s, rate) for time_s in CLICKS_S}
    return [230 if index in lit else 20 for index in range(to_index(Fraction(seconds), rate))]


def lit_frames(path: Path, rate: Fraction, seconds: Fraction) -> list[int]:
    spec = PictureSpec(rate=rate, width=16, height=12)
    frames = open_frames(path, start_s=Fraction(0), duration_s=seconds, spec=spec)
    return np.flatnonzero(frames.read(0, frames.num_frames).mean(axis=(1, 2, 3)) > 120).tolist()


def coded_picture(path: Path) -> list[bytes]:
    with av.open(str(path), metadata_errors="ignore") as container:
        return [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]


@pytest.mark.parametrize("start_s", [Fraction(0), Fraction(7, 5)])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v", ".mkv", ".ts"])
def test_flash_and_click_stay_together(make_movie: MakeMovie, tmp_path: Path, suffix: str, start_s: Fraction) -> None:
    rate = Fraction(25)
    times = [start_s + index / rate for index in range(75)]
    source = make_movie("in.mp4", flashes(rate), times=times)
    out = tmp_path / f"out{suffix}"
    mux_sound(source, clicks(), out)
    assert lit_frames(out, rate, Fraction(29, 10)) == [to_index(time_s, rate) for time_s in CLICKS_S]
    assert click_times(read_audio(out, sample_rate=48000)) == pytest.approx([float(t) for t in CLICKS_S], abs=0.001)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("rate", ["12", "25/2", "15", "16", "24000/1001", "30000/1001"])
def test_the_sound_of_a_movie_is_as_long_as_its_picture_to_the_sample(
    make_movie: MakeMovie, tmp_path: Path, rate: str, suffix: str
) -> None:
    picture = make_movie(f"film{suffix}", [40] * 81, rate=Fraction(rate))
    samples = round(81 / Fraction(rate) * 48000)
    out = tmp_path / f"out{suffix}"
    mux_sound(picture, Waveform(samples=np.zeros((1, samples), np.float32), sample_rate=48000), out)
    with av.open(str(out)) as container:
        sound, video = container.streams.audio[0], container.streams.video[0]
        assert sound.duration == samples
        assert sound.time_base == Fraction(1, 48000)
        assert abs(video.duration * video.time_base - 81 / Fraction(rate)) <= 2 * video.time_base


def test_pictures_cut_by_an_edit_list_stay_cut(make_movie: MakeMovie, tmp_path: Path) -> None:
    rate, out = Fraction(25), tmp_path / "out.mp4"
    times = [index / rate - Fraction(8, 25) for index in range(83)]
    source = make_movie("in.mp4", [230] * 8 + flashes(rate), times=times)
    mux_sound(source, clicks(), out)
    assert lit_frames(out, rate, Fraction(29, 10)) == [to_index(time_s, rate) for time_s in CLICKS_S]
    assert click_times(read_audio(out, sample_rate=48000)) == pytest.approx([float(t) for t in CLICKS_S], abs=0.001)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("derived__noaudio_dog.mp4", ".mp4"),
        ("derived__mpegts_metal.ts", ".ts"),
        ("derived__mjpeg_avi_metal.avi", ".avi"),
        ("derived__av1_opus_drum.webm", ".webm"),
        ("derived__av1_opus_drum.webm", ".mp4"),
        ("derived__hevc10_hammer.mp4", ".mov"),
        ("derived__vfr_metal.mp4", ".mkv"),
        ("exoplayer__sample.flv", ".flv"),
        ("exoplayer__video_desks.3gp", ".3gp"),
    ],
)
def test_real_pictures_are_copied_bit_for_bit(
    real_media: Callable[[str], Path], tmp_path: Path, name: str, suffix: str
) -> None:
    out = tmp_path / f"out{suffix}"
    mux_sound(real_media(name), clicks(), out)
    assert coded_picture(out) == coded_picture(real_media(name))
    assert click_times(read_audio(out, sample_rate=48000)) == pytest.approx([float(t) for t in CLICKS_S], abs=0.001)
    before, after = probe(real_media(name)), probe(out)
    assert abs(before.duration_s - after.duration_s) < Fraction(2, 1000)


def test_rotation_and_timecode_stay(real_media: Callable[[str], Path], tmp_path: Path) -> None:
    for suffix in (".mov", ".mp4", ".mkv"):
        mux_sound(real_media("decord__video_90.mov"), clicks(), tmp_path / f"turned{suffix}")
        assert require_video(probe(tmp_path / f"turned{suffix}")).rotation == -90
    if int(av.__version__.split(".")[0]) < 18:
        # PyAV 17 gives the copied stream no rate, without which libavformat writes no timecode.
        return
    mux_sound(real_media("derived__tc_df_2997_dog.mov"), clicks(), tmp_path / "timed.mov")
    assert require_video(probe(tmp_path / "timed.mov")).timecode == "00:59:58;10"


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (96000, 1)])
def test_any_sound_fits(make_movie: MakeMovie, tmp_path: Path, rate: int, channels: int) -> None:
    out = tmp_path / "out.mp4"
    mux_sound(make_movie("in.mp4", [50] * 75), clicks(rate, channels=channels), out)
    assert click_times(read_audio(out, sample_rate=48000)) == pytest.approx([float(t) for t in CLICKS_S], abs=0.001)


def test_what_does_not_fit_is_said(make_movie: MakeMovie, real_media: Callable[[str], Path], tmp_path: Path) -> None:
    source = make_movie("in.mp4", [50] * 25)
    with pytest.raises(MediaError, match=r"\.webm does not take"):
        mux_sound(source, clicks(), tmp_path / "out.webm")
    with pytest.raises(OutputError, match="choose one of these suffixes"):
        mux_sound(source, clicks(), tmp_path / "out.xyz")
    with pytest.raises(OutputError, match="cannot be written"):
        mux_sound(source, clicks(), tmp_path / "missing" / "out.mp4")
    soundfile.write(tmp_path / "sound.wav", np.zeros(480), 48000)
    with pytest.raises(MediaError, match="no picture"):
        mux_sound(tmp_path / "sound.wav", clicks(), tmp_path / "out.mp4")
    with pytest.raises(MediaError, match="cut short"):
        mux_sound(real_media("derived__truncated_faststart_hammer.mp4"), clicks(), tmp_path / "out.mp4")


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(24000, 1001), Fraction(30), Fraction(6)])
@pytest.mark.parametrize(("width", "height", "scale"), [(32, 18, 1), (17, 13, 1), (16, 9, 4)])
def test_written_frames_come_back(tmp_path: Path, rate: Fraction, width: int, height: int, scale: int) -> None:
    path, levels = tmp_path / "a.mp4", [(67 * index) % 200 + 20 for index in range(20)]
    pixels = np.ones((20, height, width, 3), np.uint8) * np.array(levels, np.uint8)[:, None, None, None]
    write_video(path, Frames(pixels=pixels, rate=rate), crf=4, scale=scale)
    info = probe(path)
    video = require_video(info)
    assert video.rate == rate and abs(info.duration_s - 20 / rate) < Fraction(1, 1000)
    assert (video.width, video.height) == (width * scale + width * scale % 2, height * scale + height * scale % 2)
    spec = PictureSpec(rate=rate, width=width, height=height)
    got = open_frames(path, start_s=Fraction(0), duration_s=20 / rate, spec=spec).read(0, 20)
    assert np.abs(got.mean(axis=(1, 2, 3)) - levels).max() < 4


def test_written_frames_and_sound_are_in_sync(tmp_path: Path) -> None:
    path, rate = tmp_path / "a.mp4", Fraction(24)
    pixels = np.ones((72, 18, 32, 3), np.uint8) * np.array(flashes(rate), np.uint8)[:, None, None, None]
    write_video(path, Frames(pixels=pixels, rate=rate), sound=clicks(16000))
    assert lit_frames(path, rate, Fraction(3)) == [12, 24, 54]
    assert click_times(read_audio(path, sample_rate=48000)) == pytest.approx([float(t) for t in CLICKS_S], abs=0.001)


def _nothing_lost(segment: Segment, error: MediaError) -> None:
    raise error


def _levels(segments: list[Segment], seconds: int, rate: int = 24) -> list[float]:
    images = composite_frames(
        segments, duration_s=Fraction(seconds), rate=Fraction(rate), width=32, height=24, on_lost=_nothing_lost
    )
    return [float(image.mean()) for image in images]


def test_what_comes_in_a_dissolve_lies_over_what_goes(make_movie: MakeMovie) -> None:
    dark, bright = make_movie("dark.mp4", [40] * 48), make_movie("bright.mp4", [200] * 48)
    over = Ramp(start_s=Fraction(1, 2), end_s=Fraction(3, 2), rising=True)
    levels = _levels(
        [
            Segment(path=dark, at_s=Fraction(0), duration_s=Fraction(3, 2)),
            Segment(path=bright, at_s=Fraction(1, 2), duration_s=Fraction(3, 2), ramps=(over,)),
        ],
        2,
    )
    wanted = [40 + 160 * min(1.0, max(0.0, (index + 0.5) / 24 - 0.5)) for index in range(48)]
    np.testing.assert_allclose(levels, wanted, atol=4)


def test_a_picture_that_fades_alone_goes_to_what_lies_under_it(make_movie: MakeMovie) -> None:
    dark, bright = make_movie("dark.mp4", [40] * 48), make_movie("bright.mp4", [200] * 48)
    go = Ramp(start_s=Fraction(1, 2), end_s=Fraction(1), rising=False)
    top = Segment(path=bright, at_s=Fraction(0), duration_s=Fraction(1), ramps=(go,))
    under = Segment(path=dark, at_s=Fraction(1, 2), duration_s=Fraction(1))
    levels = _levels([under, top], 2)
    assert abs(levels[0] - 200) < 4 and levels[-1] < 4 and abs(levels[30] - 40) < 4
    assert abs(levels[18] - (40 + 160 * (1 - (18.5 - 12) / 12))) < 5
    black = _levels([top], 1)
    assert abs(black[18] - 200 * (1 - (18.5 - 12) / 12)) < 5


def test_media_that_breaks_off_is_black_from_there_on_and_is_told(make_movie: MakeMovie, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no film at all")
    lost: list[str] = []
    images = composite_frames(
        [Segment(path=tmp_path / "broken.mp4", at_s=Fraction(0), duration_s=Fraction(1))],
        duration_s=Fraction(1),
        rate=Fraction(24),
        width=32,
        height=24,
        on_lost=lambda segment, error: lost.append(str(error)),
    )
    assert [image.max() for image in images] == [0] * 24
    assert len(lost) == 1 and "broken.mp4" in lost[0]


def test_sounds_are_added_at_their_places(tmp_path: Path) -> None:
    one = Waveform(samples=np.full((1, 100), 0.75, np.float32), sample_rate=48000)
    two = Waveform(samples=np.stack([np.arange(100), -np.arange(100)]).astype(np.float32) / 200, sample_rate=48000)
    parts = [PlacedSound(sound=one, at=50, num_samples=60, first=10), PlacedSound(sound=two, at=80, num_samples=100)]
    mix = Mixdown(parts, sample_rate=48000, channels=2, num_samples=200)
    whole = mix.read(0, 200)
    assert not whole[:, :50].any() and not whole[:, 180:].any() and (whole[:, 50:80] == 0.75).all()
    np.testing.assert_allclose(whole[0, 80:110], 0.75 + np.arange(30) / 200)
    np.testing.assert_allclose(whole[1, 110:180], -np.arange(30, 100) / 200)
    np.testing.assert_array_equal(np.concatenate([mix.read(0, 77), mix.read(77, 200)], axis=1), whole)
    loud = within_full_scale(AmplifiedSound(mix, 4.0))
    assert np.abs(loud.read(0, 200)).max() == pytest.approx(1) and within_full_scale(mix) is mix


def test_a_preview_shows_each_segment_in_its_place(make_movie: MakeMovie, tmp_path: Path) -> None:
    rate, out = Fraction(24000, 1001), tmp_path / "preview.mp4"
    bright = make_movie("bright.mp4", list(range(60, 160, 2)), rate=Fraction(25))
    segments = [
        Segment(path=bright, at_s=Fraction(0), start_s=Fraction(1, 5), duration_s=Fraction(1)),
        Segment(path=bright, at_s=Fraction(3, 2), start_s=Fraction(1), duration_s=Fraction(3, 2)),
    ]
    images = composite_frames(segments, duration_s=Fraction(3), rate=rate, width=64, height=48, on_lost=_nothing_lost)
    write_movie(out, images, clicks(), rate=rate, width=64, height=48, crf=4)
    spec = PictureSpec(rate=rate, width=16, height=12)
    got = open_frames(out, start_s=Fraction(0), duration_s=Fraction(3), spec=spec)
    levels = got.read(0, got.num_frames).mean(axis=(1, 2, 3))
    assert len(levels) == to_index(Fraction(3), rate)
    for index, level in enumerate(levels):
        middle_s = (index + Fraction(1, 2)) / rate
        if index >= to_index(Fraction(3, 2), rate):
            source = min(49, int((1 + middle_s - Fraction(3, 2)) * 25))
        elif index >= to_index(Fraction(1), rate):
            assert level < 4
            continue
        else:
            source = int((Fraction(1, 5) + middle_s) * 25)
        assert abs(level - (60 + 2 * source)) < 4
    assert click_times(read_audio(out, sample_rate=48000)) == pytest.approx([float(t) for t in CLICKS_S], abs=0.001)
