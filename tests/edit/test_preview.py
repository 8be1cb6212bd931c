"""The preview: every clip as the timeline shows it, and each sound with its picture, to the frame."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import opentimelineio as otio
import pytest
import soundfile

from avlink import hookimpl, testing
from avlink.core.clock import to_index
from avlink.core.events import Message
from avlink.core.recipe import load_recipe
from avlink.core.values import Frames, OnStep, PictureSpec, SoundRequest, Waveform
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.hooks import Backend
from avlink.media.audio import read_audio
from avlink.media.movie import write_video
from avlink.session import Session, open_session


def _write(path: Path, levels: np.ndarray, rate: Fraction = Fraction(24), size: tuple[int, int] = (32, 32)) -> None:
    pixels = np.broadcast_to(levels.astype(np.uint8)[:, None, None, None], (len(levels), *size, 3))
    write_video(path, Frames(pixels=pixels, rate=rate), crf=4)


def _levels(path: Path | None) -> list[float]:
    assert path is not None
    with av.open(str(path)) as container:
        return [float(frame.to_ndarray(format="rgb24").mean()) for frame in container.decode(video=0)]


def _previewed(kit: Any, session: Session, folder: Path, timeline: otio.schema.Timeline, *asked: str) -> SonifyReport:
    otio.adapters.write_to_file(timeline, str(folder / "cut.otio"))
    recipe = kit.tone_recipe(folder, "write.preview=true", *asked)
    return sonify(SonifyRequest(input=folder / "cut.otio", recipe=recipe, device="cpu"), session)


def test_retimed_clips_are_seen_as_on_the_timeline(kit: Any, session: Session, tmp_path: Path) -> None:
    _write(tmp_path / "ramp.mp4", np.linspace(20, 230, 48))
    clips = []
    for speed, frames in ((2.0, 24), (-1.0, 24), (0.5, 24), (1.0, 24)):
        clip = kit.clip("ramp.mp4", 0, frames)
        if speed != 1.0:
            clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed))
        clips.append(clip)
    report = _previewed(kit, session, tmp_path, kit.timeline_of(*clips))
    assert report.preview == tmp_path / "cut.preview.mp4" and report.counts["generated"] == 4
    levels = _levels(report.preview)
    assert len(levels) == 96
    fast, backwards, slow, plain = (np.diff(levels[at : at + 24]).mean() for at in (0, 24, 48, 72))
    assert abs(fast / plain - 2) < 0.15 and abs(backwards / plain + 1) < 0.1 and abs(slow / plain - 0.5) < 0.1


def test_all_that_is_seen_is_shown_whatever_gets_a_sound(kit: Any, session: Session, tmp_path: Path) -> None:
    """A clip that is off, a hidden one, a gap, a missing one, a dissolve and another shape of picture."""
    _write(tmp_path / "dark.mp4", np.full(96, 50))
    _write(tmp_path / "bright.mp4", np.full(96, 200), size=(32, 64))
    silent = kit.clip("dark.mp4", 0, 24, name="silent")
    silent.metadata["avlink"] = {"mode": "off"}
    gap = otio.schema.Gap(duration=otio.opentime.RationalTime(12, 24))
    half = otio.opentime.RationalTime(6, 24)
    cross = otio.schema.Transition("x", "SMPTE_Dissolve", half, half)
    tail = [kit.clip("dark.mp4", 24, 24), cross, kit.clip("bright.mp4", 24, 24)]
    timeline = kit.timeline_of(silent, gap, kit.clip("gone.mp4", 0, 12), *tail)
    report = _previewed(kit, session, tmp_path, timeline)
    assert [item.status for item in report.items] == ["skipped", "failed", "generated", "generated"]
    levels = _levels(report.preview)
    assert len(levels) == 96
    # The wide picture has bars above and below in the frame of the first.
    wanted = [50] * 24 + [0] * 24 + [50] * 18 + [50 + 50 * (step + 0.5) / 12 for step in range(12)] + [100] * 18
    np.testing.assert_allclose(levels, wanted, atol=4)


class _Knock:
    """Answers every bright frame with a click at its start; it sees the pictures at their own rate."""

    sample_rate = 48000

    def __init__(self, rate: Fraction) -> None:
        self.picture = PictureSpec(rate=rate, width=8, height=8)

    def generate(self, requests: Sequence[SoundRequest], *, on_step: OnStep | None = None) -> list[Waveform]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: SoundRequest) -> Waveform:
        levels = request.frames.read(0, request.frames.num_frames).mean(axis=(1, 2, 3))
        samples = np.zeros((1, to_index(request.duration_s, self.sample_rate)), np.float32)
        for index in np.flatnonzero(levels > 200):
            at = to_index(int(index) / self.picture.rate, self.sample_rate)
            samples[0, at : at + 24] = 0.8
        return Waveform(samples=samples, sample_rate=self.sample_rate)


class _Plugin:
    def __init__(self, rate: Fraction) -> None:
        self._rate = rate

    @hookimpl
    def avlink_backends(self) -> list[Backend]:
        return [
            Backend(
                name="knock",
                direction="v2a",
                fingerprint=lambda options: "knock/1",
                load=lambda *_: _Knock(self._rate),  # type: ignore[arg-type]
            )
        ]


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(25), Fraction(30000, 1001)])
def test_sound_and_picture_of_a_preview_have_no_offset(kit: Any, tmp_path: Path, rate: Fraction) -> None:
    flashes = np.full(round(4 * rate), 20)
    flashes[[10, 31, 47, 70]] = 240
    _write(tmp_path / "flash.mp4", flashes, rate)
    session = open_session(device="cpu", registry=testing.fake_registry(_Plugin(rate)), cache=tmp_path / "cache")
    cuts = [kit.clip("flash.mp4", 5, 34, float(rate)), kit.clip("flash.mp4", 40, 50, float(rate))]
    timeline = kit.timeline_of(otio.schema.Gap(duration=otio.opentime.RationalTime(7, float(rate))), *cuts)
    timeline.global_start_time = otio.opentime.RationalTime(0, float(rate))
    otio.adapters.write_to_file(timeline, str(tmp_path / "cut.otio"))
    (tmp_path / "knock.toml").write_text('format = 1\nkind = "sonify"\n[backend]\nname = "knock"\n')
    recipe = load_recipe(tmp_path / "knock.toml", "sonify", ["write.preview=true"])
    report = sonify(SonifyRequest(input=tmp_path / "cut.otio", recipe=recipe, device="cpu"), session)
    assert report.preview is not None
    seen = [index for index, level in enumerate(_levels(report.preview)) if level > 130]
    assert seen == [12, 33, 48, 71]
    sound = np.abs(read_audio(report.preview, sample_rate=48000).samples[0])
    heard = np.flatnonzero(sound > 0.3)
    starts = heard[np.flatnonzero(np.diff(heard, prepend=-9999) > 2000)]
    np.testing.assert_allclose(starts / 48000, [float(index / rate) for index in seen], atol=0.0005)


def test_a_preview_says_what_it_cannot_show(kit: Any, session: Session, tmp_path: Path, told: list[Any]) -> None:
    _write(tmp_path / "short.mp4", np.full(48, 90))
    report = _previewed(kit, session, tmp_path, kit.timeline_of(kit.clip("short.mp4", 0, 48)))
    assert report.preview is not None and not any(isinstance(event, Message) for event in told)
    with av.open(str(report.preview)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (32, 32)
        assert container.streams.audio[0].rate == 48000


def test_the_project_s_own_sound_is_heard_where_it_lies_when_asked_for(
    kit: Any, session: Session, tmp_path: Path, told: list[Any]
) -> None:
    """A wave on A1, trimmed and twice as fast, a film's sound on A2 with a dissolve, and one whose file is gone."""
    _write(tmp_path / "grey.mp4", np.full(96, 90))
    tone = np.sin(2 * np.pi * 440 * np.arange(192000) / 48000) * 0.2
    soundfile.write(tmp_path / "tone.wav", np.stack([tone, 0 * tone], axis=1), 48000, subtype="PCM_24")
    fast = kit.clip("tone.wav", 24, 24)
    fast.effects.append(otio.schema.LinearTimeWarp(time_scalar=2.0))
    gap = otio.schema.Gap(duration=otio.opentime.RationalTime(24, 24))
    first = otio.schema.Track("A1", [gap, fast, kit.clip("gone.wav", 0, 12)], kind=otio.schema.TrackKind.Audio)
    silent = kit.clip("grey.mp4", 0, 96)
    silent.metadata["avlink"] = {"gain_db": -60.0}
    timeline = kit.timeline_of(silent)
    timeline.tracks.append(first)
    report = _previewed(kit, session, tmp_path, timeline, "write.preview_production=true")
    assert report.preview is not None
    sound = read_audio(report.preview, sample_rate=48000, mono=False).samples
    assert sound.shape[0] == 2
    heard = np.abs(sound[0]) > 0.05
    assert abs(np.argmax(heard) / 48000 - 1) < 0.01 and abs(np.flatnonzero(heard)[-1] / 48000 - 2) < 0.01
    spectrum = np.abs(np.fft.rfft(sound[0, 52000:92000] * np.hanning(40000)))
    assert abs(np.argmax(spectrum) * 48000 / 40000 - 880) < 3
    assert np.abs(sound[1]).max() < 0.02
    lost = [event.text for event in told if isinstance(event, Message)]
    assert len([text for text in lost if "gone" in text and "not heard in the preview" in text]) == 1
    quiet = _previewed(kit, session, tmp_path, timeline)
    assert quiet.preview is not None
    assert np.abs(read_audio(quiet.preview, sample_rate=48000).samples).max() < 0.02
