"""Parts that need no Ray: blocks, a worker in this process, and the message without Ray."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from avlink_ray import generator, plugin, worker
from avlink_ray.blocks import BlockLayout, RayFrames, RaySound, blocks_of, layout_of, spool
from avlink_ray.generator import RayGenerator
from avlink_ray.messages import BackendSpec, ErrorReport, GeneratorInfo, Request, report_of
from avlink_ray.options import RayOptions
from hypothesis import given
from hypothesis import strategies as st

import avlink
from avlink import testing
from avlink.core.errors import BundleError, ExecutorError, InputError, PluginError, RecipeError
from avlink.core.recipe import SonifyRecipe, check_values
from avlink.core.values import Frames, Prompt, SoundRequest, Waveform
from avlink.hooks import ReadyBackend, make_registry, resolve_backend

REGISTRY = make_registry(testing, plugin)


def tone(**options: object) -> ReadyBackend:
    table = {"name": "tone", "options": options, "on": {"use": "ray", "workers": 3}}
    return resolve_backend(check_values(SonifyRecipe, {"backend": table}), REGISTRY)


def spec(ready: ReadyBackend, **other: str) -> BackendSpec:
    told = {
        "backend": ready.name,
        "options": ready.options.model_dump_json(),
        "fingerprint": ready.fingerprint(),
        "version": avlink.__version__,
        "device": "cpu",
        "folder": str(Path.cwd()),
    }
    return BackendSpec(**{**told, **other})


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Return the distributions that a worker finds."""
    monkeypatch.setattr(worker, "load_registry", lambda: REGISTRY)
    monkeypatch.chdir(Path.cwd())


class TestBlocks:
    @given(st.integers(1, 40), st.integers(1, 11), st.integers(-5, 45), st.integers(-5, 45))
    def test_what_is_read_far_away_is_what_is_here(self, length: int, step: int, start: int, stop: int) -> None:
        dice = np.random.default_rng(length)
        frames = Frames(pixels=dice.integers(0, 256, (length, 3, 4, 3), np.uint8), rate=Fraction(25, 2))
        sound = Waveform(samples=dice.standard_normal((2, length)).astype(np.float32), sample_rate=16000)
        for source, far in ((frames, RayFrames), (sound, RaySound)):
            whole = layout_of(source)
            shape = BlockLayout(rate=whole.rate, size=whole.size, length=length, block_length=step)
            blocks = [*blocks_of(source, shape)]
            assert len(blocks) == shape.count
            read = far(shape, range(shape.count), lambda at, blocks=blocks: blocks[at]).read(start, stop)
            assert np.array_equal(read, source.read(start, stop)) and read.dtype == source.read(0, 1).dtype
            again = spool(iter(blocks), shape)
            assert np.array_equal(again.read(0, length), source.read(0, length))
            assert layout_of(again) == whole

    def test_a_block_has_some_megabytes_of_whatever_it_is(self) -> None:
        film = Frames(pixels=np.broadcast_to(np.uint8(0), (9000, 384, 680, 3)), rate=Fraction(25))
        shape = layout_of(film)
        assert shape.block_length * 384 * 680 * 3 <= 1 << 24 < (shape.block_length + 1) * 384 * 680 * 3
        assert not shape.is_sound and shape.count == -(-9000 // shape.block_length)


class TestWorker:
    def ask(self, id: int = 4, frames: int = 6) -> tuple[Request, Frames]:
        source = Frames(pixels=np.zeros((frames, 8, 8, 3), np.uint8), rate=Fraction(4))
        duration_s = Fraction(frames, 4)
        return Request(id=id, layout=layout_of(source), duration_s=duration_s, prompt=Prompt(text="a"), seed=7), source

    def answer(self, monkeypatch, far: worker.RayWorker, frames: int = 6):
        fake = type(sys)("ray")
        fake.get = lambda block: block
        monkeypatch.setitem(sys.modules, "ray", fake)
        request, source = self.ask(frames=frames)
        return far.generate(request, [*blocks_of(source, request.layout)])

    def test_it_answers_as_the_backend_does(self, monkeypatch) -> None:
        backend = tone(steps=3)
        far = worker.RayWorker(spec(backend))
        _, described = far.describe()
        generator = testing.ToneGenerator(backend.options)
        assert described == GeneratorInfo(sample_rate=16000, picture=generator.picture)
        shape = self.answer(monkeypatch, far)
        assert isinstance(shape, BlockLayout) and shape.length == 24000 and far.progress() is None
        made = np.concatenate([*far.read(shape)], axis=1)
        request, source = self.ask()
        told = {"duration_s": request.duration_s, "prompt": request.prompt, "seed": request.seed}
        (expected,) = generator.generate([SoundRequest(frames=source, **told)])
        assert np.array_equal(made, expected.samples)

    def test_what_fails_is_an_answer(self, monkeypatch) -> None:
        far = worker.RayWorker(spec(tone()))
        far._generator = type("Broken", (), {"generate": lambda *_, **__: 1 / 0})()
        failure = self.answer(monkeypatch, far)
        assert isinstance(failure, ErrorReport) and failure.id == 4
        assert isinstance(failure.error(), PluginError)
        assert str(failure.error()) == "ZeroDivisionError: division by zero"

    def test_one_that_would_make_another_sound_refuses(self) -> None:
        for other in ({"fingerprint": "of another model"}, {"version": "0.0.9"}):
            _, said = worker.RayWorker(spec(tone(), **other)).describe()
            assert isinstance(said, ErrorReport)
            with pytest.raises(ExecutorError, match="would make another sound"):
                raise said.error()

    def test_a_backend_that_is_not_there_is_named(self) -> None:
        _, said = worker.RayWorker(spec(tone(), backend="tune")).describe()
        assert isinstance(said, ErrorReport) and isinstance(said.error(), RecipeError)
        assert "backend 'tune' is not registered; did you mean 'tone'?" in said.text


@pytest.mark.parametrize(
    ("error", "comes_back"),
    [(BundleError("no bundle"), BundleError), (MemoryError("no room"), MemoryError), (KeyError("x"), PluginError)],
)
def test_errors_come_back_as_what_they_are(error: Exception, comes_back: type[Exception]) -> None:
    assert type(report_of(error).error()) is comes_back


def test_without_ray_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'avlink\[ray\]'"):
        tone().load("auto")


def test_a_driver_that_ends_is_a_cluster_that_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The process that talks to Ray, when Ray ends it: here it ends because of what is on its path."""
    (tmp_path / "ray.py").write_text("import os; os._exit(1)")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ExecutorError, match=r"^the Ray cluster at 'there:1' is gone; start it again"):
        RayGenerator(tone(), RayOptions(address="there:1"), "cpu")


def test_offering_it_imports_nothing_heavy() -> None:
    code = "import sys, avlink_ray.plugin as p; p.avlink_executors(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "av", "ray"} & set(loaded)


def test_the_key_is_that_of_here() -> None:
    alone = resolve_backend(check_values(SonifyRecipe, {"backend": {"name": "tone"}}), REGISTRY)
    assert (tone().name, tone().fingerprint()) == (alone.name, alone.fingerprint())
