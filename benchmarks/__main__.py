"""`python -m benchmarks [NAMES] [--quick] [--json] [--model M] [--footage F] [--sounds S]` prints a table of figures.
`python -m benchmarks real FOLDER [SYSTEMS]` compares systems on real footage.
`python -m benchmarks examples FOLDER` writes movies of a model's best and worst clips.

It runs in the repository's root.

Each benchmark runs in a process of its own, so that none leaves threads or memory to the next, and keeps its files in
temporary folders. POSIX only, for peaks of memory are asked of the system.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figure import Figure, Wanted, table
from benchmarks.process import ROOT

BENCHMARKS = {
    "model": "the built-in model: loading, decoding, generation, finishing",
    "codec": "the codec of a model on recordings: what it loses, what it repeats, and its time",
    "prompts": "sounds for twenty prompts, as YAMNet names them",
    "steps": "quality of sound against evaluations of the model, by solver",
    "memory": "peak memory of `avlink sonify` by the length of the clip",
    "planning": "cost of a plan by the number of clips",
    "writing": "cost of writing stems into a project, and of a run that has them all, by the number of clips",
    "foundry": "clips that the foundry makes in a second",
    "decoding": "clips a second out of video files and out of prepared shards, against a training step",
    "training": "training samples a second, by stage",
    "scale": "a step of the Fusion Blocks at the paper's size on a GPU: tokens, memory, use of the peak",
    "hits": "events of real footage: spotters, and stems of the sound library, against chance",
    "library": "reading 2,403 sounds into the sound library, and searching 100,000",
    "start": "wall time of `avlink --help`, and of `avlink sonify` on a movie",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 when a benchmark failed. A bar that is missed is printed, and no failure."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] in (["real"], ["examples"]):
        return int(importlib.import_module(f"benchmarks.{given[0]}").main(given[1:]))
    asked = _parse(arguments)
    # A benchmark that is stopped takes its files with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = list(dict.fromkeys(asked.names)) or list(BENCHMARKS)
    wanted = Wanted(quick=asked.quick, model=asked.model, footage=asked.footage, sounds=asked.sounds)
    if len(names) == 1:
        figures: list[Figure] = importlib.import_module(f"benchmarks.{names[0]}").measure(wanted)
        failed: list[str] = []
    else:
        figures, failed = _each_alone(names, wanted)
    if asked.json:
        rows = [figure.to_json() for figure in figures]
        print(json.dumps({"quick": asked.quick, "figures": rows, "failed": failed}, indent=1))
    else:
        print(table(figures))
        if asked.quick:
            print("\n--quick shows that the benchmarks work; its figures mean nothing")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _each_alone(names: Sequence[str], wanted: Wanted) -> tuple[list[Figure], list[str]]:
    """The figures of all benchmarks, and the names of those that failed."""
    figures: list[Figure] = []
    failed = []
    with tempfile.TemporaryDirectory(prefix="avlink-bench-") as folder:
        for name in names:
            print(f"{name}: {BENCHMARKS[name]} ...", file=sys.stderr, flush=True)
            command = [sys.executable, "-m", "benchmarks", name, "--json", "--model", wanted.model]
            command += ["--quick"] if wanted.quick else []
            folders = (("--footage", wanted.footage), ("--sounds", wanted.sounds))
            command += [str(part) for option, path in folders if path is not None for part in (option, path.resolve())]
            environment = {**os.environ, "TMPDIR": folder}
            done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                failed.append(name)
            else:
                figures += [Figure.from_json(row) for row in json.loads(done.stdout)["figures"]]
    return figures, failed


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    listed = "\n".join(f"  {name:<9} {what}" for name, what in BENCHMARKS.items())
    listed += "\n  real      systems on real footage with known events: `python -m benchmarks real --help`"
    listed += "\n  examples  movies of a model's best and worst clips: `python -m benchmarks examples --help`"
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", epilog=listed, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which to run (default: all)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything works")
    parser.add_argument("--json", action="store_true", help="figures as JSON on standard output")
    parser.add_argument("--model", default="builtin", help="a shipped bundle's name, or the folder of one")
    parser.add_argument("--footage", type=Path, help="for hits: a folder of clips with events.json and manifest.tsv")
    parser.add_argument("--sounds", type=Path, help="for hits and library: a folder of sounds")
    asked = parser.parse_args(arguments)
    for folder in (asked.footage, asked.sounds):
        if folder is not None and not folder.is_dir():
            parser.error(f"there is no folder {folder}")
    unknown = [name for name in asked.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark '{unknown[0]}'; there are {', '.join(BENCHMARKS)}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
