"""`python -m fuzz [FORMATS] [--minutes M] [--seed N]`, in the repository's root: an hour of generated inputs.

Inputs run in a process of their own, which is replaced when one ends it. A run that was stopped goes on where it was
when it is started again with the same seed, or without any. POSIX only.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from fuzz.case import Fault, load
from fuzz.formats import FORMATS
from fuzz.journal import Journal, table
from fuzz.search import search
from fuzz.trial import try_case
from fuzz.workplace import Site

ROOT = Path(__file__).resolve().parents[1]
_SLICE_S = 60.0
"""Seconds of one format before the next has its turn."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Search for faults, or try a saved input again; 1 when there is one."""
    asked = _parse(arguments)
    if asked.replay:
        return _replay(asked.replay)
    if asked.child:
        return _work(asked)
    seconds = asked.minutes * 60
    journal = _journal(asked)
    print(f"seed {journal.folder.name.removeprefix('seed-')}; the record is in {journal.folder}", flush=True)
    try:
        _run(asked, seconds, journal)
        journal.finish()
    except KeyboardInterrupt:
        print("stopped; the same command goes on")
    print(table(journal.entries()))
    found = journal.faults()
    for folder, said in found:
        print(f"\n{said}\n  python -m fuzz --replay {folder}")
    print(f"\n{len(found)} fault{'' if len(found) == 1 else 's'} of different kinds")
    return 1 if found else 0


def _run(asked: argparse.Namespace, seconds: float, journal: Journal) -> None:
    """Let processes search, one format after the other, until the time is up."""
    slice_s = min(_SLICE_S, seconds / len(asked.formats))
    turn = len(journal.entries())
    until_s = time.monotonic() + seconds - journal.spent_s()
    while (left_s := until_s - time.monotonic()) > 1:
        # After every pass over the formats, or an input that ended the process, a new process begins.
        turn += 1
        pass_s = min(left_s, slice_s * len(asked.formats))
        command = [sys.executable, "-m", "fuzz", *asked.formats, "--child", str(journal.folder)]
        command += [
            "--seed",
            str(random.Random(f"{journal.folder.name} {turn}").getrandbits(32)),
            "--seconds",
            str(pass_s),
        ]
        with (journal.folder / "process.log").open("ab") as log:
            code = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=log, check=False).returncode
        if code in (-signal.SIGINT, -signal.SIGTERM):
            raise KeyboardInterrupt
        if code < 0:
            name = signal.Signals(-code).name
            why = {"SIGALRM": "hangs", "SIGXCPU": "takes all of the processor"}.get(name, f"ends the process by {name}")
            journal.keep_current(Fault("crash", why))
        elif code:
            raise SystemExit(f"the search itself failed; {journal.folder / 'process.log'} says why")


def _work(asked: argparse.Namespace) -> int:
    """Search as the process of one pass."""
    journal = Journal(asked.child)
    site = Site()
    try:
        ends_s = time.monotonic() + asked.seconds
        formats = random.Random(asked.seed).sample(asked.formats, len(asked.formats))
        for number, format in enumerate(formats):
            share_s = (ends_s - time.monotonic()) / (len(formats) - number)
            search(format, seed=asked.seed, seconds=max(0.0, share_s), journal=journal, site=site)
    finally:
        site.close()
    return 0


def _replay(folder: Path) -> int:
    """Run a saved input again, in this process and apart, and print its faults."""
    case = load(folder)
    site = Site()
    try:
        faults = [fault for apart in (True, False) for fault in try_case(case, site, apart=apart).faults]
    finally:
        site.close()
    for fault in faults:
        print(f"{fault.law}: {fault.text}\n{fault.where}\n")
    if not faults:
        print("no law is broken")
    return 1 if faults else 0


def _journal(asked: argparse.Namespace) -> Journal:
    """Return the record of the seed, or without one that of a run that was stopped, or else a new one."""
    if asked.seed is None:
        stopped = [Journal(path) for path in sorted(asked.output.glob("seed-*"), key=os.path.getmtime)]
        stopped = [journal for journal in stopped if not journal.is_finished]
        if stopped:
            return stopped[-1]
        asked.seed = random.SystemRandom().getrandbits(32)
    return Journal(asked.output / f"seed-{asked.seed}")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=main.__doc__)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=f"of {', '.join(FORMATS)} (default: all)")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (default: 60)")
    parser.add_argument("--seed", type=int, help="the same seed gives the same series of inputs")
    parser.add_argument("--output", type=Path, default=ROOT / "out" / "fuzz", help="folder of the records")
    parser.add_argument("--replay", type=Path, metavar="FOLDER", help="try a saved input again")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    asked.formats = list(dict.fromkeys(asked.formats)) or list(FORMATS)
    unknown = [name for name in asked.formats if name not in FORMATS]
    if unknown:
        parser.error(f"there is no format '{unknown[0]}'; there are {', '.join(FORMATS)}")
    asked.output = asked.output.absolute()
    return asked


if __name__ == "__main__":
    sys.exit(main())
