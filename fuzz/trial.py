"""One case under all laws: its commands, each dry and real, once more, and the exports of what they wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz.case import Case, Fault
from fuzz.command import Ran, run_apart, run_here
from fuzz.laws import check_cost, check_files, check_words
from fuzz.project_laws import (
    check_bundle,
    check_dry_run,
    check_duration,
    check_export,
    check_places,
    check_requests,
    check_stems,
    open_project,
)
from fuzz.workplace import Site, Workplace

_GENERATES = {"sonify": "tone", "visualize": "flat", "finish": "tone"}
_FLAT = {"rpp", "xml", "fcpxml", "kdenlive", "edl"}
_OWN_BACKEND = {"recipe"}
"""Formats whose files name the backend themselves."""


@dataclass(slots=True)
class Outcome:
    """The faults of a case, the exit codes of its commands, the clips that got a result, and the most that one took."""

    faults: list[Fault] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    made: int = 0
    cpu_s: float = 0.0
    memory_mib: float = 0.0


def try_case(case: Case, site: Site, *, apart: bool = False) -> Outcome:
    """Run a case and return what came of it. With `apart`, its first command alone is run, as a process of its own."""
    outcome = Outcome()
    with site.workplace(case) as place:
        trial = _Trial(case, place, site, outcome)
        if apart:
            trial.run_apart()
        else:
            trial.run()
    return outcome


class _Trial:
    def __init__(self, case: Case, place: Workplace, site: Site, outcome: Outcome) -> None:
        self._case, self._place, self._site, self._outcome = case, place, site, outcome
        self._ours: set[str] = set()

    def run(self) -> None:
        for number, command in enumerate(self._case.commands):
            real = self._both(command) if command[0] in _GENERATES else self._command(command)
            report = _report(real)
            self._outcome.made += sum(map(_is_made, (report or {}).get("items", [])))
            if self._outcome.faults or (report is None and number == 0):
                break
            if command[0] == "export" and report is not None:
                self._say(self._exported(command, real))
            if command[0] in _GENERATES and number == 0 and report is not None:
                self._say(check_places(self._case, report))
                self._say(check_duration(self._case, report))
                if command[0] == "sonify" and self._case.exports:
                    self._project(Path(report["output"]), report)
                    self._again(command, real)
        if self._case.requests is not None and not self._outcome.faults:
            self._say(check_requests(self._case, self._place.work / self._case.commands[-1][-1]))

    def run_apart(self) -> None:
        """Run the first command as people run it, under limits of the system."""
        ran = run_apart((*self._words(self._case.commands[0]), "--json"), self._place, self._site.plugins)
        self._note(ran)
        self._say(check_words(ran))
        self._say(check_cost(ran))

    def _both(self, command: Sequence[str]) -> Ran:
        """Run a command dry and in earnest, and compare the two."""
        words = self._words(command)
        before = self._place.files()
        plan = self._command((*words, "--dry-run"))
        changed = {name for name, digest in self._place.files().items() if before.get(name) != digest}
        if changed:
            self._say([Fault("dry run", f"wrote {Path(min(changed)).suffix}", str(sorted(changed)))])
        real = self._command(words)
        if not self._outcome.faults:
            self._say(check_dry_run(self._case, plan, real))
        if self._outcome.faults:
            return real
        # People read the same on a terminal.
        self._command((*words, "--dry-run"), json=False)
        return real

    def _again(self, command: Sequence[str], first: Ran) -> None:
        """Run a command once more: it changes nothing."""
        before = self._place.settled()
        again = self._command(self._words(command))
        after = self._place.settled()
        if again.code != first.code:
            self._say([Fault("again", f"exit code {again.code} after {first.code}: {again.message}")])
        elif before != after:
            changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
            self._say([Fault("again", f"changed {Path(min(changed)).suffix}", str(sorted(changed)))])
        elif edits := [line for line in again.err.splitlines() if "not kept" in line or " was changed in " in line]:
            self._say([Fault("again", f"speaks of edits that nobody made: {edits[0]}")])

    def _project(self, output: Path, report: dict[str, Any]) -> None:
        """Read a project that was written, and export it."""
        work = self._place.work
        timeline = open_project(work / output)
        if isinstance(timeline, Fault):
            self._say([timeline])
            return
        self._say(check_stems(report, timeline))
        if self._case.places is not None:
            self._say(check_bundle(work / output))
        for to in self._case.exports:
            name = f"exported.{to}"
            ran = self._command(("export", str(output), "--to", to, "-o", name))
            self._say(check_export(ran, to, work / output, work))

    def _exported(self, command: Sequence[str], ran: Ran) -> Iterator[Fault]:
        """Yield the faults of an export of the input, of which only formats of flat tracks say all."""
        to = command[command.index("--to") + 1]
        if to in _FLAT and "--rate" not in command:
            yield from check_export(ran, to, self._place.work / command[1], self._place.work)

    def _command(self, words: Sequence[str], *, json: bool = True) -> Ran:
        before = self._place.files()
        ran = run_here([*words, "--json"] if json else words, self._place)
        after = self._place.files()
        self._note(ran)
        self._say(check_words(ran))
        self._say(check_cost(ran))
        self._say(check_files(ran, self._place, before, after, self._ours))
        self._ours |= {name for name, digest in after.items() if before.get(name) != digest}
        return ran

    def _words(self, command: Sequence[str]) -> tuple[str, ...]:
        if command[0] not in _GENERATES or self._case.format in _OWN_BACKEND:
            return tuple(command)
        return (*command, "-s", f"backend.name={_GENERATES[command[0]]}", "--device", "cpu")

    def _note(self, ran: Ran) -> None:
        self._outcome.codes.append(ran.code)
        self._outcome.cpu_s = max(self._outcome.cpu_s, ran.cpu_s)
        self._outcome.memory_mib = max(self._outcome.memory_mib, ran.memory_mib)

    def _say(self, faults: Iterator[Fault] | Sequence[Fault]) -> None:
        self._outcome.faults.extend(faults)


def _report(ran: Ran) -> dict[str, Any] | None:
    """Return the report of a command that did what it was asked."""
    if ran.code not in (0, 3):
        return None
    try:
        return ran.json
    except ValueError:
        return None


def _is_made(item: dict[str, Any]) -> bool:
    return item.get("status") in ("generated", "cached")
