"""Laws of `write.items = "hits"` with the backend `library`: an item for each hit, in the projects of five programs."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest
import soundfile

from avlink import testing
from avlink.core.events import Event, Message
from avlink.core.recipe import load_recipe
from avlink.edit.cues import import_cues
from avlink.edit.export import ExportRequest, export
from avlink.edit.prune_stems import find_unused
from avlink.edit.sonify import SonifyReport, SonifyRequest, sonify
from avlink.edit.takes import use_take
from avlink.session import Session, open_session
from avlink.testing import Shot
from avlink.timeline.read import read_timeline
from tests.plugins.library.item_files import ReadItem, read_items

RATE = 48000
Mark = tuple[Fraction, str] | tuple[Fraction, str, Fraction]

KNOCKS: tuple[Mark, ...] = tuple(
    (Fraction(frame, 24), f"knock wood {strength}")
    for frame, strength in ((0, 0.7), (10, 0.9), (12, 0.2), (30, 0.5), (46, 1.0))
)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return open_session(device="cpu", cache=tmp_path / "cache")


def spotted(folder: Path, marks: Sequence[Mark], *, rate: float = 24, shots: Sequence[Shot] | None = None) -> Path:
    """A cut of one clip of two seconds from 01:00:00:00 on, with hits at seconds of it."""
    cut = testing.make_timeline(folder, shots or [Shot(name="a", frames=round(2 * rate))], rate=rate, start_s=3600)
    put(cut, marks)
    return cut


def put(project: Path, marks: Sequence[Mark]) -> None:
    """Give the first clip these hits and no others; each lasts where it has a third value."""
    timeline = otio.adapters.read_from_file(str(project))
    clip = next(iter(timeline.video_tracks()[0].find_clips()))
    first = clip.trimmed_range().start_time
    clip.markers[:] = []
    for at_s, name, *lasts_s in marks:
        begin = first + otio.opentime.RationalTime(float(at_s * Fraction(first.rate)), first.rate)
        length = otio.opentime.RationalTime(float((lasts_s or [0])[0] * Fraction(first.rate)), first.rate)
        span = otio.opentime.TimeRange(begin, length)
        clip.markers.append(otio.schema.Marker(name=f"HIT: {name}", marked_range=span))
    otio.adapters.write_to_file(timeline, str(project))


def fade_out(project: Path, frames: int) -> None:
    """Let the first clip fade out over its last frames."""
    timeline = otio.adapters.read_from_file(str(project))
    length = otio.opentime.RationalTime(frames, 24)
    nothing = otio.opentime.RationalTime(0, 24)
    timeline.tracks[0].append(otio.schema.Transition(in_offset=length, out_offset=nothing))
    otio.adapters.write_to_file(timeline, str(project))


def run(cut: Path, session: Session, *settings: str, items: str = "hits", **asked: object) -> SonifyReport:
    recipe = load_recipe(
        "library", "sonify", [f"write.items={items}", "backend.options.spotter=motion-peaks", *settings]
    )
    return sonify(SonifyRequest(input=cut, recipe=recipe, device="cpu", **asked), session)  # type: ignore[arg-type]


def of_format(foley: Path, to: str) -> Path:
    """The items of a project in a format, exported from it."""
    return foley if to == "otio" else export(ExportRequest(input=foley, to=to)).output


def edit(foley: Path, change) -> None:
    timeline = otio.adapters.read_from_file(str(foley))
    change([track for track in timeline.audio_tracks()])
    otio.adapters.write_to_file(timeline, str(foley))


def mix(items: Sequence[ReadItem], length: int) -> np.ndarray:
    """The sound of a project: the sum of its items in their places."""
    total = np.zeros(length)
    for item in items:
        first, begin, count = (round(one * RATE) for one in (item.start_s, item.offset_s, item.length_s))
        heard = item.sound[begin : begin + count][: max(0, length - first)]
        total[first : first + len(heard)] += heard
    return total


@pytest.mark.usefixtures("shared_library")
class TestPlaces:
    @pytest.mark.parametrize("rate", [25, 29.97])
    def test_each_transient_lies_on_its_sample_in_every_program(
        self, tmp_path: Path, session: Session, rate: float
    ) -> None:
        exact = Fraction(30000, 1001) if rate == 29.97 else Fraction(rate)
        # Between frames as well, as markers of a spotter are.
        moments = [
            Fraction(0),
            *(Fraction(number, 1) / exact for number in (5, 17)),
            Fraction(4321, 7000),
            Fraction(3, 2),
        ]
        foley = run(spotted(tmp_path, [(at_s, "knock wood") for at_s in moments], rate=rate), session).output
        assert foley is not None
        for to in ("otio", "otiod", "rpp", "aaf", "xml", "fcpxml"):
            items = read_items(of_format(foley, to))
            struck = sorted(item.struck() for item in items)
            # Final Cut Pro 7 counts frames, which are no whole samples at this rate.
            slack = 1 if (to, rate) == ("xml", 29.97) else 0
            expected = sorted(int(at_s * RATE + Fraction(1, 2)) for at_s in moments)
            assert len(items) == len(moments), to
            assert max(abs(one - other) for one, other in zip(struck, expected, strict=True)) <= slack, to
            for track in {item.track for item in items}:
                row = [item for item in items if item.track == track]
                assert all(one.end_s <= other.start_s for one, other in itertools.pairwise(row)), to

    def test_items_have_the_takes_that_a_format_can_hold(self, tmp_path: Path, session: Session) -> None:
        foley = run(spotted(tmp_path, KNOCKS), session).output
        assert foley is not None
        for to, takes in (("otio", 3), ("otiod", 3), ("rpp", 3), ("fcpxml", 3), ("aaf", 1), ("xml", 1)):
            assert {item.takes for item in read_items(of_format(foley, to))} == {takes}, to
        other = run(spotted(tmp_path, KNOCKS), session, "write.alternatives=2").output
        assert other is not None and {item.takes for item in read_items(other)} == {3}, "takes of before stay"

    def test_items_are_named_after_hit_and_recording_and_have_files_of_their_own(
        self, tmp_path: Path, session: Session
    ) -> None:
        report = run(spotted(tmp_path, KNOCKS), session)
        assert report.output is not None
        timeline = otio.adapters.read_from_file(str(report.output))
        clips = [clip for track in timeline.audio_tracks() for clip in track.find_clips()]
        urls = [ref.target_url for clip in clips for ref in clip.media_references().values()]
        assert len(urls) == len(set(urls)) == 15
        for clip in clips:
            assert clip.name == f"knock wood - {clip.media_reference.name}"
            names = [ref.name for ref in clip.media_references().values()]
            assert len(set(names)) == 3 and all(name.startswith("knock wood ") for name in names)
            # Alternatives are of other recordings, and each says which.
            sounds = [ref.metadata["avlink"]["sounds"][0]["name"] for ref in clip.media_references().values()]
            assert [Path(sound).stem for sound in sounds] == names

    def test_together_they_sound_as_the_stem_of_the_clip_fades_included(self, tmp_path: Path, session: Session) -> None:
        marks = (*KNOCKS, (Fraction(1), "scrape metal", Fraction(1, 2)))
        plain = ("stems.post=[]", "stems.write_handles=true")
        cuts = [spotted(tmp_path / name, marks) for name in ("clip", "hits")]
        for cut in cuts:
            fade_out(cut, 20)
        whole = run(cuts[0], session, *plain, items="clip").output
        each = run(cuts[1], session, *plain).output
        assert whole is not None and each is not None
        one, many = (mix(read_items(path), 2 * RATE) for path in (whole, each))
        assert len(read_items(each)) == len(marks)
        # Each of the files is rounded to 24 bits.
        np.testing.assert_allclose(many, one, atol=len(marks) * 2**-23)
        assert np.abs(one).max() > 0.1 and np.abs(one[-100:]).max() < 0.01

    def test_overlaps_lie_on_as_few_tracks_as_can_be_and_no_tail_is_lost(
        self, tmp_path: Path, session: Session
    ) -> None:
        marks = [(Fraction(number, 24), "knock wood") for number in (8, 10, 12, 40)]
        foley = run(spotted(tmp_path, marks), session, "stems.post=[]").output
        assert foley is not None
        items = read_items(foley)
        most = max(sum(one.start_s <= other.start_s < one.end_s for one in items) for other in items)
        names = ["FOLEY", "FOLEY 2", "FOLEY 3"][:most]
        assert most > 1 and sorted({item.track for item in items}) == names
        for item in items:
            end = round((item.offset_s + item.length_s) * RATE)
            # Within the item its tail has ended; behind that is its handle, if the recording has more.
            assert np.abs(item.sound[end - 100 : end]).max() < 1e-4

    def test_alternatives_keep_their_tails_beyond_the_item(self, tmp_path: Path, session: Session) -> None:
        foley = run(spotted(tmp_path, KNOCKS[:1]), session, "write.alternatives=5", "stems.post=[]").output
        assert foley is not None
        (clip,) = (
            clip for track in otio.adapters.read_from_file(str(foley)).audio_tracks() for clip in track.find_clips()
        )
        assert len(clip.media_references()) == 5
        for ref in clip.media_references().values():
            sound = soundfile.read(foley.parent / ref.target_url)[0]
            begin = clip.source_range.start_time - ref.available_range.start_time
            # At the first frame of the timeline what leads to the transient lies before the item.
            struck = int(np.argmax(np.abs(sound)))
            assert struck == round(begin.to_seconds() * RATE)
            assert len(sound) >= round((begin + clip.source_range.duration).to_seconds() * RATE)


@pytest.mark.usefixtures("shared_library")
class TestHandles:
    def test_files_go_on_as_the_recording_does_and_the_item_does_not(self, tmp_path: Path, session: Session) -> None:
        marks = [(Fraction(1), "scrape metal", Fraction(1, 2))]
        for handle_s in (0, 0.5):
            (item,) = read_items(
                run(spotted(tmp_path / str(handle_s), marks), session, f"stems.handle_s={handle_s}").output
            )
            assert (item.start_s, item.length_s, item.offset_s) == (1, Fraction(1, 2), Fraction(handle_s))
            assert len(item.sound) == round((Fraction(1, 2) + 2 * Fraction(handle_s)) * RATE)
            level = np.sqrt(np.mean(item.sound[: len(item.sound) // 4800 * 4800].reshape(-1, 4800) ** 2, axis=1))
            assert level.min() > 0.5 * np.median(level)

    def test_a_hit_has_what_its_recording_has_around_it(self, tmp_path: Path, session: Session) -> None:
        foley = run(spotted(tmp_path, KNOCKS[3:4]), session, "stems.post=[]", "stems.handle_s=0.05").output
        (item,) = read_items(foley)
        assert 0 < item.offset_s <= Fraction(5, 100) + Fraction(1, 24)
        # The hit is heard alone within its item.
        first = round(item.offset_s * RATE)
        heard = item.sound[first : first + round(item.length_s * RATE)]
        assert np.abs(heard).max() == np.abs(item.sound).max()


@pytest.mark.usefixtures("shared_library")
class TestEdits:
    def test_items_that_were_muted_moved_trimmed_or_changed_for_another_take_stay_so(
        self, tmp_path: Path, session: Session
    ) -> None:
        cut = spotted(tmp_path, [KNOCKS[0], KNOCKS[3]])
        foley = run(cut, session).output
        assert foley is not None
        frame = otio.opentime.RationalTime(1, 24)

        def change(tracks: list[otio.schema.Track]) -> None:
            first, second = tracks[0].find_clips()
            first.enabled = False
            second.name = "mine"
            second.active_media_reference_key = "take_2"
            tracks[0].insert(1, otio.schema.Gap(duration=frame))
            span = second.source_range
            second.source_range = otio.opentime.TimeRange(span.start_time + frame, span.duration - frame)

        before = read_items(foley)
        edit(foley, change)
        for settings in ([], ["backend.options.loudest_db=-9.0"], []):
            run(cut, session, *settings)
            tracks = otio.adapters.read_from_file(str(foley)).audio_tracks()
            first, second = (clip for track in tracks for clip in track.find_clips())
            assert (first.enabled, second.name) == (False, "mine")
            assert second.media_reference.metadata["avlink"]["take"] == 2
            item = read_items(foley)[1]
            # The gap made it begin a frame later, and the trim took a frame of its head.
            assert item.start_s == before[1].start_s + Fraction(1, 24)
            assert item.length_s == before[1].length_s - Fraction(1, 24)
        assert foley.with_name("cut.foley.otio.bak").exists()

    def test_a_moved_hit_makes_its_own_item_anew_and_no_other(self, tmp_path: Path, session: Session) -> None:
        cut = spotted(tmp_path, KNOCKS)
        before = run(cut, session)
        # As if a spotter had marked them: the others keep what they have.
        moved = [*KNOCKS[:3], (KNOCKS[3][0] + Fraction(3, 48000), KNOCKS[3][1]), KNOCKS[4]]
        put(cut, moved)
        after = run(cut, session)
        files = [{stem.path for stem in report.items[0].stems} for report in (before, after)]
        made = {stem.job.clip.timeline_start_s for stem in after.items[0].stems if stem.path not in files[0]}
        assert len(files[0] & files[1]) >= 12 and len(made) == 1
        for stem in after.items[0].stems:
            if stem.path in files[0]:
                assert stem.cached

    def test_an_item_keeps_its_edits_and_its_take_where_its_hit_is_moved_a_little(
        self, tmp_path: Path, session: Session
    ) -> None:
        cut = spotted(tmp_path, KNOCKS)
        foley = run(cut, session).output
        assert foley is not None
        chosen = []

        def change(tracks: list[otio.schema.Track]) -> None:
            for clip in (clip for track in tracks for clip in track.find_clips()):
                moment = Fraction(clip.metadata["avlink"]["hit_s"])
                if moment == KNOCKS[3][0]:
                    clip.enabled = False
                if moment == KNOCKS[1][0]:
                    clip.active_media_reference_key = "take_3"
                    chosen.append(clip.media_reference.metadata["avlink"]["choice"])

        many = "write.alternatives=5"
        later = Fraction(1, 24)
        edit(foley, change)
        put(cut, [(at_s + later, name) for at_s, name in KNOCKS])
        run(cut, session, many)
        clips = [
            clip for track in otio.adapters.read_from_file(str(foley)).audio_tracks() for clip in track.find_clips()
        ]
        heard = {Fraction(clip.metadata["avlink"]["hit_s"]): clip for clip in clips}
        assert set(heard) == {at_s + later for at_s, _ in KNOCKS}
        assert [at_s for at_s, clip in heard.items() if not clip.enabled] == [KNOCKS[3][0] + later]
        clip = heard[KNOCKS[1][0] + later]
        assert [clip.media_reference.metadata["avlink"]["choice"]] == chosen
        assert clip.name == f"knock wood - {clip.media_reference.name}"

    def test_a_chosen_sound_that_is_offered_no_more_is_told_and_kept_where_it_can_be(self, tmp_path: Path) -> None:
        told: list[Event] = []
        session = open_session(device="cpu", cache=tmp_path / "cache", listener=told.append)
        cut = spotted(tmp_path, KNOCKS[:1])
        foley = run(cut, session, "write.alternatives=5").output
        assert foley is not None

        def change(tracks: list[otio.schema.Track]) -> None:
            next(iter(tracks[0].find_clips())).active_media_reference_key = "take_5"

        edit(foley, change)
        run(cut, session, "write.alternatives=2")
        (clip,) = otio.adapters.read_from_file(str(foley)).audio_tracks()[0].find_clips()
        assert clip.media_reference.metadata["avlink"]["take"] == 5 and len(clip.media_references()) == 5
        assert not any("chosen for" in event.text for event in told if isinstance(event, Message))
        # Words that other recordings fit.
        put(cut, [(KNOCKS[0][0], "footstep gravel")])
        run(cut, session, "write.alternatives=2")
        assert any("the takes that were chosen for footstep gravel" in e.text for e in told if isinstance(e, Message))

    def test_a_second_run_changes_nothing(self, tmp_path: Path, session: Session) -> None:
        cut = spotted(tmp_path, KNOCKS)
        foley = run(cut, session).output
        assert foley is not None
        there = {
            path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and "cache" not in path.parts
        }
        report = run(cut, session)
        assert report.counts["cached"] == 1
        now = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and "cache" not in path.parts}
        assert now == there


@pytest.mark.usefixtures("shared_library")
class TestServices:
    def test_takes_sheets_credits_previews_and_pruning_know_items(self, tmp_path: Path, session: Session) -> None:
        cut = spotted(tmp_path, [*KNOCKS[:2], (Fraction(3, 2), "xyzzy")])
        credits = tmp_path / "credits.txt"
        report = run(cut, session, "write.preview=true", credits=credits)
        foley = report.output
        assert foley is not None and report.preview is not None and report.preview.is_file()
        assert credits.read_text(encoding="utf-8").count("knock wood") == len(
            {use.name for stem in report.items[0].stems for use in stem.origin.uses}
        )
        # Another take by the name of its item, which says what is heard then.
        name = report.items[0].stems[0].job.clip.name
        (changed,) = use_take(foley, 2, [name], outputs=session.outputs()).stems
        assert changed.heard == 2 and changed.clip != name and changed.clip.startswith("knock wood - ")
        # The sheet has a row for each item with its hit, and the first also those that have none.
        sheet = of_format(foley, "csv")
        rows = list(csv.DictReader(io.StringIO(sheet.read_text(encoding="utf-8-sig"))))
        assert [row["hits"] for row in rows] == ["0.0 knock wood 0.7; 1.5 xyzzy 0.5", "0.416667 knock wood 0.9"]
        text = sheet.read_text(encoding="utf-8-sig").replace("knock wood 0.9", "knock wood 0.1")
        sheet.write_text(text, encoding="utf-8-sig")
        back = import_cues(cut, sheet)
        assert back.hits == 1
        marks = [marker.name for marker in next(iter(read_timeline(back.output).timeline.find_clips())).markers]
        assert sorted(marks) == ["HIT: knock wood 0.7", "HIT: xyzzy", "knock wood 0.1"]
        # Files of a hit that is gone are not used any more.
        put(cut, KNOCKS[:1])
        run(cut, session)
        sheet.unlink()
        assert len(find_unused([foley], outputs=session.outputs()).removable) == 3


@pytest.mark.usefixtures("shared_library")
class TestReport:
    def test_items_their_hits_and_their_sounds_are_told_before_and_after(
        self, tmp_path: Path, session: Session
    ) -> None:
        cut = spotted(tmp_path, [*KNOCKS[:2], (Fraction(3, 2), "xyzzy")])
        planned, done = (run(cut, session, dry_run=dry).to_json()["items"][0] for dry in (True, False))
        assert planned["hit_items"] == done["hit_items"] and planned["notes"] == done["notes"]
        assert [one["hit"]["strength"] for one in done["hit_items"]] == [0.7, 0.9]
        assert [len(one["takes"]) for one in done["hit_items"]] == [3, 3]
        assert {one["takes"][0]["sound"]["licence"] for one in done["hit_items"]} == {"CC0-1.0"}
        assert {stem["item"] for stem in done["stems"]} == {one["id"] for one in done["hit_items"]}
        assert len(done["notes"]) == 1 and "xyzzy" in done["notes"][0]

    def test_a_clip_without_hits_and_one_that_nobody_has_spotted_are_told(
        self, tmp_path: Path, session: Session
    ) -> None:
        cut = spotted(tmp_path, [], shots=[Shot(name="a"), Shot(name="b")])
        timeline = otio.adapters.read_from_file(str(cut))
        first = next(iter(timeline.video_tracks()[0].find_clips()))
        first.metadata["avlink"] = {"spotted": {"hits": []}}
        otio.adapters.write_to_file(timeline, str(cut))
        one, other = run(cut, session).items
        assert (one.status, one.reason) == ("skipped", "has no hits, and gets no items")
        assert other.status == "generated" and len(other.stems) == 1
