"""A cue sheet goes out, is edited, and comes back into the project."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import opentimelineio as otio
import pytest
from avlink_otio import plugin

from avlink import testing
from avlink.core.errors import InputError, OutputError
from avlink.edit.cues import import_cues, picture_ids
from avlink.edit.export import ExportRequest, export
from avlink.edit.sonify import SonifyRequest, sonify
from avlink.hooks import make_registry
from avlink.session import Session
from avlink.timeline.read import read_timeline

Edit = Callable[[list[dict[str, str]]], None]


def _sheet(project: Path, output: Path) -> list[dict[str, str]]:
    export(ExportRequest(input=project, to="csv", output=output), make_registry(plugin))
    with output.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _save(rows: list[dict[str, str]], path: Path) -> Path:
    """As Excel saves it where the comma is the decimal sign."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _words(project: Path) -> list[dict[str, object]]:
    timeline = read_timeline(project).timeline
    track = timeline.video_tracks()[0]
    found = [clip.metadata.get("avlink") for clip in track.find_clips()]
    return [{} if words is None else json.loads(otio.core.serialize_json_to_string(words)) for words in found]


def test_edited_words_reach_their_clips_and_the_next_run(session: Session, kit, cut: Path, tmp_path: Path) -> None:
    rows = _sheet(cut, tmp_path / "cues.csv")
    assert [(row["track"], row["start_s"]) for row in rows] == [
        ("V1", "0.000000"),
        ("V1", "1.750000"),
        ("V1", "3.070000"),
    ]
    rows[0] |= {"prompt": '=heavy; "oak" door', "seed": "7", "gain_db": "-3,5"}
    rows[2] |= {"negative": "speech", "mode": "Off"}
    before = cut.read_bytes()
    report = import_cues(cut, _save(rows, tmp_path / "edited.csv"))
    assert cut.read_bytes() == before
    assert (report.output, report.clips, report.changed) == (cut.with_name("cut.cues.otio"), 3, 2)
    assert _words(report.output) == [
        {"prompt": '=heavy; "oak" door', "seed": 7, "gain_db": -3.5},
        {},
        {"negative": "speech", "mode": "off"},
    ]
    recipe = kit.tone_recipe(tmp_path)
    done = sonify(SonifyRequest(input=report.output, recipe=recipe, device="cpu"), session)
    assert done.items[0].jobs[0].prompt.text == '=heavy; "oak" door'
    assert done.output is not None
    # And back again: the sheet of the stems tells what the clips ask for, and changes nothing.
    again = _sheet(done.output, tmp_path / "again.csv")
    assert (again[0]["prompt"], again[0]["seed"], again[0]["gain_db"]) == ('\'=heavy; "oak" door', "7", "-3.5")
    same = import_cues(done.output, tmp_path / "again.csv", tmp_path / "same.otio")
    assert same.changed == 0 and _words(same.output) == _words(report.output)


def test_an_empty_cell_takes_a_word_away_and_a_missing_column_leaves_it(cut: Path, tmp_path: Path) -> None:
    rows = _sheet(cut, tmp_path / "cues.csv")
    rows[0] |= {"prompt": "door", "seed": "7"}
    first = import_cues(cut, _save(rows, tmp_path / "a.csv"), tmp_path / "first.otio").output
    rows[0] |= {"prompt": ""}
    for row in rows:
        del row["seed"]
    second = import_cues(first, _save(rows, tmp_path / "b.csv"), tmp_path / "second.otio").output
    assert _words(second)[0] == {"seed": 7}


def test_media_stays_where_it_is_when_the_output_is_elsewhere(cut: Path, tmp_path: Path) -> None:
    rows = _sheet(cut, tmp_path / "cues.csv")
    output = tmp_path / "deep" / "er" / "out.otio"
    import_cues(cut, _save(rows, tmp_path / "a.csv"), output)
    timeline = read_timeline(output).timeline
    urls = [clip.media_reference.target_url for clip in timeline.find_clips()]
    assert all((output.parent / url).is_file() for url in urls)


def test_clips_in_nested_sequences_and_hidden_parts_are_found(kit) -> None:
    inner = otio.schema.Stack("inner", [otio.schema.Track("V", [kit.clip("a.mov", 0, 24, name="deep")])])
    timeline = kit.timeline_of(kit.clip("b.mov", 0, 48, name="low"), inner)
    over = otio.schema.Track("V2", [otio.schema.Gap(duration=otio.opentime.RationalTime(12, 24))])
    over.append(kit.clip("c.mov", 0, 12, name="over"))
    timeline.tracks.append(over)
    found = list(picture_ids(timeline).values())
    low, deep, high = (0, 0), (0, 1, 0, 0), (1, 1)
    # The low clip has an id of its own, and one for each stretch of it between edges of the clip over it.
    assert set(found) == {low, deep, high}
    assert found.count(low) == 6


@pytest.mark.parametrize(
    "change, said",
    [
        ({"id": "nobody"}, "column id: .* has no such clips \\(row 2: 'nobody'\\)"),
        ({"seed": "1.5"}, "row 2, column seed: '1.5' is no whole number"),
        ({"mode": "loud"}, "row 2, column mode: 'loud' is none of sync, ambience, off"),
        ({"gain_db": "much"}, "row 2, column gain_db"),
    ],
)
def test_wrong_rows_are_named_and_nothing_is_written(
    cut: Path, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    rows = _sheet(cut, tmp_path / "cues.csv")
    rows[0] |= change
    with pytest.raises(InputError, match=said):
        import_cues(cut, _save(rows, tmp_path / "edited.csv"))
    assert not cut.with_name("cut.cues.otio").exists()


def test_rows_that_contradict_each_other_are_refused(cut: Path, tmp_path: Path) -> None:
    rows = _sheet(cut, tmp_path / "cues.csv")
    rows[1] |= {"id": rows[0]["id"], "prompt": "door"}
    with pytest.raises(InputError, match="column prompt: rows 2 and 3 want different things of the same clip, 'a'"):
        import_cues(cut, _save(rows, tmp_path / "edited.csv"))
    rows[0] |= {"prompt": "door"}
    assert import_cues(cut, _save(rows, tmp_path / "edited.csv")).clips == 2


def test_places_that_cannot_be_written_are_refused(cut: Path, tmp_path: Path) -> None:
    rows = _sheet(cut, tmp_path / "cues.csv")
    sheet = _save(rows, tmp_path / "a.csv")
    with pytest.raises(OutputError, match="is never overwritten"):
        import_cues(cut, sheet, cut)
    with pytest.raises(InputError, match=r"timelines are written as .*; for other programs go on with `avlink export`"):
        import_cues(cut, sheet, tmp_path / "out.xml")
    with pytest.raises(InputError, match=r"none\.csv cannot be read"):
        import_cues(cut, tmp_path / "none.csv")


def test_a_bundle_stays_one(cut: Path, tmp_path: Path) -> None:
    bundle = export(ExportRequest(input=cut, to="otioz"), make_registry(plugin, testing)).output
    rows = _sheet(bundle, tmp_path / "cues.csv")
    rows[1] |= {"prompt": "rain"}
    output = import_cues(bundle, _save(rows, tmp_path / "a.csv")).output
    assert output.suffix == ".otioz"
    assert [words.get("prompt") for words in _words(output)] == [None, "rain", None]
