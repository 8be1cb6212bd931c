"""Guides of a spotting: files along the timeline, the clips' own sound, and what becomes of hits that are seen."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from avlink import testing
from avlink.core.errors import InputError
from avlink.core.events import Event, Message
from avlink.core.hits import Hit
from avlink.core.recipe import load_recipe
from avlink.core.values import Frames, FrameSource, PictureSpec, Waveform
from avlink.edit.guide import open_guide_sound
from avlink.edit.heard_hits import SAME_S, merged
from avlink.edit.spot import spot
from avlink.edit.spot_input import SpotRequest
from avlink.edit.spot_report import SpotReport
from avlink.hooks import Spotter, hookimpl
from avlink.media.movie import write_video
from avlink.session import Session, open_session

RATE = 48000
BLOWS_S = [0.5, 1.25, 2.0, 2.7]


class Late:
    """A spotter that sees each white picture, two frames late, and calls it a step."""

    picture = PictureSpec(rate=Fraction(24), width=16, height=9)

    def spot(self, frames: FrameSource) -> Sequence[Hit]:
        pixels = frames.read(0, frames.num_frames)
        white = [index for index in range(len(pixels)) if pixels[index].mean() > 200]
        return [
            Hit(time_s=Fraction(index, 24) + Fraction(1, 50), kind="step", strength=0.3, place=(0.2, 0.7))
            for index in white
        ]


@pytest.fixture
def session(tmp_path: Path, told: list[Event]) -> Session:
    plugin = types.ModuleType("late")
    offer = [Spotter(name="late", fingerprint=lambda options: "1", load=lambda options, device: Late())]
    plugin.avlink_spotters = hookimpl(specname="avlink_spotters")(lambda: offer)  # type: ignore[attr-defined]
    registry = testing.fake_registry(plugin)
    return open_session(device="cpu", registry=registry, cache=tmp_path / "cache", listener=told.append)


def blows(times_s: Sequence[float], duration_s: float, *, gain: float = 1.0, rate: int = RATE) -> np.ndarray:
    rng = np.random.default_rng(5)
    sound = rng.standard_normal(round(duration_s * rate)) * 1e-4
    for time_s in times_s:
        start = round(time_s * rate)
        t = np.arange(min(rate // 5, len(sound) - start)) / rate
        sound[start : start + len(t)] += 0.4 * rng.standard_normal(len(t)) * np.exp(-t / 0.02)
    return (gain * sound).astype(np.float32)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Four seconds that turn white for a frame at 0.5 and 1.25 s, and at 3.5 s, of which nothing is heard."""
    return _film(tmp_path / "shot.mp4", blows(BLOWS_S, 4.0))


def _film(path: Path, sound: np.ndarray | None) -> Path:
    pixels = np.full((96, 36, 64, 3), 40, np.uint8)
    for index in range(96):
        # Something small moves all the time.
        pixels[index, 10:20, index % 50 : index % 50 + 10] = 120
    pixels[[12, 30, 84]] = 250
    heard = None if sound is None else Waveform(samples=sound[None], sample_rate=RATE)
    write_video(path, Frames(pixels=pixels, rate=Fraction(24)), sound=heard)
    return path


def _spot(film: Path, guide: str | None, session: Session, **options: object) -> SpotReport:
    recipe = load_recipe("spot", "spot", ['spotter.name="late"'])
    return spot(SpotRequest(input=film, recipe=recipe, guide=guide, device="cpu", **options), session)  # type: ignore[arg-type]


def _times(report: SpotReport) -> list[float]:
    return [float(hit.time_s) for item in report.items for hit in item.hits]


def _said(told: list[Event]) -> str:
    return "\n".join(event.text for event in told if isinstance(event, Message))


def test_the_clips_own_sound_says_when_and_the_picture_what(film: Path, session: Session) -> None:
    assert len(_times(_spot(film, None, session))) == 3
    report = _spot(film, "production", session, overwrite=True)
    assert _times(report) == pytest.approx(BLOWS_S, abs=0.005)
    (item,) = report.items
    assert all(hit.heard for hit in item.hits)
    assert [hit.kind for hit in item.hits] == ["step", "step", "hit", "hit"]
    assert [hit.source for hit in item.hits] == ["picture", "picture", "guide", "guide"]
    assert item.hits[0].place == (0.2, 0.7) and item.hits[0].strength > 0.5
    again = _spot(film, "production", session, overwrite=True)
    assert again.counts["cached"] == 1 and again.items[0].hits == item.hits


def test_a_film_without_sound_is_spotted_by_its_picture(tmp_path: Path, session: Session, told: list[Event]) -> None:
    silent = _film(tmp_path / "mute.mp4", None)
    assert len(_times(_spot(silent, "production", session))) == 3
    assert "no guide for mute.mp4: no sound of its own; what is marked there is what is seen" in _said(told)
    hushed = _film(tmp_path / "hushed.mp4", np.zeros(RATE * 4, np.float32))
    assert len(_times(_spot(hushed, "production", session))) == 3
    assert "its own sound is silent" in _said(told)


def test_a_guide_file_lies_at_the_start_or_where_its_timecode_says(
    film: Path, tmp_path: Path, session: Session
) -> None:
    soundfile.write(tmp_path / "guide.wav", blows([0.75], 4.0, rate=44100), 44100)
    assert _times(_spot(film, str(tmp_path / "guide.wav"), session)) == pytest.approx([0.75], abs=0.002)
    # The same sound from 01:00:00:00 on, on a timeline that begins a second before.
    clip = otio.schema.Clip("shot", otio.schema.ExternalReference(film.name), _range(0, 96))
    timeline = otio.schema.Timeline("cut", global_start_time=otio.opentime.RationalTime(3599 * 24, 24))
    timeline.tracks.append(otio.schema.Track("V1", [clip]))
    otio.adapters.write_to_file(timeline, str(tmp_path / "cut.otio"))
    _broadcast(tmp_path / "bwf.wav", blows([0.75], 4.0), reference=3600 * RATE)
    # Before it begins, at 1 s, what is seen counts.
    found = _times(_spot(tmp_path / "cut.otio", str(tmp_path / "bwf.wav"), session))
    assert found == pytest.approx([0.52, 1.75], abs=0.002)


def test_a_timecode_beside_the_timeline_does_not_count(
    film: Path, tmp_path: Path, session: Session, told: list[Event]
) -> None:
    _broadcast(tmp_path / "far.wav", blows([0.75], 4.0), reference=7200 * RATE)
    assert _times(_spot(film, str(tmp_path / "far.wav"), session)) == pytest.approx([0.75], abs=0.002)
    assert "the guide far.wav has a timecode that lies beside the timeline" in _said(told)


def test_beyond_the_end_of_a_guide_the_picture_counts(film: Path, tmp_path: Path, session: Session) -> None:
    soundfile.write(tmp_path / "short.wav", blows([0.5, 1.0], 2.0), RATE)
    # Heard at 0.5 and 1.0, seen at 3.5 where there is no guide; seen at 1.25 and not heard there.
    found = _times(_spot(film, str(tmp_path / "short.wav"), session))
    assert found == pytest.approx([0.5, 1.0, 3.52], abs=0.005)
    soundfile.write(tmp_path / "long.wav", blows([0.5, 3.0, 9.0], 12.0), RATE)
    assert _times(_spot(film, str(tmp_path / "long.wav"), session, overwrite=True)) == pytest.approx(
        [0.5, 3.0], abs=0.005
    )


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_all_channels_are_heard_even_where_they_cancel(tmp_path: Path, channels: int) -> None:
    sound = blows([0.5], 1.0)
    several = np.zeros((len(sound), channels), np.float32)
    several[:, -1] = sound
    if channels > 1:
        several[:, 0] = -sound
    soundfile.write(tmp_path / "guide.wav", several, RATE)
    heard = open_guide_sound(tmp_path / "guide.wav")
    assert heard.channels == 1 and np.abs(heard.read(0, heard.num_samples)).max() > 0.3
    assert heard.read(100, 300).shape == (1, 200)


@pytest.mark.parametrize(
    ("name", "fill", "said"),
    [
        ("none.wav", None, "does not exist or is no file"),
        ("silent.wav", lambda path: soundfile.write(path, np.zeros(RATE), RATE), "is silent"),
        ("text.wav", lambda path: path.write_text("once upon a time\n" * 50), "is a text file, not media"),
        ("mute.mp4", lambda path: _film(path, None), "has no sound"),
        ("cut.mp4", lambda path: _damaged(path), "is cut short"),
    ],
)
def test_what_is_no_guide_is_refused_in_one_sentence(
    film: Path, tmp_path: Path, session: Session, name: str, fill: Callable[[Path], object] | None, said: str
) -> None:
    if fill is not None:
        fill(tmp_path / name)
    with pytest.raises(InputError) as caught:
        _spot(film, str(tmp_path / name), session)
    assert said in str(caught.value) and name in str(caught.value) and "\n" not in str(caught.value)
    assert not film.with_name("shot.spotted.otio").exists()


def _range(start: int, frames: int) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(otio.opentime.RationalTime(start, 24), otio.opentime.RationalTime(frames, 24))


def _broadcast(path: Path, sound: np.ndarray, *, reference: int) -> None:
    """A Broadcast Wave file, written chunk by chunk as EBU Tech 3285 says."""
    pcm = (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()
    bext = bytearray(602)
    bext[338:346] = reference.to_bytes(8, "little")
    form = b"\x01\x00\x01\x00" + RATE.to_bytes(4, "little") + (RATE * 2).to_bytes(4, "little") + b"\x02\x00\x10\x00"
    chunks = b"".join(
        name + len(body).to_bytes(4, "little") + body
        for name, body in ((b"bext", bytes(bext)), (b"fmt ", form), (b"data", pcm))
    )
    path.write_bytes(b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WAVE" + chunks)


def _damaged(path: Path) -> None:
    _film(path, blows(BLOWS_S, 4.0))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])


moments = st.lists(st.integers(0, 400), max_size=12, unique=True)


@given(seen=moments, heard=moments, until=st.integers(0, 400))
def test_hits_that_are_heard_are_kept_once_and_others_only_beside_the_guide(
    seen: list[int], heard: list[int], until: int
) -> None:
    def at(time: int) -> Fraction:
        return Fraction(time, 100)

    seen_hits = [Hit(time_s=at(time), kind="step", place=(0.5, 0.5)) for time in seen]
    heard_hits = [Hit(time_s=at(time), strength=0.9, source="guide", heard=True) for time in sorted(heard)]
    result = merged(seen_hits, heard_hits, covered=(Fraction(0), at(until)))
    times = [hit.time_s for hit in result]
    assert times == sorted(times)
    assert sorted(hit.time_s for hit in result if hit.heard) == [hit.time_s for hit in heard_hits]
    steps = sum(hit.kind == "step" for hit in result)
    assert steps <= len(seen_hits)
    for hit in result:
        if not hit.heard:
            assert hit.time_s >= at(until) and hit in seen_hits
        elif hit.kind == "step":
            assert hit.strength == 0.9 and hit.place == (0.5, 0.5)
            assert any(abs(hit.time_s - one.time_s) <= SAME_S for one in seen_hits)
