"""The search for inputs that break a law: Hypothesis makes them, and makes those that it finds small."""

from __future__ import annotations

import contextlib
import time

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.errors import Flaky

from fuzz.case import Case, Fault
from fuzz.formats import FORMATS
from fuzz.journal import Entry, Journal
from fuzz.trial import Outcome, try_case
from fuzz.workplace import Site

_SHRINK_S = 60.0
"""Seconds that are spent on a smaller input with the same fault."""
_APART = 24
"""One case of so many runs as a process of its own as well."""


class TimeIsUp(KeyboardInterrupt):
    """Ends Hypothesis, which lets this kind of exception through."""


class FaultFound(Exception):
    """A new fault, which Hypothesis tries to find in a smaller input."""


def search(format: str, *, seed: int, seconds: float, journal: Journal, site: Site) -> None:
    """Try inputs of one format for some time, one at least, and note each.

    An input with a new fault is kept, as small as it gets.
    """
    # Hypothesis keeps tables of characters in a folder, which is the working folder by default.
    set_hypothesis_home_dir(journal.folder / "tables")
    until = time.monotonic() + seconds
    while True:
        _Search(format, seed=seed, until=until, journal=journal, site=site).run(FORMATS[format])
        seed += 1
        if time.monotonic() > until:
            return


class _Search:
    """One run of Hypothesis, until it has found something new or the time is up."""

    def __init__(self, format: str, *, seed: int, until: float, journal: Journal, site: Site) -> None:
        self._format, self._seed, self._until, self._journal, self._site = format, seed, until, journal, site
        self._smallest: tuple[Case, Fault] | None = None
        self._wanted: str | None = None
        self._last_s = time.monotonic()
        self._count = 0

    def run(self, cases: st.SearchStrategy[Case]) -> None:
        @hypothesis.seed(self._seed)
        @hypothesis.settings(
            max_examples=1_000_000,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        )
        @hypothesis.given(cases)
        def law(case: Case) -> None:
            self._try(case)

        # A fault that comes and goes is kept as well.
        with contextlib.suppress(TimeIsUp, FaultFound, Flaky):
            law()
        if self._smallest is not None:
            folder = self._journal.keep(*self._smallest)
            print(f"found {self._smallest[1].law}: {self._smallest[1].text[:200]!a}\n  {folder}", flush=True)

    def _try(self, case: Case) -> None:
        if self._count and time.monotonic() > self._until:
            raise TimeIsUp
        self._journal.begin(case)
        outcome = try_case(case, self._site)
        self._count += 1
        if self._wanted is None and self._count % _APART == _APART // 2 and not outcome.faults:
            outcome.faults += try_case(case, self._site, apart=True).faults
        self._note(case, outcome)
        fault = next((fault for fault in outcome.faults if self._is_wanted(fault)), None)
        if fault is None:
            return
        if self._wanted is None:
            self._wanted = fault.signature
            self._until = time.monotonic() + _SHRINK_S
        if self._smallest is None or case.size < self._smallest[0].size:
            self._smallest = case, fault
        raise FaultFound(fault.signature)

    def _is_wanted(self, fault: Fault) -> bool:
        """Return whether a fault is new, and of the kind that is made smaller if there is one already."""
        if self._wanted is not None:
            return fault.signature == self._wanted
        return not self._journal.knows(self._format, fault)

    def _note(self, case: Case, outcome: Outcome) -> None:
        now_s = time.monotonic()
        self._journal.note(
            Entry(
                format=self._format,
                digest=case.digest,
                codes=tuple(outcome.codes),
                made=outcome.made,
                cpu_s=outcome.cpu_s,
                memory_mib=outcome.memory_mib,
                wall_s=now_s - self._last_s,
                faults=tuple(fault.signature for fault in outcome.faults),
            )
        )
        self._last_s = now_s
