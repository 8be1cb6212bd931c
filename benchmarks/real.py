"""`python -m benchmarks real FOLDER`: systems on real footage with known events, as tables for a card.

The folder is one like shared/real. A system is a spotter, a backend or a folder of sounds. Figures are gains over
chance: F1 of found against true times, less the mean F1 of the found times after eight circular shifts. F1 alone is
never shown: a metronome has half of it. Sounds are asked for with the words of the clip as their prompt.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlink import Prompt, SoundRequest, Waveform, read_whole
from avlink.core.errors import AvlinkError
from avlink.evaluation.section import Cell, Section
from avlink.hooks import ReadyBackend, ReadySpotter, load_registry
from avlink.media.audio import read_audio
from avlink.media.loudness import measure_loudness
from avlink.media.wave import write_float_wave
from avlink.metrics.gain import OnsetGain, bootstrap_mean, matched_count, onset_gain
from avlink.metrics.levels import level_db
from benchmarks.ear import Ear, agreement
from benchmarks.real_clips import RealClip, groups_of, heard_onsets, read_real_clips

USUAL = ("spotter:motion-stem", "spotter:motion-flow", "spotter:motion-peaks", "backend:fusion-v2a")
_WINDOWS_S = (0.05, 0.1)
_NEAR_SILENT_LUFS = -50.0
_FEW = 3


@dataclass(slots=True, kw_only=True)
class _Heard:
    """Times in seconds that one system found on each clip, and its sounds if it makes any."""

    name: str
    times_s: list[list[float]] = field(default_factory=list)
    sounds: list[tuple[NDArray[np.float32], int]] = field(default_factory=list)


def main(arguments: Sequence[str]) -> int:
    """Print the tables; 1 where a system cannot be run."""
    asked = _parse(arguments)
    clips = read_real_clips(asked.folder)[: asked.clips]
    names = asked.systems or USUAL
    try:
        # All of them at first: a name that is wrong is better told before the others have run for minutes.
        runs = [_system(name, asked.options, words=not asked.no_words) for name in names]
        heard = [_hear(name, run, clips, asked.keep) for name, run in zip(names, runs, strict=True)]
    except (AvlinkError, ValueError, OSError) as error:
        print(f"real: {error}", file=sys.stderr)
        return 1
    tables = [_gains(clips, heard), _kinds(clips, heard), _differences(clips, heard), _sounds(clips, heard)]
    tables = [table for table in tables if table.rows]
    if asked.json:
        print(json.dumps({table.key: table.to_json() for table in tables}, indent=1))
    else:
        print("\n\n".join(table.text() for table in tables))
    return 0


_Run = Callable[[RealClip], tuple[list[float], tuple[NDArray[np.float32], int] | None]]


def _system(name: str, options: Sequence[str], *, words: bool) -> _Run:
    """Return a function from a clip to times and sound. Raises ValueError for a name of no sort."""
    sort, _, which = name.partition(":")
    if sort == "spotter":
        spotter = load_registry().spotter(which)
        spots = ReadySpotter(spotter=spotter, options=spotter.options()).load("cpu")
        return lambda clip: ([float(hit.time_s) for hit in spots.spot(clip.frames(spots.picture))], None)
    if sort == "sounds":
        return lambda clip: _of_file(Path(which) / f"{clip.path.stem}.wav", clip)
    if sort != "backend":
        raise ValueError(f"'{name}' is no system; write spotter:NAME, backend:NAME[@MODEL] or sounds:FOLDER")
    which, _, model = which.partition("@")
    backend = load_registry().backend(which)
    said: dict[str, Any] = dict(option.split("=", 1) for option in options)
    said = {key: json.loads(value) for key, value in said.items()} | ({"model": model} if model else {})
    generator: Any = ReadyBackend(backend=backend, options=backend.options(**said)).load("cpu")

    def generate(clip: RealClip) -> tuple[list[float], tuple[NDArray[np.float32], int]]:
        request = SoundRequest(
            frames=clip.frames(generator.picture),
            duration_s=clip.duration_s,
            prompt=Prompt(text=clip.words if words else ""),
            seed=1,
        )
        sound = read_whole(generator.generate([request])[0])
        mono = np.asarray(sound.samples.mean(0), np.float32)
        return heard_onsets(mono, sound.sample_rate), (mono, sound.sample_rate)

    return generate


def _of_file(path: Path, clip: RealClip) -> tuple[list[float], tuple[NDArray[np.float32], int]]:
    rate = 48000
    wave = read_audio(path, sample_rate=rate, mono=True, start_s=Fraction(0), duration_s=clip.duration_s)
    return heard_onsets(wave.samples[0], rate), (wave.samples[0], rate)


def _hear(name: str, run: _Run, clips: Sequence[RealClip], keep: Path | None) -> _Heard:
    heard = _Heard(name=name)
    for number, clip in enumerate(clips):
        times_s, sound = run(clip)
        heard.times_s.append(times_s)
        if sound is not None:
            heard.sounds.append(sound)
            if keep is not None:
                folder = keep / name.replace(":", "_").replace(os.sep, "_")
                folder.mkdir(parents=True, exist_ok=True)
                wave = Waveform(samples=sound[0][None], sample_rate=sound[1])
                write_float_wave(folder / f"{clip.path.stem}.wav", wave)
        print(f"\r{name}: {number + 1} of {len(clips)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return heard


def _gain_of(clips: Sequence[RealClip], heard: _Heard, window_s: float) -> list[OnsetGain]:
    return [
        onset_gain(clip.events_s, times_s, length_s=float(clip.duration_s), window_s=window_s)
        for clip, times_s in zip(clips, heard.times_s, strict=True)
    ]


def _gains(clips: Sequence[RealClip], heard: Sequence[_Heard]) -> Section:
    rows: list[dict[str, Cell]] = []
    for window_s in _WINDOWS_S:
        gains = {one.name: np.array([gain.gain for gain in _gain_of(clips, one, window_s)]) for one in heard}
        for group, members in groups_of(clips).items():
            row: dict[str, Cell] = {"clips": f"{group} ({len(members)})", "within": f"{window_s * 1000:.0f} ms"}
            rows.append(row | {name: _spread(values[members]) for name, values in gains.items()})
    counts: dict[str, dict[str, Cell]] = {"precision": {}, "recall": {}}
    for one in heard:
        matched = sum(
            matched_count(sorted(clip.events_s), sorted(times_s), _WINDOWS_S[1])
            for clip, times_s in zip(clips, one.times_s, strict=True)
        )
        counts["precision"][one.name] = f"{matched / max(1, sum(map(len, one.times_s))):.2f}"
        counts["recall"][one.name] = f"{matched / max(1, sum(len(clip.events_s) for clip in clips)):.2f}"
    rows += [{"clips": name, "within": f"{_WINDOWS_S[1] * 1000:.0f} ms", **cells} for name, cells in counts.items()]
    return _section("gain", f"Gain over chance on {len(clips)} clips, with 90 % intervals", rows)


def _spread(values: NDArray[np.float64], sign: str = "") -> str:
    interval = bootstrap_mean(values)
    return f"{interval.mean:{sign}.3f} [{interval.low:{sign}.2f}, {interval.high:{sign}.2f}]"


def _kinds(clips: Sequence[RealClip], heard: Sequence[_Heard]) -> Section:
    gains = {one.name: [gain.gain for gain in _gain_of(clips, one, _WINDOWS_S[1])] for one in heard}
    rows = []
    for kind in sorted({clip.kind for clip in clips}):
        members = [k for k, clip in enumerate(clips) if clip.kind == kind]
        means = {name: float(np.mean([values[k] for k in members])) for name, values in gains.items()}
        row: dict[str, Cell] = {"kind": kind, "clips": len(members), **means}
        rows.append(row)
    return _section("kinds", "Gain at 100 ms by kind", rows)


def _differences(clips: Sequence[RealClip], heard: Sequence[_Heard]) -> Section:
    """Compare systems clip by clip: clips differ far more from each other than systems do."""
    rows: list[dict[str, Cell]] = []
    for window_s in _WINDOWS_S:
        gains = {one.name: np.array([gain.gain for gain in _gain_of(clips, one, window_s)]) for one in heard}
        for group, members in groups_of(clips).items():
            row: dict[str, Cell] = {"clips": f"{group} ({len(members)})", "within": f"{window_s * 1000:.0f} ms"}
            firsts: dict[bool, str] = {}
            for one in heard:
                first = firsts.setdefault(bool(one.sounds), one.name)
                if first != one.name:
                    row[f"{one.name} less {first}"] = _spread((gains[one.name] - gains[first])[members], "+")
            if len(row) > 2:
                rows.append(row)
    return _section("differences", "Differences of gains, clip by clip, with 90 % intervals", rows)


def _sounds(clips: Sequence[RealClip], heard: Sequence[_Heard]) -> Section:
    rate = 48000
    true = [clip.sound(rate) for clip in clips]
    try:
        ear = Ear()
    except (FileNotFoundError, ImportError) as error:
        print(f"real: names are left out: {error}", file=sys.stderr)
        ear = None
    named_true = [] if ear is None else [ear.scores(sound, rate) for sound in true]
    spotted = [one for one in heard if not one.sounds][:1]
    rows = []
    for one in heard:
        if not one.sounds:
            continue
        alike = [_curves_alike(a, rate, b, at) for a, (b, at) in zip(true, one.sounds, strict=True)]
        lufs = [measure_loudness(Waveform(samples=sound[None], sample_rate=at)).lufs for sound, at in one.sounds]
        # Clips in which nothing is seen may be silent.
        with_hits = [k for k in range(len(clips)) if not spotted or spotted[0].times_s[k]]
        quiet = [lufs[k] is None or lufs[k] < _NEAR_SILENT_LUFS for k in with_hits]  # type: ignore[operator]
        interval = bootstrap_mean(alike)
        row: dict[str, Cell] = {
            "system": one.name,
            "loudness correlation": f"{interval.mean:.2f} [{interval.low:.2f}, {interval.high:.2f}]",
            "near-silent": float(np.mean(quiet)) if quiet else None,
            "median LUFS": float(np.median([-70.0 if level is None else level for level in lufs])),
        }
        if ear is not None and len(clips) > _FEW:
            named, chance = agreement(ear, named_true, [ear.scores(sound, at) for sound, at in one.sounds])
            row |= {"named": float(np.mean(named)), "chance": chance}
        rows.append(row)
    return _section("sound", "Sound: loudness beside the true sound's, and names that YAMNet gives to both", rows)


def _section(key: str, title: str, rows: Sequence[dict[str, Cell]]) -> Section:
    heads = tuple(dict.fromkeys(head for row in rows for head in row))
    return Section(
        key=key, title=title, heads=heads, rows=tuple(tuple(row.get(head) for head in heads) for row in rows)
    )


def _curves_alike(a: NDArray[np.float32], rate_a: int, b: NDArray[np.float32], rate_b: int) -> float:
    """Return Pearson's correlation of two level curves in decibels, 25 values a second; 0 for a level line."""
    first, second = level_db(a, rate_a), level_db(b, rate_b)
    length = min(len(first), len(second))
    first, second = first[:length], second[:length]
    if length < 2 or first.std() < 1e-6 or second.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks real", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("folder", type=Path, help="clips with events.json and manifest.tsv")
    parser.add_argument(
        "systems",
        nargs="*",
        help=f"spotter:NAME, backend:NAME[@MODEL], sounds:FOLDER of <clip>.wav (default: {' '.join(USUAL)})",
    )
    parser.add_argument("--option", dest="options", action="append", default=[], help="of the backend, KEY=JSON")
    parser.add_argument("--no-words", action="store_true", help="ask for sounds without a prompt")
    parser.add_argument("--clips", type=int, help="only the first so many")
    parser.add_argument("--keep", type=Path, help="a folder for the sounds, to be listened to")
    parser.add_argument("--json", action="store_true", help="the tables as JSON")
    asked = parser.parse_args(arguments)
    if not (asked.folder / "events.json").is_file():
        parser.error(f"there is no {asked.folder / 'events.json'}")
    return asked
