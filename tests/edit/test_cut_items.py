"""Items of a backend that makes one sound for each clip: cut at its hits, and together the stem of the clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest
import soundfile

from avlink import Options, SoundRequest, SoundWish, hookimpl, testing
from avlink.core.clock import to_index
from avlink.core.errors import InputError, PluginError
from avlink.core.recipe import SonifyRecipe
from avlink.core.values import HitSounds, ItemSound, PictureSpec, SoundUse, Waveform
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.hooks import Backend
from avlink.session import Session

RATE = 48000


class Chooser:
    """A backend that has a sound for hits of kind "step", leaves "drop" to the clip, and knows no other."""

    class Generator:
        sample_rate = RATE
        picture = PictureSpec(rate=Fraction(12), width=16, height=16)

        def __init__(self) -> None:
            self.asked: list[SoundRequest] = []

        def generate(self, requests: Sequence[SoundRequest], *, on_step: Any = None) -> list[Waveform]:
            self.asked += requests
            made = []
            for request in requests:
                samples = np.zeros((1, to_index(request.duration_s, RATE)), np.float32)
                for hit in request.hits or ():
                    samples[0, to_index(hit.time_s, RATE)] = 0.5 if request.item else 0.25
                made.append(Waveform(samples=samples, sample_rate=RATE))
            return made

    def __init__(self) -> None:
        self.made = self.Generator()
        self.answer: Any = None

    def items(self, options: Options, wish: SoundWish, seed: int, takes: int) -> Any:
        if self.answer is not None:
            return self.answer
        rows = []
        for hit in wish.hits or ():
            use = SoundUse(library="l", name="n")
            sounds = [
                ItemSound(
                    name=f"s{number}",
                    item=f"{number}",
                    choice=f"{number}",
                    lead_s=Fraction(1, 100),
                    length_s=Fraction(1, 10),
                    use=use,
                )
                for number in range(takes)
            ]
            known = {"step": HitSounds(takes=tuple(sounds)), "drop": HitSounds()}
            rows.append(known.get(hit.kind, HitSounds(note=f"nothing fits '{hit.words or hit.kind}'")))
        return rows

    @hookimpl
    def avlink_backends(self) -> list[Backend]:
        return [
            Backend(
                name="chooser",
                direction="v2a",
                fingerprint=lambda options: "1",
                load=lambda options, device: self.made,
                items=self.items,
            )
        ]


def _mark(cut: Path, *marks: tuple[int, str]) -> Path:
    timeline = otio.adapters.read_from_file(str(cut))
    clip = next(iter(timeline.video_tracks()[0].find_clips()))
    first = clip.trimmed_range().start_time
    for frame, name in marks:
        at = otio.opentime.TimeRange(first + otio.opentime.RationalTime(frame, 24))
        clip.markers.append(otio.schema.Marker(name=f"HIT: {name}", marked_range=at))
    otio.adapters.write_to_file(timeline, str(cut))
    return cut


def _run(session: Session, recipe: SonifyRecipe, cut: Path, **asked: object) -> SonifyReport:
    return sonify(SonifyRequest(input=cut, recipe=recipe, device="cpu", **asked), session)  # type: ignore[arg-type]


def _heard(foley: Path, take: int = 1) -> np.ndarray:
    """The sum of the items of the first clip in their places, as whole numbers of 24 bits."""
    timeline = otio.adapters.read_from_file(str(foley))
    total = np.zeros(3 * RATE, np.int64)
    for track in timeline.audio_tracks():
        for clip in track.find_clips():
            if clip.metadata["avlink"]["clip"] != "a" or clip.metadata["avlink"]["start_samples"] > 1.25 * RATE:
                continue
            refs = clip.media_references().values()
            ref = next(ref for ref in refs if ref.metadata["avlink"]["take"] == take)
            sound = soundfile.read(foley.parent / ref.target_url, dtype="int32")[0] >> 8
            begin = round((clip.source_range.start_time - ref.available_range.start_time).to_seconds() * RATE)
            first = round(track.trimmed_range_of_child(clip).start_time.to_seconds() * RATE)
            count = round(clip.source_range.duration.to_seconds() * RATE)
            total[first : first + count] += sound[begin : begin + count]
    return total


def test_items_are_the_stem_of_their_clip_bit_for_bit_in_each_take(session: Session, cut: Path, kit: Any) -> None:
    _mark(cut, (4, "step"), (5, "step"), (11, "drop"), (22, "door slam"))
    settings = ("run.takes=2", "stems.write_handles=true", 'stems.post=["peak_cap"]')
    from avlink_post import plugin

    session = replace(session, registry=testing.fake_registry(plugin))
    outputs = []
    for items in ("clip", "hits"):
        recipe = kit.tone_recipe(cut.parent, *settings, f"write.items={items}")
        report = _run(session, recipe, cut, output=cut.with_name(f"{items}.foley.otio"))
        outputs.append(report.output)
    item = report.items[0]
    assert len({stem.job.clip.id for stem in item.stems}) == 4 and len(item.stems) == 8
    # The sound of the clip is made once for each take.
    assert len({stem.job.raw_key for stem in item.stems}) == 2
    for take in (1, 2):
        whole, parts = (_heard(output, take) for output in outputs if output is not None)
        assert np.abs(whole).max() > 1000
        np.testing.assert_array_equal(parts, whole)


def test_what_a_backend_leaves_open_is_cut_from_the_sound_of_these_hits(
    tmp_path: Path, cut: Path, kit: Any, session: Session
) -> None:
    chooser = Chooser()
    session = replace(session, registry=testing.fake_registry(chooser))
    _mark(cut, (4, "step"), (11, "drop"), (20, "bell"), (24, "bell"))
    recipe = kit.tone_recipe(cut.parent, "backend.name=chooser", "write.items=hits")
    one, *others = _run(session, recipe, cut).items
    wanted = [request for request in chooser.made.asked if request.hits is not None and not request.item]
    # The step has sounds, the bells have none, and the drop alone is asked of the generator.
    assert [[hit.kind for hit in request.hits or ()] for request in wanted] == [["drop"]]
    assert sorted(request.item for request in chooser.made.asked if request.item) == ["0", "1", "2"]
    assert {stem.job.clip.name for stem in one.stems} == {"step - s0", "step - s1", "step - s2", "drop - a"}
    assert one.notes == ("nothing fits 'bell'",)
    assert all(len(other.stems) == 1 for other in others)


@pytest.mark.parametrize(
    "answer, sentence",
    [
        ([], "chose sounds for 0 of 1 hits"),
        ("many", "gave str as the sounds of a hit"),
        ([HitSounds(takes=(SimpleNamespace(item="", choice=""),))], "chose 1 sounds for a hit"),  # type: ignore[arg-type]
    ],
)
def test_an_answer_that_breaks_the_contract_is_told(
    cut: Path, kit: Any, session: Session, answer: Any, sentence: str
) -> None:
    chooser = Chooser()
    chooser.answer = answer
    session = replace(session, registry=testing.fake_registry(chooser))
    _mark(cut, (4, "step"))
    with pytest.raises(PluginError, match=sentence):
        _run(session, kit.tone_recipe(cut.parent, "backend.name=chooser", "write.items=hits"), cut)


def test_a_media_file_has_no_items(session: Session, cut: Path, kit: Any) -> None:
    recipe = kit.tone_recipe(cut.parent, "write.items=hits")
    with pytest.raises(InputError, match="`avlink spot` makes one of it"):
        _run(session, recipe, cut.parent / "media" / "a.mp4")
