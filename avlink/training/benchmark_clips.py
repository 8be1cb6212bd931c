"""Benchmark clips: what a model generates for the held-out clips of a data set, beside the true ones (section 4.2)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from avlink.core.bundles import bundle_fingerprint, find_bundle
from avlink.core.documents import parse_json
from avlink.core.errors import InputError, MediaError, OutputError
from avlink.core.events import JobDone, JobFailed, JobStarted, Listener, PlanReady, ignore
from avlink.core.hashing import digest, fraction_text
from avlink.core.outputs import claim_folder
from avlink.core.paths import atomic_write, make_folder, write_text
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.data import FoundryData, LibraryData, PhysicsData
from avlink.core.sampling import PICTURES, SampleConfig
from avlink.core.values import PictureRequest, PictureSpec, Prompt, SoundRequest, Waveform
from avlink.engine.bundle import A2V, V2A, load_system, read_bundle
from avlink.engine.sampling import PictureSampler, SoundSampler
from avlink.evaluation.extractors import fusion_extractor
from avlink.media.audio import read_audio
from avlink.media.frames import open_frames
from avlink.media.movie import write_video
from avlink.media.probe import probe, require_video
from avlink.media.wave import write_float_wave
from avlink.training.data.clip_spec import clip_spec_of
from avlink.training.data.decoding import opened, start_of
from avlink.training.data.prepared import write_csv
from avlink.training.data.source_clips import SourceClip
from avlink.training.data.sources import read_sources

_NOTE = "benchmark.json"
_TALLEST = 360
"""Lines of the pictures of true clips; extractors scale them down further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkReport:
    """Clips that were generated, were there already, and could not be used, with the reason."""

    folder: Path
    generated: int
    kept: int
    failed: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints, without "format" and "command"."""
        return {
            "output": str(self.folder),
            "generated": self.generated,
            "kept": self.kept,
            "failed": [{"clip": clip, "reason": reason} for clip, reason in self.failed.items()],
        }


def generate_benchmark(
    recipe: TrainRecipe,
    out: Path,
    *,
    bundle: str = "builtin",
    direction: Literal["v2a", "a2v"] = "v2a",
    sampling: SampleConfig | None = None,
    steps: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    listener: Listener = ignore,
) -> BenchmarkReport:
    """Generate sound or pictures for the held-out clips of a recipe's files, with their captions as prompts.

    Writes `out`/generated and `out`/reference, with one file of the same name in each, as `avlink evaluate` pairs them.
    Files that are there are kept, so that a run that was stopped goes on. Clips that cannot be decoded are left out.
    True clips are encoded again, as H.264 of at most 360 lines with AAC; the model is given the files themselves.

    Raises InputError where the recipe names no files, or holds none out, and OutputError for a folder that holds other
    files, or a benchmark of another model or other settings.
    """
    if isinstance(recipe.data, FoundryData | PhysicsData | LibraryData):
        raise InputError("a benchmark is made of files: name a recipe whose data.source is not a foundry or a library")
    clips = read_sources(recipe, recipe.data).clips["held_out"]
    if not clips:
        raise InputError("the recipe holds out no clip; set data.held_out, such as 2048")
    spec = clip_spec_of(recipe.model)
    # A training window of sound; that of pictures is a fraction of a token longer.
    window_s = Fraction(spec.samples, spec.sample_rate)
    loaded = read_bundle(find_bundle(bundle))
    times = loaded.conditioning
    if sampling is None:
        sampling = loaded.sound if direction == "v2a" else PICTURES
    sampling = replace(
        sampling, t_condition=times.t_video if direction == "v2a" else times.t_audio, steps=steps or sampling.steps
    )
    _claim(out, [direction, bundle_fingerprint(find_bundle(bundle)), asdict(sampling), seed, fraction_text(window_s)])
    for name in ("generated", "reference"):
        make_folder(out / name)
    named = list(zip(_names(clips), clips, strict=True))
    captions = [(f"{name}.mp4", clip.caption_within(float(window_s))) for name, clip in named]
    write_csv(out / "reference" / "manifest.csv", ("path", "caption"), captions)
    ready = fusion_extractor(
        loaded.config, recipe.extractors, recipe.source, medium="pictures" if direction == "v2a" else "sound"
    )
    extractor = None if ready is None else ready.load(device)
    maker: _Sounds | _Pictures
    if direction == "v2a":
        maker = _Sounds(window_s=window_s, sampler=SoundSampler(load_system(loaded, V2A, device), sampling, extractor))
    else:
        maker = _Pictures(
            window_s=window_s, sampler=PictureSampler(load_system(loaded, A2V, device), sampling, extractor)
        )
    generated = kept = 0
    failed: dict[str, str] = {}
    listener(PlanReady(jobs=len(named)))
    for number, (name, clip) in enumerate(named):
        made, true = out / "generated" / f"{name}{maker.suffix}", out / "reference" / f"{name}.mp4"
        if made.is_file() and true.is_file():
            kept += 1
            continue
        listener(JobStarted(job_id=name, name=name))
        try:
            with opened(clip) as path:
                start_s = start_of(path, clip, window_s)
                _write_true(path, start_s, window_s, true)
                maker.write(path, start_s, made, Prompt(text=clip.caption_within(float(window_s))), seed + number)
        except MediaError as error:
            failed[name] = str(error)
            listener(JobFailed(job_id=name, name=name, reason=failed[name]))
            continue
        generated += 1
        listener(JobDone(job_id=name, name=name))
    return BenchmarkReport(folder=out, generated=generated, kept=kept, failed=failed)


def _claim(out: Path, settings: list[Any]) -> None:
    """Note the settings in `out`. Raises OutputError where it holds other files, or was made with other settings."""
    claim_folder(out, marks=(_NOTE,), what="a benchmark")
    note, key = out / _NOTE, digest(settings)
    if not note.is_file():
        write_text(note, json.dumps({"format": 1, "settings": key}))
    elif parse_json(note.read_text(encoding="utf-8"), str(note)).get("settings") != key:
        raise OutputError(
            f"{out} holds the clips of another model, direction or setting; name another folder for these"
        )


def _names(clips: Iterable[SourceClip]) -> list[str]:
    """Return a name for each clip that no other has: its place below the source's folder, in one word."""
    names: list[str] = []
    for clip in clips:
        place = clip.label if clip.member is None else f"{clip.label}-{clip.member.name}"
        name = Path(place).with_suffix("").as_posix().replace("/", "-")
        names.append(name if name not in names else f"{name}-{clip.key}")
    return names


def _write_true(path: Path, start_s: Fraction, window_s: Fraction, out: Path) -> None:
    video = require_video(probe(path))
    lines = min(_TALLEST, video.height)
    spec = PictureSpec(rate=video.rate, width=max(2, round(video.width * lines / video.height)), height=lines)
    frames = open_frames(path, start_s=start_s, duration_s=window_s, spec=spec)
    sound = read_audio(path, sample_rate=48000, start_s=start_s, duration_s=window_s)
    with atomic_write(out) as temporary:
        write_video(temporary, frames, sound=sound)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sounds:
    """Sounds for the pictures of true clips."""

    sampler: SoundSampler
    window_s: Fraction
    suffix: ClassVar[str] = ".wav"

    def write(self, path: Path, start_s: Fraction, made: Path, prompt: Prompt, seed: int) -> None:
        frames = open_frames(path, start_s=start_s, duration_s=self.window_s, spec=self.sampler.picture)
        request = SoundRequest(frames=frames, duration_s=self.window_s, prompt=prompt, seed=seed)
        (sound,) = self.sampler.generate([request])
        with atomic_write(made) as temporary:
            write_float_wave(temporary, sound)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pictures:
    """Pictures for the sound of true clips, with that sound."""

    sampler: PictureSampler
    window_s: Fraction
    suffix: ClassVar[str] = ".mp4"

    def write(self, path: Path, start_s: Fraction, made: Path, prompt: Prompt, seed: int) -> None:
        rate = self.sampler.sample_rate
        heard = read_audio(path, sample_rate=rate, mono=True, start_s=start_s, duration_s=self.window_s)
        sound = Waveform(samples=np.ascontiguousarray(heard.samples[:1]), sample_rate=heard.sample_rate)
        request = PictureRequest(sound=sound, duration_s=self.window_s, prompt=prompt, seed=seed)
        (frames,) = self.sampler.generate([request])
        with atomic_write(made) as temporary:
            write_video(temporary, frames, sound=sound)
