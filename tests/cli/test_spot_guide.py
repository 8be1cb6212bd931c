"""`avlink spot --guide --preview` as a program: pictures with their true sound, and the movie to check it by."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avlink.core.values import Frames, Waveform
from avlink.foundry import FRAME_RATE, make_clips
from avlink.media.audio import read_audio
from avlink.media.clicks import click
from avlink.media.movie import write_video
from avlink.metrics.sync import match_onsets


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """A movie of a clip with wooden blows and its true sound, with the times of its events."""
    batch = make_clips(range(1_000_000, 1_000_016), split="held_out")
    for info, pixels, sound in zip(batch.clips, batch.frames, batch.sound, strict=True):
        if len(info.events) >= 5 and {event.material for event in info.events} <= {"wood", "stone", "cloth"}:
            path = tmp_path_factory.mktemp("film") / "blows.mp4"
            length_s = len(pixels) / FRAME_RATE
            rate = round(len(sound) / length_s)
            frames = Frames(pixels=pixels.numpy(), rate=Fraction(FRAME_RATE))
            wave = Waveform(samples=np.asarray(sound, np.float32)[None], sample_rate=rate)
            write_video(path, frames, sound=wave, scale=4, smooth=True)
            return path, [event.time_s for event in info.events]
    raise AssertionError("no such clip")


def test_what_is_heard_is_marked_and_shown(program: Callable[..., object], film: tuple[Path, list[float]]) -> None:
    path, events_s = film
    ran = program("spot", path, "--spotter", "motion-peaks", "--guide", "production", "--preview", "--json")
    assert ran.code == 0, ran.err
    (item,) = ran.json["items"]
    times_s = [hit["time_s"] for hit in item["hits"]]
    assert match_onsets(events_s, times_s, 0.05).f1 >= 0.9
    assert all(hit["heard"] for hit in item["hits"])
    preview = path.with_name("blows.spotted.mp4")
    assert ran.json["preview"] == str(preview)
    with av.open(str(preview)) as container, av.open(str(path)) as before:
        shown, film_stream = container.streams.video[0], before.streams.video[0]
        assert (shown.frames, shown.average_rate) == (film_stream.frames, film_stream.average_rate)
    heard = read_audio(preview, sample_rate=48000).samples[0]
    one = click(48000)
    for time_s in times_s:
        at = round(time_s * 48000)
        if 300 < at < len(heard) - 2000:
            near = heard[at - 200 : at + 200 + len(one)]
            assert abs(int(np.correlate(near, one, "valid").argmax()) - 200) <= 5


def test_a_preview_never_replaces_a_film(avlink: Callable[..., object], film: tuple[Path, list[float]]) -> None:
    path, _ = film
    before = path.read_bytes()
    asked = ("--spotter", "motion-peaks", "--preview", "--overwrite", "-o", path.with_suffix(".otio"))
    ran = avlink("spot", path, *asked)
    assert ran.code == 2 and "blows.mp4" in ran.err and "Traceback" not in ran.err
    assert path.read_bytes() == before and not path.with_suffix(".otio").exists()


def test_a_guide_that_is_not_there_is_told_in_one_sentence(
    avlink: Callable[..., object], film: tuple[Path, list[float]]
) -> None:
    ran = avlink("spot", film[0], "--guide", film[0].with_name("none.wav"))
    assert ran.code == 2 and "does not exist or is no file" in ran.err and len(ran.err.strip().splitlines()) == 1
