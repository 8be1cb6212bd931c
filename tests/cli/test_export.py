"""`avlink export` and `avlink import-cues` as people and scripts call them."""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio
import pytest
import soundfile


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one stem of ours; the stem itself is not there."""
    timeline = otio.schema.Timeline("cut", global_start_time=otio.opentime.RationalTime(86400, 24))
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(24, 24))
    picture = otio.schema.Track("V1", [otio.schema.Clip("shot", otio.schema.ExternalReference("a.mov"), span)])
    stem = otio.schema.Clip("shot", otio.schema.ExternalReference("cut.stems/shot.wav", span), span)
    track = otio.schema.Track("FOLEY", [stem], kind=otio.schema.TrackKind.Audio, metadata={"avlink": {}})
    timeline.tracks.extend([picture, track])
    otio.adapters.write_to_file(timeline, str(tmp_path / "cut.foley.otio"))
    return tmp_path / "cut.foley.otio"


@pytest.fixture
def stem(project: Path) -> Path:
    """The stem of the project, where it should be."""
    path = project.parent / "cut.stems" / "shot.wav"
    path.parent.mkdir()
    soundfile.write(path, [0.0] * 48000, 48000)
    return path


def test_export_says_what_it_wrote(avlink, project: Path, stem: Path) -> None:
    ran = avlink("export", project, "--to", "rpp")
    assert (ran.code, ran.out) == (0, f"wrote {project.with_name('cut.foley.rpp')} (1 sound track, 1 clip)\n")

    ran = avlink("export", project, "--to", "xml", "-o", project.with_name("other.xml"), "--json")
    assert ran.code == 0
    assert ran.json == {
        "format": 1,
        "command": "export",
        "input": str(project),
        "output": str(project.with_name("other.xml")),
        "to": "xml",
        "tracks": ["FOLEY"],
        "clips": 1,
        "hits": 0,
        "notes": [],
        "missing": [],
    }


@pytest.mark.parametrize("to", ["rpp", "kdenlive", "xml", "fcpxml", "edl"])
def test_missing_media_is_listed_and_exits_with_2(avlink, project: Path, to: str) -> None:
    ran = avlink("export", project, "--to", to)
    assert ran.code == 2
    assert "warning: 1 media file not found: cut.stems/shot.wav; --media-root names folders" in ran.err
    # The file is there all the same, and names the media as the project does.
    assert "shot.wav" in project.with_name(f"cut.foley.{to}").read_text(encoding="utf-8")
    ran = avlink("export", project, "--to", to, "--json")
    assert (ran.code, ran.json["missing"]) == (2, ["cut.stems/shot.wav"])

    ran = avlink("export", project, "--to", to, "--skip-missing")
    assert ran.code == 0 and "1 media file not found and left out: cut.stems/shot.wav" in ran.err
    assert "shot.wav" not in project.with_name(f"cut.foley.{to}").read_text(encoding="utf-8")


@pytest.mark.parametrize("to", ["otio", "otioz", "otiod"])
def test_whole_projects_without_all_media_exit_with_2(avlink, project: Path, to: str, tmp_path: Path) -> None:
    ran = avlink("export", project, "--to", to, "-o", tmp_path / f"one.{to}", "--json")
    assert (ran.code, ran.json["missing"]) == (2, ["a.mov", "cut.stems/shot.wav"])
    assert avlink("export", project, "--to", to, "-o", tmp_path / f"two.{to}", "--skip-missing").code == 0


def test_a_sheet_needs_no_media(avlink, project: Path) -> None:
    ran = avlink("export", project, "--to", "csv", "--json")
    assert (ran.code, ran.json["missing"], ran.json["clips"]) == (0, [], 2)


def test_a_sheet_goes_out_and_comes_back(avlink, project: Path) -> None:
    assert avlink("export", project, "--to", "csv").code == 0
    sheet = project.with_name("cut.foley.csv")
    text = sheet.read_text(encoding="utf-8-sig")
    heads, *rows = text.splitlines()
    row = rows[-1].split(",")
    row[heads.split(",").index("prompt")] = "door"
    sheet.write_text("\n".join([heads, ",".join(row)]), encoding="utf-8")
    ran = avlink("import-cues", project, sheet, "-o", project.with_name("again.otio"), "--json")
    assert ran.code == 0
    assert (ran.json["clips"], ran.json["changed"]) == (1, 1)
    assert '"prompt": "door"' in project.with_name("again.otio").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("export", "{project}"), "missing option '--to'"),
        (("export", "{project}", "--to", "mov"), "there is no such format"),
        (("export", "none.otio", "--to", "rpp"), "none.otio does not exist"),
        (("export", "{project}", "--to", "aaf"), "shot.wav is missing"),
        (("import-cues", "{project}", "none.csv"), "none.csv cannot be read"),
        (("import-cues", "{project}", "{project}"), "has no hits"),
    ],
)
def test_wrong_input_is_one_sentence(avlink, project: Path, arguments: tuple[str, ...], said: str) -> None:
    ran = avlink(*(argument.format(project=project) for argument in arguments))
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err.splitlines()[-1]


def test_help_calls_aaf_experimental(avlink) -> None:
    assert "aaf (Pro Tools; experimental)" in " ".join(avlink("export", "--help").out.split())
