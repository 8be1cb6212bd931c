"""The media that a request needs is known before the run, through the public names."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

import avlink
from avlink import SonifyRequest, check_whole, hookimpl, needed_media, open_session, sonify
from avlink import testing as avlink_testing
from avlink.core.errors import InputError
from avlink.core.recipe import SonifyRecipe


def test_a_timeline_needs_its_media_each_once(cut: Path, recipe: SonifyRecipe) -> None:
    needed = needed_media(SonifyRequest(input=cut, recipe=recipe))
    assert [item.path for item in needed] == [cut.parent / "media" / "a.mp4", cut.parent / "media" / "b.mp4"]


def test_what_is_missing_is_named_until_it_is_there(
    kit: Any, tmp_path: Path, movies: Path, recipe: SonifyRecipe
) -> None:
    timeline = kit.timeline_of(kit.clip("media/a.mp4", 0, 12), kit.clip("media/late one.mp4", 0, 12))
    otio.adapters.write_to_file(timeline, str(tmp_path / "cut.otio"))
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.mp4").symlink_to(movies / "a.mp4")
    request = SonifyRequest(input=tmp_path / "cut.otio", recipe=recipe)
    here, late = needed_media(request)
    assert here.path is not None and late.path is None
    assert late.name == "media/late one.mp4" and "is missing" in late.reason
    (tmp_path / "media" / "late one.mp4").symlink_to(movies / "b.mp4")
    assert needed_media(request)[1].path == tmp_path / "media" / "late one.mp4"


def test_only_what_the_recipe_selects_is_needed(kit: Any, cut: Path, tmp_path: Path) -> None:
    chosen = kit.tone_recipe(tmp_path, 'select.clips=["b"]')
    assert [item.path.name for item in needed_media(SonifyRequest(input=cut, recipe=chosen)) if item.path] == ["b.mp4"]


def test_a_media_file_needs_nothing_else(movies: Path, recipe: SonifyRecipe) -> None:
    assert needed_media(SonifyRequest(input=movies / "a.mp4", recipe=recipe)) == ()


def test_timelines_and_media_are_read_to_their_end(cut: Path, movies: Path, tmp_path: Path) -> None:
    assert check_whole(cut) is None
    assert check_whole(movies / "a.mp4") is None
    (tmp_path / "part.otio").write_text(cut.read_text()[:-200])
    with pytest.raises(InputError, match=r"part.otio is no OTIO file"):
        check_whole(tmp_path / "part.otio")
    (tmp_path / "part.mp4").write_bytes((movies / "a.mp4").read_bytes()[:-2000])
    with pytest.raises(InputError, match="cut short"):
        check_whole(tmp_path / "part.mp4")


def test_outputs_of_default_names_can_lie_elsewhere(
    cut: Path, movies: Path, session: Any, recipe: SonifyRecipe
) -> None:
    out = cut.parent / "out"
    done = sonify(SonifyRequest(input=cut, recipe=recipe, base=out / "first cut"), session)
    assert done.output == out / "first cut.foley.otio" and done.output.is_file()
    assert len(list((out / "first cut.stems").glob("*.wav"))) == 3
    done = sonify(SonifyRequest(input=movies / "a.mp4", recipe=recipe, base=out / "v1.2"), session)
    assert done.output == out / "v1.2.foley.mp4" and done.output.is_file()
    assert (out / "v1.2.foley.wav").is_file()
    assert sorted(path.name for path in movies.iterdir()) == ["a.mp4", "b.mp4"]


def test_runs_of_one_session_load_the_model_once(movies: Path, tmp_path: Path, kit: Any) -> None:
    loads: list[object] = []

    class Counting(avlink_testing.ToneGenerator):
        def __init__(self, options: avlink_testing.ToneOptions) -> None:
            loads.append(options)
            super().__init__(options)

    backend = avlink_testing.avlink_backends()[0]
    counting = type(backend)(
        name="counting",
        direction="v2a",
        options=backend.options,
        fingerprint=backend.fingerprint,
        load=lambda options, device: Counting(options),
    )
    plugin = types.ModuleType("counting")
    plugin.avlink_backends = hookimpl(lambda: [counting])  # type: ignore[attr-defined]
    session = open_session(device="cpu", registry=avlink_testing.make_registry(plugin), cache=tmp_path / "cache")
    for name, rate in (("a", 16000), ("b", 16000), ("a", 8000), ("b", 8000)):
        settings = ["backend.name=counting", f"backend.options.sample_rate={rate}"]
        request = SonifyRequest(
            input=movies / f"{name}.mp4", recipe=kit.tone_recipe(tmp_path, *settings), base=tmp_path / name
        )
        assert sonify(request, session).counts["generated"] == 1
    assert len(loads) == 2


def test_the_names_are_given_when_they_are_asked_for() -> None:
    assert avlink.sonify is sonify
    with pytest.raises(AttributeError, match="no attribute 'sonfy'"):
        avlink.sonfy  # noqa: B018
