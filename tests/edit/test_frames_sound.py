"""Sound for pictures in memory: as long as they are, by the seed that is given, and what fails is a sentence."""

from __future__ import annotations

from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from avlink import testing
from avlink.core.errors import MediaError, PluginError
from avlink.core.recipe import SonifyRecipe
from avlink.core.values import Frames, Prompt
from avlink.edit.frames_sound import sound_for_frames
from avlink.hooks import Backend, hookimpl
from avlink.session import Session, open_session


def frames(count: int = 24, rate: Fraction = Fraction(16), size: int = 32) -> Frames:
    return Frames(pixels=np.zeros((count, size, size, 3), np.uint8), rate=rate)


def heard(session: Session, recipe: SonifyRecipe, seen: Frames, seed: int = 0, **named: Any) -> Any:
    return sound_for_frames(seen, prompt=Prompt(), seed=seed, recipe=recipe, session=session, **named)


@pytest.mark.parametrize(("count", "rate"), [(24, Fraction(16)), (81, Fraction(16)), (7, Fraction(30000, 1001))])
def test_it_is_as_long_as_the_pictures(session: Session, recipe: SonifyRecipe, count: int, rate: Fraction) -> None:
    sound = heard(session, recipe, frames(count, rate))
    assert (sound.sample_rate, sound.num_samples) == (48000, round(count / rate * 48000))


def test_the_model_gets_the_seed_that_is_given(session: Session, recipe: SonifyRecipe) -> None:
    sound = heard(session, recipe, frames(32), seed=300)
    spectrum = np.abs(np.fft.rfft(sound.read(0, 96000)[0]))
    assert spectrum.argmax() / 2 == testing.tone_hz(300)
    assert len(session._loaded) == 1
    heard(session, recipe, frames(4))
    assert len(session._loaded) == 1


def test_what_cannot_be_seen_is_said(session: Session, recipe: SonifyRecipe) -> None:
    with pytest.raises(MediaError, match="no pictures"):
        heard(session, recipe, frames(0))
    with pytest.raises(MediaError, match="4x4 pixels"):
        heard(session, recipe, frames(size=4))


class _Failing(testing.ToneGenerator):
    def generate(self, requests: Any, *, on_step: Any = None) -> Any:
        raise ZeroDivisionError("odd")


class _Short(testing.ToneGenerator):
    def generate(self, requests: Any, *, on_step: Any = None) -> Any:
        return ()


@pytest.mark.parametrize(("kind", "words"), [(_Failing, "ZeroDivisionError: odd"), (_Short, "answered 0 of 1")])
def test_a_backend_that_fails_is_a_sentence(recipe: SonifyRecipe, tmp_path: Any, kind: Any, words: str) -> None:
    def offer() -> list[Backend]:
        return [
            Backend(
                name="tone",
                direction="v2a",
                options=testing.ToneOptions,
                fingerprint=lambda options: "failing",
                load=lambda options, device: kind(options),
            )
        ]

    plugin = ModuleType("failing")
    plugin.avlink_backends = hookimpl(offer)  # type: ignore[attr-defined]
    session = open_session(device="cpu", registry=testing.make_registry(plugin), cache=tmp_path / "cache")
    with pytest.raises(PluginError, match=f"backend 'tone' failed: .*{words}"):
        heard(session, recipe, frames())


def test_what_the_listener_raises_comes_through(session: Session, recipe: SonifyRecipe) -> None:
    def stop(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        heard(session, recipe, frames(), on_step=stop)
