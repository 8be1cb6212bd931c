from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avlink.core.errors import MediaError
from avlink.core.values import Waveform
from avlink.media.broadcast import BroadcastInfo
from avlink.media.bwf import write_bwf
from avlink.media.probe import probe, require_video


@pytest.mark.parametrize(
    "rate", [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(60)]
)
def test_constant_rates_and_lengths_are_exact(make_movie: Callable[..., Path], rate: Fraction) -> None:
    info = probe(make_movie("a.mp4", [90] * 30, rate=rate))
    video = require_video(info)
    assert video.rate == rate
    assert abs(info.duration_s - 30 / rate) < Fraction(1, 1000)
    assert (video.width, video.height, video.rotation, video.start_s) == (64, 48, 0, 0)


@pytest.mark.parametrize(
    ("name", "rate", "size", "rotation", "duration_s", "timecode"),
    [
        ("decord__video_90.mov", Fraction(30), (320, 568), -90, 0.1, None),
        ("auto-editor__SAR-2by3.mp4", Fraction(30), (427, 360), 0, 2.0, None),
        ("mediabunny__sar_2x1.mp4", Fraction(30), (1280, 360), 0, 5.0, None),
        ("exoplayer__sample.flv", Fraction(30), (1080, 720), 0, 1.0, None),
        ("derived__vfr_metal.mp4", Fraction(15), (604, 340), 0, 6.0, None),
        ("derived__mpegts_metal.ts", Fraction(15), (604, 340), 0, 6.0, None),
        ("moviepy__no_duration.webm", Fraction(15000, 1001), (1280, 720), 0, 4.939, None),
        ("derived__odd_size_ffv1_metal.mkv", Fraction(15), (151, 85), 0, 2.0, None),
        ("torchcodec__nasa_13013.mp4", Fraction(25), (320, 180), 0, 13.0, None),
        ("derived__tc_01000000_2398_hammer.mov", Fraction(24000, 1001), (426, 240), 0, 10.01, "01:00:00:00"),
        ("derived__tc_df_2997_dog.mov", Fraction(30000, 1001), (398, 224), 0, 6.006, "00:59:58;10"),
    ],
)
def test_real_files(
    real_media: Callable[[str], Path],
    name: str,
    rate: Fraction,
    size: tuple[int, int],
    rotation: int,
    duration_s: float,
    timecode: str | None,
) -> None:
    info = probe(real_media(name))
    video = require_video(info)
    assert (video.rate, (video.width, video.height), video.rotation, video.timecode) == (rate, size, rotation, timecode)
    assert float(info.duration_s) == pytest.approx(duration_s, abs=0.002)


def test_first_times_are_those_of_the_container(real_media: Callable[[str], Path]) -> None:
    assert float(require_video(probe(real_media("torchcodec__test_non_zero_start.mp4"))).start_s) == pytest.approx(
        8.333, abs=1e-3
    )
    late = probe(real_media("derived__audio_delay_0p5_bag.mp4"))
    assert late.audio is not None
    assert float(late.audio.start_s) == pytest.approx(0.476, abs=1e-3)


def test_tags_that_are_not_utf8_are_no_obstacle(real_media: Callable[[str], Path]) -> None:
    assert require_video(probe(real_media("exoplayer__video_desks.3gp"))).codec == "h263"


def test_cover_art_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=48000, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame(32, 32, "yuvj420p")))
        container.mux(cover.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux([*sound.encode(frame), *sound.encode(None)])
    info = probe(path)
    assert info.has_audio and not info.has_video
    assert float(info.duration_s) == pytest.approx(1.0, abs=0.05)
    with pytest.raises(MediaError, match="only sound"):
        require_video(info)


def test_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_bwf(path, Waveform(samples=np.zeros((2, 4800), np.float32), sample_rate=48000), BroadcastInfo())
    info = probe(path)
    assert info.duration_s == Fraction(1, 10)
    assert info.audio is not None and (info.audio.sample_rate, info.audio.channels) == (48000, 2)


BAD_FILES = {
    "missing.mp4": (None, "does not exist"),
    "empty.mp4": (b"", "zero bytes"),
    "text.mp4": (b"this is a note, not a film\n" * 40, "text file"),
    "noise.mp4": (bytes(range(256)) * 20, "damaged or in no media format"),
    "cut.mp4": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0\1\0\0mdat" + b"\7" * 4000, "cut short"),
    "nul\0name.mp4": (None, "does not exist|cannot be read"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_what_cannot_be_opened_is_said_in_one_sentence(tmp_path: Path, name: str) -> None:
    content, words = BAD_FILES[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError, match=words) as caught:
        probe(tmp_path / name)
    assert "\n" not in str(caught.value) and name.split("\0")[0] in str(caught.value)


def test_a_folder_is_no_media(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="is a folder"):
        probe(tmp_path)


def test_a_playlist_opens_no_other_place(tmp_path: Path) -> None:
    path = tmp_path / "list.mp4"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(MediaError):
        probe(path)


def test_a_still_is_no_movie(tmp_path: Path) -> None:
    path = tmp_path / "still.png"
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "rgb24"
        container.mux([*stream.encode(av.VideoFrame(32, 32, "rgb24")), *stream.encode(None)])
    with pytest.raises(MediaError, match="still picture"):
        probe(path)


def test_a_movie_of_a_few_pixels_has_nothing_to_see(make_movie: Callable[..., Path]) -> None:
    with pytest.raises(MediaError, match="2x2 pixels"):
        require_video(probe(make_movie("tiny.mp4", [0] * 3, size=(2, 2))))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("derived__zero_bytes.mp4", "zero bytes"),
        ("derived__text_not_video.mp4", "text file"),
        ("derived__truncated_hammer.mp4", "cut short"),
        ("derived__truncated_faststart_hammer.mp4", "cut short"),
        ("small__AudioVideoInterleave.avi", "not one picture"),
    ],
)
def test_real_bad_files(real_media: Callable[[str], Path], name: str, words: str) -> None:
    with pytest.raises(MediaError, match=words):
        probe(real_media(name))
