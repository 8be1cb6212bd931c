"""Runs whose cache is damaged: they say the same as with a new one, and leave it whole."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avlink.core.events import Event, Message
from avlink.core.recipe import SonifyRecipe, load_recipe
from avlink.core.store import Store
from avlink.core.values import Waveform
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.edit.visualize import VisualizeRequest, visualize
from avlink.media.wave import WaveFile, write_float_wave
from avlink.session import Session, open_store

sys.path.insert(0, str(Path(__file__).parents[1]))
from damages import clear, empty, flip, truncate

SIDECAR = ".meta.json"


def objects(folder: Path, suffix: str) -> list[Path]:
    return [path for path in sorted((folder / "objects").rglob(f"*{suffix}")) if not path.name.endswith(SIDECAR)]


def with_another_cache(session: Session, told: list[Event]) -> Session:
    """The session of the next process: nothing of the cache was looked into yet."""
    return replace(session, store=open_store(session.cache, listener=told.append))


def run(session: Session, recipe: SonifyRecipe, cut: Path, *, dry_run: bool = False) -> SonifyReport:
    """A run whose stems are not there yet."""
    shutil.rmtree(cut.with_name("cut.stems"), ignore_errors=True)
    report = sonify(SonifyRequest(input=cut, recipe=recipe, device="cpu", dry_run=dry_run), session)
    assert report.exit_code == 0, [item.reason for item in report.items]
    return report


def stems(report: SonifyReport) -> list[bytes]:
    return [stem.path.read_bytes() for item in report.items for stem in item.stems]


@pytest.mark.parametrize("damage", [flip, truncate, clear, empty])
@pytest.mark.parametrize("suffix", ["", SIDECAR])
def test_a_run_makes_again_what_is_damaged(
    session: Session, recipe: SonifyRecipe, cut: Path, damage: Callable[[Path], None], suffix: str
) -> None:
    before = stems(run(session, recipe, cut))
    kinds = {".wav", ".txt", ".json"}
    damaged = [path for kind in kinds for path in objects(session.cache, suffix or kind)] or [
        *(session.cache / "objects").rglob(f"*{SIDECAR}")
    ]
    assert len(damaged) >= 9
    for path in damaged:
        damage(path)
    told: list[Event] = []
    plan = run(with_another_cache(session, told), recipe, cut, dry_run=True)
    assert plan.counts["generated"] == 3
    again = run(with_another_cache(session, told), recipe, cut)
    assert again.counts["generated"] == 3 and stems(again) == before
    details = [event.text for event in told if isinstance(event, Message) and event.level == "detail"]
    assert any("is damaged, and is made again" in text for text in details)
    # Whole again: nothing is generated, and nothing is told.
    told.clear()
    assert run(with_another_cache(session, told), recipe, cut).counts["cached"] == 3
    assert not [event for event in told if isinstance(event, Message) and event.level == "detail"]


def test_sounds_that_changed_places_are_made_again(session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    before = stems(run(session, recipe, cut))
    first, second, *_ = objects(session.cache, ".wav")
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    again = run(with_another_cache(session, []), recipe, cut)
    assert again.counts["generated"] == 2 and stems(again) == before


class TestEarlierVersions:
    """Their entries have no digests; their sounds are used if they are finite and of the right length."""

    @staticmethod
    def make_old(cache: Path) -> None:
        for sidecar in (cache / "objects").rglob(f"*{SIDECAR}"):
            fields = json.loads(sidecar.read_text())
            size = (sidecar.parent / fields["object"]).stat().st_size
            sidecar.write_text(json.dumps({"object": fields["object"], "size": size, "meta": fields["meta"]}))

    def test_they_are_used_and_get_digests(self, session: Session, recipe: SonifyRecipe, cut: Path) -> None:
        before = stems(run(session, recipe, cut))
        self.make_old(session.cache)
        again = run(with_another_cache(session, []), recipe, cut)
        assert again.counts["cached"] == 3 and stems(again) == before
        flip(objects(session.cache, ".wav")[0])
        assert run(with_another_cache(session, []), recipe, cut).counts["generated"] == 1

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_samples_that_are_no_numbers_are_made_again(
        self, session: Session, recipe: SonifyRecipe, cut: Path, value: float
    ) -> None:
        before = stems(run(session, recipe, cut))
        for path in objects(session.cache, ".wav"):
            sound = WaveFile(path)
            samples = sound.read(0, sound.num_samples)
            samples[0, -1] = value
            write_float_wave(path, sound=Waveform(samples=samples, sample_rate=sound.sample_rate))
        self.make_old(session.cache)
        again = run(with_another_cache(session, []), recipe, cut)
        assert again.counts["generated"] == 3 and stems(again) == before

    def test_a_sound_of_another_length_is_made_again(self, session: Session, recipe: SonifyRecipe, cut: Path) -> None:
        before = stems(run(session, recipe, cut))
        for path in objects(session.cache, ".wav"):
            sound = WaveFile(path)
            shorter = Waveform(samples=sound.read(0, sound.num_samples - 1), sample_rate=sound.sample_rate)
            write_float_wave(path, sound=shorter)
        self.make_old(session.cache)
        again = run(with_another_cache(session, []), recipe, cut)
        assert again.counts["generated"] == 3 and stems(again) == before


@pytest.mark.parametrize("damage", [flip, truncate, clear])
def test_pictures_that_are_damaged_are_made_again(
    session: Session, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    write_float_wave(tmp_path / "a.wav", Waveform(samples=np.full((1, 16000), 0.1, np.float32), sample_rate=16000))
    recipe = load_recipe("visualize", "visualize", ["backend.name=flat"])
    request = VisualizeRequest(input=tmp_path / "a.wav", output=tmp_path / "a.mp4", recipe=recipe, device="cpu")
    assert visualize(request, session).counts["generated"] == 1
    assert visualize(request, session).counts["cached"] == 1
    (path,) = objects(session.cache, ".npy")
    damage(path)
    assert visualize(request, with_another_cache(session, [])).counts["generated"] == 1
    assert visualize(request, with_another_cache(session, [])).counts["cached"] == 1


def test_a_stretch_of_a_longer_sound_that_vanished_is_made_as_the_longer_one(
    session: Session, tmp_path: Path, movies: Path, kit
) -> None:
    """The stretch is a part of the longer sound, under the key of that: a shorter one must not come to lie there."""
    (tmp_path / "media").symlink_to(movies)
    recipe = kit.tone_recipe(tmp_path)
    cut = tmp_path / "cut.otio"
    kit.timeline_of(kit.clip("media/a.mp4", 0, 40)).to_json_file(str(cut))
    run(session, recipe, cut)
    (path,) = objects(session.cache, ".wav")
    whole = path.read_bytes()
    kit.timeline_of(kit.clip("media/a.mp4", 12, 24)).to_json_file(str(cut))
    trimmed = run(session, recipe, cut)
    assert trimmed.counts["cached"] == 1

    def vandal(event: object) -> None:
        if type(event).__name__ == "PlanReady":
            Path(path).unlink(missing_ok=True)

    again = run(replace(session, listener=vandal), recipe, cut)
    assert again.counts["generated"] == 1 and stems(again) == stems(run(session, recipe, cut))
    assert path.read_bytes() == whole


def test_a_store_in_use_by_two_runs_is_whole_for_both(session: Session, recipe: SonifyRecipe, cut: Path) -> None:
    run(session, recipe, cut)
    told: list[Event] = []
    others = [Store(session.cache), open_store(session.cache, listener=told.append)]
    run(replace(session, store=others[0]), recipe, cut)
    assert run(replace(session, store=others[1]), recipe, cut).counts["cached"] == 3 and not told
