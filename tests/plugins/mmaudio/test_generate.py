"""Sound from the stand-in: of its own length and seed, where the picture is bright, in bounded memory."""

from __future__ import annotations

import os
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from avlink_mmaudio.generator import load
from avlink_mmaudio.plugin import LICENCE, avlink_backends

from avlink.core.clock import to_index
from avlink.core.errors import BundleError, InputError
from avlink.core.sound import read_whole


@pytest.fixture
def generator(options):
    return load(options(), "cpu")


def loudness(sound, at_s: float, length_s: float = 0.2) -> float:
    start, stop = round(at_s * sound.sample_rate), round((at_s + length_s) * sound.sample_rate)
    return float(np.sqrt((sound.read(start, stop) ** 2).mean()))


@pytest.mark.parametrize(
    "seconds", [Fraction(1, 25), Fraction(7, 10), Fraction(1001, 250), Fraction(8), Fraction(41, 5)]
)
def test_a_sound_is_as_long_as_is_asked(generator, kit, seconds: Fraction) -> None:
    frames = kit.Film(max(1 / 25, float(seconds)))
    (sound,) = generator.generate([kit.ask(frames, seconds=seconds)])
    assert generator.sample_rate == sound.sample_rate == 44100 and sound.channels == 1
    assert sound.num_samples == to_index(seconds, 44100)
    assert np.isfinite(sound.read(0, sound.num_samples)).all() and loudness(sound, 0) > 0


def test_it_is_loud_where_the_picture_is_bright_also_across_windows(generator, kit) -> None:
    steps: list[tuple[int, int]] = []
    request = kit.ask(kit.Film(16.4))
    (sound,) = generator.generate([request], on_step=lambda done, total: steps.append((done, total)))
    assert steps == [(step, 6) for step in range(1, 7)]
    for second in range(16):
        # Synchronisation sees segments of a third of a second.
        assert loudness(sound, second) > 2 * loudness(sound, second + 0.6), second


def test_a_sound_is_its_own_alone_and_in_a_batch(options, kit) -> None:
    generator = load(options(window_s=2.0, overlap_s=0.5), "cpu")
    requests = [
        kit.ask(kit.flashes(1, (0.4,)), text="a door", seed=5),
        kit.ask(kit.Film(3), text="steps", negative="music", seed=6),
        kit.ask(kit.flashes(1, (0.4,)), text="a door", seed=7),
    ]
    together = [read_whole(sound).samples for sound in generator.generate(requests)]
    for request, sound in zip(requests, together, strict=True):
        assert np.array_equal(read_whole(generator.generate([request])[0]).samples, sound)
    assert not np.array_equal(together[0], together[2]), "seeds change the sound"


def test_words_and_the_lack_of_a_picture_are_heard(options, kit) -> None:
    frames = kit.flashes(1, (0.4,))
    asked = {
        "": kit.ask(frames),
        "words": kit.ask(frames, text="a door"),
        "negative": kit.ask(frames, text="a door", negative="music"),
    }
    seeing, blind = load(options(), "cpu"), load(options(clip_picture=False), "cpu")
    sounds = [read_whole(one.generate([request])[0]).samples for one in (seeing, blind) for request in asked.values()]
    for index, sound in enumerate(sounds):
        assert not any(np.array_equal(sound, other) for other in sounds[:index])
    assert not np.array_equal(
        read_whole(load(options(guidance=2.0), "cpu").generate([asked["words"]])[0]).samples, sounds[1]
    )


def test_the_other_variant_and_the_other_precision(options, kit) -> None:
    small = load(options(variant="small_16k", precision="bfloat16"), "cpu")
    (sound,) = small.generate([kit.ask(kit.Film(3))])
    assert small.sample_rate == 16000 and sound.num_samples == 48000
    assert loudness(sound, 1) > 1.5 * loudness(sound, 1.6)


def test_ten_minutes_are_read_in_windows(generator, kit, monkeypatch) -> None:
    """The memory that is held at once does not grow with the clip."""
    seen: list[int] = []
    windows = -(-(600 - 1) // 7)
    frames = kit.Film(600, seen)
    made: list[int] = []
    monkeypatch.setattr(
        generator,
        "_window",
        lambda request, box, start_s, length_s, *rest: made.append(1) or np.zeros((1, 353280), "f4"),
    )
    (sound,) = generator.generate([kit.ask(frames)])
    assert len(made) == windows and sound.num_samples == 600 * 44100
    assert max(seen) == 1, "the shape of the picture is seen in single frames"
    monkeypatch.undo()
    seen.clear()
    generator.generate([kit.ask(kit.Film(9, seen))])
    assert max(seen) <= 25


def test_steps_may_interrupt(generator, kit) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generator.generate([kit.ask(kit.Film(2))], on_step=stop)


def test_nothing_is_left_of_being_offline(options, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    constants = type(sys)("huggingface_hub.constants")
    constants.HF_HUB_OFFLINE, constants.HF_HUB_CACHE = False, "elsewhere"
    monkeypatch.setitem(sys.modules, "huggingface_hub.constants", constants)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", "mine")
    load(options(), "cpu")
    assert "HF_HUB_OFFLINE" not in os.environ and os.environ["HF_HUB_CACHE"] == "mine"
    assert (constants.HF_HUB_OFFLINE, constants.HF_HUB_CACHE) == (False, "elsewhere")
    assert capsys.readouterr().out == "", "MMAudio's own prints would break --json"


def test_weights_that_do_not_fit_are_told_in_one_sentence(options, weights: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(weights, copy, symlinks=True)
    net = copy / "weights" / "mmaudio_large_44k_v2.pth"
    shutil.copy(weights / "weights" / "mmaudio_small_16k.pth", net)
    with pytest.raises(BundleError, match="cannot load the weights of 'large_44k_v2'") as caught:
        load(options(weights=str(copy)), "cpu")
    assert "\n" not in str(caught.value)
    net.write_bytes(b"no weights at all")
    with pytest.raises(BundleError, match="cannot load the weights"):
        load(options(weights=str(copy)), "cpu")


def test_what_mmaudio_itself_lacks_is_told(options, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mmaudio.eval_utils", None)
    with pytest.raises(InputError, match="is installed but cannot be imported"):
        load(options(), "cpu")


def test_the_licence_of_the_weights_is_declared() -> None:
    (backend,) = avlink_backends()
    assert backend.licence == LICENCE and "CC-BY-NC-4.0" in LICENCE
