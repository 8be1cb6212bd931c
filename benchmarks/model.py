"""The built-in model at its default settings: loading, 1080p decoding, generation and finishing, each apart."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import soundfile
import torch

from avlink.core.bundles import find_bundle
from avlink.core.recipe import SonifyRecipe, load_recipe
from avlink.core.sampling import SOUND
from avlink.core.sound import FittedSound, read_whole
from avlink.core.values import FrameSource, Prompt, SoundGenerator, SoundRequest, Waveform
from avlink.engine.bundle import V2A, load_system, read_bundle
from avlink.engine.sampling import SoundSampler
from avlink.hooks import apply_chain, load_registry, resolve_backend, resolve_chain
from avlink.media.broadcast import BroadcastInfo
from avlink.media.bwf import write_bwf
from avlink.media.frames import open_frames
from avlink.media.loudness import measure_loudness
from avlink.media.resample import resample, resample_spooled
from avlink.metrics.stem_hits import spot_hits
from benchmarks.figure import Figure, Wanted
from benchmarks.footage import film
from benchmarks.stopwatch import fastest

_THREADS = 2
_BAR_S = 0.5


def measure(wanted: Wanted) -> list[Figure]:
    """Seconds of work for each second of sound, on two threads."""
    torch.set_num_threads(_THREADS)
    recipe = load_recipe("foley", "sonify", wanted.overrides)
    rounds = 1 if wanted.quick else 3
    generator, figure = _load(recipe, wanted.model, rounds)
    system = load_system(read_bundle(find_bundle(wanted.model)), V2A, "cpu")
    blind = SoundSampler(system, replace(SOUND, use_picture=False, use_motion=False))
    figures = [figure]
    for duration_s in (Fraction(1), Fraction(3, 2)) if wanted.quick else (Fraction(516, 100), Fraction(20)):
        with tempfile.TemporaryDirectory(prefix="avlink-bench-") as name:
            frames, decoding = _decode(generator, duration_s, Path(name) / "clip.mp4", rounds)
            sound, generating = _generate(generator, blind, frames, duration_s, rounds)
            figures += [decoding, generating, _finish(recipe, sound, Path(name), rounds)]
    return figures


def _load(recipe: SonifyRecipe, model: str, rounds: int) -> tuple[SoundGenerator, Figure]:
    backend = resolve_backend(recipe, load_registry())
    generator = cast(SoundGenerator, backend.load("cpu"))
    folder = find_bundle(model)
    load_s, read_s = fastest(
        lambda: backend.load("cpu"), lambda: [path.read_bytes() for path in folder.iterdir()], rounds=rounds
    )
    return generator, Figure(
        name="model loading", value=load_s, unit="s", baseline=read_s, baseline_name="reading the files"
    )


def _decode(generator: SoundGenerator, duration_s: Fraction, path: Path, rounds: int) -> tuple[FrameSource, Figure]:
    """From a 1920x1080 movie to the model's pictures."""
    film(path, duration_s, scale=10, enlarge=3)
    taken: list[FrameSource] = []

    def ours() -> None:
        taken[:] = [open_frames(path, start_s=Fraction(0), duration_s=duration_s, spec=generator.picture)]

    ours_s, bare_s = fastest(ours, lambda: _bare_decode(path), rounds=rounds)
    return taken[0], Figure(
        name=f"1080p H.264 to the model's pictures, {_say(duration_s)}",
        value=ours_s / float(duration_s),
        unit="s/s",
        baseline=bare_s / float(duration_s),
        baseline_name="PyAV decoding the file",
    )


def _bare_decode(path: Path) -> None:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for _ in container.decode(stream):
            pass


def _generate(
    generator: SoundGenerator, blind: SoundSampler, frames: FrameSource, duration_s: Fraction, rounds: int
) -> tuple[Waveform, Figure]:
    request = SoundRequest(frames=frames, duration_s=duration_s, prompt=Prompt(), seed=0)
    generator.generate([request])  # Kernels are chosen and buffers allocated at the first call of a shape.
    made: list[Waveform] = []
    ours_s, blind_s = fastest(
        lambda: made.extend(map(read_whole, generator.generate([request]))),
        lambda: read_whole(blind.generate([request])[0]),
        rounds=rounds,
    )
    return made[-1], Figure(
        name=f"generation, {_say(duration_s)}, {_THREADS} threads",
        value=ours_s / float(duration_s),
        unit="s/s",
        baseline=blind_s / float(duration_s),
        baseline_name=f"the audio model in {SOUND.steps} steps, without picture",
        at_most=_BAR_S,
    )


def _finish(recipe: SonifyRecipe, sound: Waveform, folder: Path, rounds: int) -> Figure:
    """From generated sound to a stem on the disk: rate, post chain, loudness, hits, Broadcast Wave."""
    chain, rate = resolve_chain(recipe, load_registry()), recipe.stems.sample_rate
    length_s = float(sound.duration_s)

    def ours() -> None:
        fitted = FittedSound(resample_spooled(sound, rate), round(length_s * rate))
        finished = apply_chain(fitted, chain)
        measure_loudness(finished)
        spot_hits(finished)
        write_bwf(folder / "stem.wav", finished, BroadcastInfo(description="stem", time_reference=0))

    def bare() -> None:
        soundfile.write(folder / "bare.wav", resample(sound, rate).samples.T, rate, subtype="PCM_24")

    ours_s, bare_s = fastest(ours, bare, rounds=rounds)
    return Figure(
        name=f"finishing a stem, {_say(sound.duration_s)}",
        value=ours_s / length_s,
        unit="s/s",
        baseline=bare_s / length_s,
        baseline_name="resampling and writing alone",
    )


def _say(duration_s: Fraction) -> str:
    return f"{float(duration_s):g} s clip"
