"""Sound for frames in memory: every form that pipelines hand over is the same video, and nothing else is guessed."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from avlink_genvideo import Finisher, as_frames, finish, library
from avlink_genvideo.diffusers import WithSound
from avlink_genvideo.library import get_finisher
from PIL import Image

from avlink import measure_loudness, read_tags, testing
from avlink import session as surroundings
from avlink.core.errors import MediaError, OutputError
from avlink.core.values import Waveform

FORMS = {
    "uint8": lambda frames: frames,
    "TCHW": lambda frames: frames.transpose(0, 3, 1, 2),
    "float": lambda frames: frames / 255,
    "float16": lambda frames: (frames / 255).astype(np.float16),
    "torch": lambda frames: torch.from_numpy(frames),
    "torch TCHW in [0, 1]": lambda frames: torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255,
    "PIL": lambda frames: [Image.fromarray(frame) for frame in frames],
    "a batch of PIL": lambda frames: [[Image.fromarray(frame) for frame in frames]],
    "a batch": lambda frames: frames[None],
    "a list of arrays": list,
    "RGBA": lambda frames: np.concatenate([frames, np.full((*frames.shape[:3], 1), 255, np.uint8)], axis=3),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_video(kit: Any, form: str) -> None:
    frames = kit.strokes(5)
    seen = as_frames(FORMS[form](frames), 16)
    assert (seen.num_frames, seen.height, seen.width, seen.rate) == (5, 48, 64, 16)
    exact = 0 if form != "float16" else 1
    assert np.abs(seen.read(1, 4).astype(int) - frames[1:4]).max() <= exact
    assert seen.read(0, 5).dtype == np.uint8


def test_layouts_that_a_shape_does_not_tell_are_said(kit: Any) -> None:
    frames = kit.strokes(5)
    assert np.array_equal(as_frames(frames.transpose(3, 0, 1, 2), 16, layout="CTHW").read(0, 5), frames)
    narrow = np.zeros((5, 3, 40, 3), np.uint8)
    assert as_frames(narrow, 8, layout="TCHW").width == 3
    with pytest.raises(MediaError, match=r'does not tell its layout.*say layout="THWC" or "TCHW"'):
        as_frames(narrow, 8)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (np.zeros((4, 16, 16, 16), np.uint8), "no axis has 3 colours"),
        (np.zeros((16, 16, 3), np.uint8), "have the shape"),
        (np.zeros((2, 4, 16, 16, 3), np.uint8), "2 videos in one batch"),
        ([[Image.new("RGB", (16, 16))] * 2] * 2, "2 videos in one batch"),
        ([], "no frames"),
        (np.zeros((0, 16, 16, 3), np.uint8), "no frames"),
        ([Image.new("RGB", (16, 16)), Image.new("RGB", (18, 16))], "not all of one size"),
        (np.zeros((4, 16, 16, 3), np.int32), "uint8, or floating point"),
        (np.zeros((4, 16, 16, 3), bool), "uint8, or floating point"),
        (np.full((4, 16, 16, 3), 128.0), "divide by 255"),
        (np.full((4, 16, 16, 3), -0.9), r"give \(frames \+ 1\) / 2"),
        (np.full((4, 16, 16, 3), np.nan), "no numbers"),
        ("clip.mp4", "not str"),
        (None, "not NoneType"),
    ],
)
def test_what_is_no_video_is_said(frames: Any, words: str) -> None:
    with pytest.raises(MediaError, match=words):
        as_frames(frames, 16)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), "fast", None])
def test_a_rate_is_above_zero(fps: Any, kit: Any) -> None:
    with pytest.raises(MediaError, match="is no frame rate"):
        as_frames(kit.strokes(2), fps)


@pytest.fixture
def tone(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Options of a finisher with the tone backend, whatever is installed."""
    monkeypatch.setattr(surroundings, "load_registry", testing.fake_registry)
    library._shared.cache_clear()
    yield {"settings": ["backend.name=tone", "stems.post=[]"], "device": "cpu"}
    library._shared.cache_clear()


@pytest.mark.parametrize(("count", "fps"), [(81, 16), (24, 24000 / 1001), (7, 30)])
def test_the_sound_is_as_long_as_the_frames(kit: Any, tone: dict[str, Any], count: int, fps: float) -> None:
    wave = Finisher(**tone)(kit.strokes(count), fps)
    rate = Fraction(24000, 1001) if fps < 24 and fps > 23 else Fraction(fps)
    assert isinstance(wave, Waveform) and (wave.sample_rate, wave.channels) == (48000, 2)
    assert wave.num_samples == round(count / rate * 48000)


def test_the_same_asked_again_is_the_same_and_the_model_stays(kit: Any, tone: dict[str, Any]) -> None:
    make = Finisher(**tone)
    first, again = make(kit.strokes(20), 16, "rain", seed=3), make(kit.strokes(20), 16, "rain", seed=3)
    assert np.array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, make(kit.strokes(20), 16, "rain", seed=4).samples)
    assert len(make._session._loaded) == 1
    level = measure_loudness(first)
    assert level.lufs == pytest.approx(-23, abs=0.2) and level.true_peak_dbtp <= -1


def test_progress_is_told_and_may_end_the_work(kit: Any, tone: dict[str, Any]) -> None:
    told: list[tuple[int, int]] = []
    Finisher(**tone)(kit.strokes(4), 16, on_step=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]

    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        Finisher(**tone)(kit.strokes(4), 16, on_step=stop)


def test_frames_become_a_finished_file(kit: Any, tmp_path: Path, tone: dict[str, Any]) -> None:
    make = Finisher(**tone)
    path = make.write(tmp_path / "a.mp4", kit.strokes(12), 16, "(rain:1.2), 4k", tags={"parameters": "steps 20"})
    tags = read_tags(path)
    assert tags["parameters"] == "steps 20" and '"prompt": "rain"' in tags["avlink"]
    with pytest.raises(OutputError, match="a finished video is one of"):
        make.write(tmp_path / "a.gif", kit.strokes(12), 16)


class Answered:
    def __init__(self, frames: Any) -> None:
        self.frames = frames


@pytest.mark.parametrize("form", ["a batch", "a batch of PIL"])
def test_around_a_pipeline(kit: Any, tmp_path: Path, tone: dict[str, Any], form: str) -> None:
    asked: list[Any] = []

    def pipeline(prompt: str, num_frames: int) -> Answered:
        asked.append(prompt)
        return Answered(FORMS[form](kit.strokes(num_frames)))

    result = WithSound(pipeline, fps=16, **tone)(prompt="(rain:1.3) on tin", num_frames=12)
    assert asked == ["(rain:1.3) on tin"]
    (wave,) = result.audio
    assert wave.num_samples == 36000
    assert '"prompt": "rain on tin"' in read_tags(result.save(tmp_path / "a.mp4"))["avlink"]


def test_each_video_of_a_batch_has_its_own_words_and_seed(kit: Any, tone: dict[str, Any]) -> None:
    batch = np.stack([kit.strokes(8)] * 2)
    result = WithSound(lambda prompt: (batch,), fps=16, **tone)(["rain", "wind"])
    assert result.prompts == ("rain", "wind")
    assert not np.array_equal(result.audio[0].samples, result.audio[1].samples)
    with pytest.raises(MediaError, match="3 prompts for 2 videos"):
        WithSound(lambda prompt: (batch,), fps=16, **tone)(["a", "b", "c"])
    with pytest.raises(MediaError, match="has no frames"):
        WithSound(lambda: Answered(None), fps=16, **tone)()


def test_the_call_keeps_its_finisher(kit: Any, tone: dict[str, Any]) -> None:
    options = {**tone, "lufs": None}
    one, two = finish(kit.strokes(8), 16, seed=1, **options), finish(kit.strokes(8), 16, seed=1, **options)
    assert np.array_equal(one.samples, two.samples)
    assert get_finisher(**options) is get_finisher(**options)
    # Another loudness is another finisher, with the same model.
    assert get_finisher(**tone) is not get_finisher(**options)
    assert get_finisher(**tone)._session is get_finisher(**options)._session
    assert len(get_finisher(**options)._session._loaded) == 1
