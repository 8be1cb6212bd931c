"""The laws see what they are for: each is shown something that breaks it, and the same thing whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from avlink.timeline.flat import FlatTimeline
from avlink.timeline.flatten import flatten_timeline
from avlink.timeline.read import read_timeline

pytest.importorskip("resource", reason="limits of processes are POSIX's")

from fuzz.case import Case, Fault, Place, load
from fuzz.command import Ran, run_apart, run_here
from fuzz.cut import Cut, CutClip, Rate
from fuzz.damage import json_text
from fuzz.exported import FORMATS, expected, read
from fuzz.inputs.otio_values import of_cut
from fuzz.journal import Entry, Journal, table
from fuzz.laws import check_cost, check_files, check_words
from fuzz.project_laws import check_dry_run, check_places, check_stems
from fuzz.trial import try_case
from fuzz.workplace import Site, Workplace

CUT = Cut(
    rate=Rate(23.976, Fraction(24000, 1001)),
    start=86400,
    clips=(
        CutClip(name="a 'b'", media="a.mp4", gap=5, first=3, frames=25),
        CutClip(name="=c", media="b.mov", gap=0, first=0, frames=13, speed=Fraction(2)),
    ),
)
CASE = Case(
    format="otio",
    files={"cut.otio": json_text(of_cut(CUT)), "empty": None},
    commands=(("sonify", "cut.otio"),),
    exports=tuple(FORMATS),
    places=CUT.places(),
)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


@pytest.fixture
def place(site: Site) -> Iterator[Workplace]:
    with site.workplace(CASE) as made:
        yield made


def laws(faults: Iterator[Fault]) -> list[str]:
    return [fault.law for fault in faults]


def said(code: int = 0, out: str = "", err: str = "", words: tuple[str, ...] = ("sonify",)) -> Ran:
    return Ran(words=words, code=code, out=out, err=err)


REFUSED = '{"error": {"message": "no such file", "exit_code": 2}}'


@pytest.mark.parametrize(
    ("ran", "law"),
    [
        (said(0, "wrote x"), None),
        (said(2, err="avlink: x.otio is empty"), None),
        (said(2, REFUSED, words=("sonify", "--json")), None),
        (said(1, err="avlink: no space"), "exit code"),
        (said(-11), "crash"),
        (said(2), "words"),
        (said(2, err="Traceback (most recent call last)"), "words"),
        (said(3, err="a.mp4: failed: ValueError: x"), "words"),
        (said(2, err="this is a bug in AVLink"), "words"),
        (said(0, '{"a": NaN}', words=("sonify", "--json")), "json"),
        (said(0, '{"a": 1} {"b": 2}', words=("sonify", "--json")), "json"),
        (said(0, "\x1b]0;title\x07"), "terminal"),
        (said(0, "clip \u202e"), "terminal"),
    ],
)
def test_words_and_exit_codes(ran: Ran, law: str | None) -> None:
    assert law in laws(check_words(ran)) if law else not laws(check_words(ran))


def test_time_and_memory() -> None:
    assert not laws(check_cost(said()))
    assert laws(check_cost(replace(said(), cpu_s=1000.0, memory_mib=10_000.0))) == ["time", "memory"]


@pytest.mark.parametrize(
    ("change", "law"),
    [
        (lambda at: at.joinpath("new.txt").write_text("x"), None),
        (lambda at: at.joinpath("a.mp4").rename(at / "a.mp4.bak"), None),
        (lambda at: at.joinpath("a.mp4").unlink(), "lost file"),
        (lambda at: at.joinpath("cut.otio").write_text("x"), "lost file"),
        (lambda at: at.parent.joinpath("x").write_text("x"), "outside"),
        (lambda at: at.joinpath(".avlink-tmp-1.wav").write_text("x"), "leftover"),
        (lambda at: at.parents[1].joinpath("tmp", "x").write_text("x"), "leftover"),
    ],
)
def test_files(change: Callable[[Path], object], law: str | None, place: Workplace) -> None:
    before = place.files()
    change(place.work)
    assert laws(check_files(said(), place, before, place.files(), set())) == ([law] if law else [])


def test_what_is_written_elsewhere_by_this_process_is_seen(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def program(words: list[str]) -> int:
        tmp_path.joinpath(words[0]).write_text("x")
        Path("here.txt").write_text("x")
        return 0

    monkeypatch.setattr("fuzz.command.main", program)
    ran = run_here(["there.txt"], place)
    assert [Path(change.split()[1]) for change in ran.outside] == [tmp_path / "there.txt"]


def test_a_process_that_is_ended_by_a_signal_is_seen(place: Workplace, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    ran = run_apart(["--version"], place, tmp_path)
    assert ran.code == -11 and laws(check_words(ran)) == ["crash"]


def test_a_dry_run_that_says_something_else() -> None:
    def planned(code: int, status: str, reason: str | None = None) -> Ran:
        item = {"status": status, "reason": reason}
        return said(code, str({"items": [item]}).replace("'", '"').replace("None", "null"), words=("sonify", "--json"))

    refused = said(2, REFUSED, words=("sonify", "--json"))
    good = planned(0, "generated")
    assert not laws(check_dry_run(CASE, good, planned(0, "cached")))
    assert not laws(check_dry_run(CASE, refused, refused))
    assert laws(check_dry_run(CASE, good, refused)) == ["dry run"]
    assert laws(check_dry_run(CASE, planned(0, "skipped", "is a still"), good)) == ["dry run"]


@pytest.fixture(scope="module")
def made(site: Site) -> Iterator[tuple[Path, dict[str, object], FlatTimeline]]:
    """The working folder, the report and the values of a project with stems, in all formats."""
    with site.workplace(CASE) as place:
        tone = ("-s", "backend.name=tone", "--device", "cpu", "--json")
        ran = run_here(("sonify", "cut.otio", *tone), place)
        for to in FORMATS:
            run_here(("export", "cut.foley.otio", "--to", to, "-o", f"x.{to}"), place)
        timeline = flatten_timeline(read_timeline(place.work / "cut.foley.otio").timeline)
        yield place.work, ran.json, timeline


def test_places_of_a_report(made: tuple[Path, dict[str, object], FlatTimeline]) -> None:
    _, report, _ = made
    assert not laws(check_places(CASE, report))
    moved = replace(CUT.places()[0], start_s=CUT.places()[0].start_s + Fraction(1, 48000))
    assert laws(check_places(replace(CASE, places=(moved, *CUT.places()[1:])), report)) == ["places"]
    assert laws(check_places(replace(CASE, places=CUT.places()[:1]), report)) == ["places"]


def test_stems_lie_where_the_project_has_them(made: tuple[Path, dict[str, object], FlatTimeline]) -> None:
    _, report, timeline = made
    assert not laws(check_stems(report, timeline))
    later = replace(timeline, origin_s=timeline.origin_s + Fraction(1, 48000))
    assert set(laws(check_stems(report, later))) == {"stems"}


@pytest.mark.parametrize("to", FORMATS)
def test_exports_that_say_something_else(to: str, made: tuple[Path, dict[str, object], FlatTimeline]) -> None:
    folder, _, timeline = made
    path = folder / f"x.{to}"
    found = read(path, to, timeline)
    assert found == expected(timeline, to) and len(found) == 2
    track = timeline.sound_tracks[0]
    # A tenth of a second is more than a frame.
    later = replace(track.clips[1], start_s=track.clips[1].start_s + Fraction(1, 10))
    other = replace(timeline, tracks=(replace(track, clips=(track.clips[0], later)),))
    assert expected(other, to) != found
    other = replace(timeline, tracks=(replace(track, clips=track.clips[:1]),))
    assert expected(other, to) != found


def test_a_whole_input_breaks_no_law_and_a_wrong_expectation_is_seen(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path.cwd())
    assert try_case(CASE, site).faults == []
    wrong = replace(CASE, places=(Place(Fraction(0), Fraction(1), "a"),))
    assert [fault.law for fault in try_case(wrong, site).faults] == ["places"]


def test_a_case_is_saved_and_read(tmp_path: Path) -> None:
    CASE.save(tmp_path / "case")
    assert load(tmp_path / "case") == CASE


def test_a_record_goes_on_and_keeps_a_fault_once(tmp_path: Path) -> None:
    entry = Entry(format="otio", digest="0", codes=(0, 2), cpu_s=1.5, memory_mib=3.0, wall_s=2.0)
    fault, same = Fault("words", "row 1, 'x' is odd"), Fault("words", "row 23, 'yy' is odd")
    journal = Journal(tmp_path)
    journal.note(entry)
    journal.begin(CASE)
    journal.keep_current(fault)
    again = Journal(tmp_path)
    assert again.knows("otio", same) and not again.knows("edl", same)
    assert [(path.name.split("-")[0], text) for path, text in again.faults()] == [("otio", "words: row 1, 'x' is odd")]
    assert load(again.faults()[0][0]) == CASE
    assert len(again.entries()) == 2 and "1.50 s" in table(again.entries())
    assert again.spent_s() == 2.0 and not again.is_finished
    again.finish()
    assert Journal(tmp_path).is_finished
