"""Backends that work elsewhere, and backends whose weights are not for everything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import opentimelineio as otio
import pytest

from avlink import testing
from avlink.core.errors import ExecutorError
from avlink.core.events import Event, Message
from avlink.core.values import SoundRequest
from avlink.edit.request import SonifyRequest
from avlink.edit.sonify import sonify
from avlink.hooks import Backend, Executor, Options, ReadyBackend, hookimpl, make_registry
from avlink.media.bwf import read_bwf_info
from avlink.session import Session, open_session

WORDS = "its weights are for research only (CC-BY-NC-4.0)"


class Far(testing.ToneGenerator):
    """The tone, as if it were far away."""

    at_once = 3

    def __init__(self, options: testing.ToneOptions, plugin: FarPlugin) -> None:
        super().__init__(options)
        self.plugin = plugin

    def generate(self, requests: Sequence[SoundRequest], *, on_step=None):
        if len(self.plugin.batches) == self.plugin.goes_after:
            raise ExecutorError("the place is gone; start it again")
        self.plugin.batches.append(len(requests))
        return super().generate(requests, on_step=on_step)


class FarPlugin:
    """The place "far", and what was asked of it. After `goes_after` batches it is gone."""

    __name__ = "far"

    def __init__(self, goes_after: int = 99) -> None:
        self.goes_after, self.batches, self.loaded = goes_after, list[int](), list[tuple[str, str]]()

    def load(self, backend: ReadyBackend, options: Options, device: str) -> Far:
        assert isinstance(backend.options, testing.ToneOptions)
        self.loaded.append((backend.name, device))
        return Far(backend.options, self)

    @hookimpl
    def avlink_executors(self) -> list[Executor]:
        return [Executor(name="far", load=self.load)]

    @hookimpl
    def avlink_backends(self) -> list[Backend]:
        tone = next(backend for backend in testing.avlink_backends() if backend.name == "tone")
        return [replace(tone, name="loaned", licence=WORDS)]


def session_of(cache: Path, plugin: FarPlugin, told: list[Event] | None = None) -> Session:
    listener = (told if told is not None else []).append
    return open_session(device="auto", registry=make_registry(testing, plugin), cache=cache, listener=listener)


def stems(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.wav")}


def test_the_sound_is_that_of_here_and_so_is_its_key(cut: Path, kit, tmp_path: Path) -> None:
    plugin = FarPlugin()
    here = sonify(SonifyRequest(input=cut, recipe=kit.tone_recipe(tmp_path)), session_of(tmp_path / "here", plugin))
    made_here = stems(tmp_path / "cut.stems")
    there = SonifyRequest(
        input=cut,
        recipe=kit.tone_recipe(tmp_path, "backend.on=far", "run.max_batch_s=1.9"),
        output=tmp_path / "there.otio",
    )
    report = sonify(there, session_of(tmp_path / "there", plugin))
    assert report.counts["generated"] == here.counts["generated"] == 3
    # What "auto" means is for the place to find out; three batches of 1.9 s at once take all clips.
    assert plugin.loaded == [("tone", "auto")] and plugin.batches == [3]
    assert stems(tmp_path / "there.stems") == made_here
    assert sonify(there, session_of(tmp_path / "here", plugin)).counts["cached"] == 3
    assert plugin.batches == [3]


def test_a_session_does_not_take_the_one_for_the_other(kit, tmp_path: Path, cut: Path) -> None:
    plugin = FarPlugin()
    session = session_of(tmp_path / "cache", plugin)
    for place in ("backend.on=far", "prompt.negative=hum", "backend.on=far"):
        sonify(SonifyRequest(input=cut, recipe=kit.tone_recipe(tmp_path, place), force=True, device="cpu"), session)
    assert len(plugin.loaded) == 2


def test_a_place_that_goes_ends_the_run_and_keeps_what_is_done(cut: Path, kit, tmp_path: Path) -> None:
    request = SonifyRequest(input=cut, recipe=kit.tone_recipe(tmp_path, "backend.on=far", "run.max_batch_s=0.1"))
    with pytest.raises(ExecutorError, match=r"^the place is gone; start it again$") as caught:
        sonify(request, session_of(tmp_path / "cache", FarPlugin(goes_after=2)))
    assert caught.value.exit_code == 1
    done = stems(tmp_path / "cut.stems")
    assert len(done) == 2
    later = FarPlugin()
    assert sonify(request, session_of(tmp_path / "cache", later)).counts == {
        "generated": 1,
        "cached": 2,
        "skipped": 0,
        "failed": 0,
    }
    assert done.items() <= stems(tmp_path / "cut.stems").items()


def test_a_licence_is_said_once_and_stays_with_what_was_made(cut: Path, kit, tmp_path: Path) -> None:
    told: list[Event] = []
    session = session_of(tmp_path / "cache", FarPlugin(), told)
    request = SonifyRequest(input=cut, recipe=kit.tone_recipe(tmp_path, "backend.name=loaned", "run.max_batch_s=0.1"))
    report = sonify(request, session)
    assert [event for event in told if isinstance(event, Message)] == [
        Message(text=f"backend 'loaned': {WORDS}", level="warning")
    ]
    assert report.to_json()["licence"] == WORDS
    written = otio.adapters.read_from_file(str(tmp_path / "cut.foley.otio"))
    assert written.to_json_string().count(WORDS) >= 3
    for item in report.items:
        for stem in item.stems:
            assert WORDS in read_bwf_info(stem.path).info.note
    free = sonify(SonifyRequest(input=cut, recipe=kit.tone_recipe(tmp_path)), session)
    assert "licence" not in json.loads(json.dumps(free.to_json()))
