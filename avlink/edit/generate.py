"""Generate: sound, pictures, or both from prompts alone, without a timeline (T2A, T2V)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlink.core.bundles import bundle_of, find_bundle
from avlink.core.errors import InputError, OutputError
from avlink.core.events import JobDone, JobStarted, Listener, PlanReady, StepDone, ignore
from avlink.core.paths import check_place
from avlink.core.recipe import GenerateRecipe
from avlink.core.sampling import SampleConfig
from avlink.core.text import slug
from avlink.core.values import Prompt, SoundSource
from avlink.edit.stems import UNDATED, rounded
from avlink.media.broadcast import BroadcastInfo
from avlink.media.bwf import write_bwf
from avlink.media.loudness import measure_loudness
from avlink.media.movie import write_video
from avlink.session import Session, open_session, pick_device

if TYPE_CHECKING:
    from avlink.engine.sampling.prompts import GeneratedClip, PromptSampler

_MOVIES = (".mp4", ".mov", ".mkv")
_NAME_LETTERS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """Prompts, and a file for one result or a folder for several; by default files are named after their prompts."""

    prompts: tuple[str, ...]
    recipe: GenerateRecipe = field(default_factory=GenerateRecipe)
    output: Path | None = None
    device: str = "auto"
    overwrite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """One file that was written. `lufs` is the integrated loudness, None for silence and for pictures alone."""

    path: Path
    prompt: str
    seed: int
    seconds: float
    lufs: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateReport:
    """The files of a run, in the order of their prompts and takes."""

    makes: str
    files: tuple[Generated, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints, without "format" and "command"."""
        files = [
            {"file": str(f.path), "prompt": f.prompt, "seed": f.seed, "seconds": f.seconds, "lufs": f.lufs}
            for f in self.files
        ]
        return {"makes": self.makes, "files": files}


@dataclass(frozen=True, slots=True, kw_only=True)
class _PromptJob:
    prompt: Prompt
    seed: int
    path: Path


def generate(
    request: GenerateRequest, session: Session | None = None, *, listener: Listener = ignore
) -> GenerateReport:
    """Generate what each prompt asks for, and write it.

    Raises InputError for prompts, models and lengths that are wrong, OutputError for places that cannot be written,
    before anything is generated.
    """
    session = open_session(device=request.device, listener=listener) if session is None else session
    recipe, writer = request.recipe, session.outputs(overwrite=request.overwrite)
    if not request.prompts:
        raise InputError('there is no prompt; say what to generate, as by --prompt "a door slams"')
    jobs = tuple(_jobs(request))
    for job in jobs:
        check_place(job.path)
        writer.check(job.path)
    session.tell(PlanReady(jobs=len(jobs)))
    sampler = _load(recipe, session)
    duration_s = sampler.window_s
    if recipe.seconds is not None:
        duration_s = Fraction(recipe.seconds).limit_denominator(1000)
    files = []
    for number, job in enumerate(jobs):
        id, name = str(number), job.path.name
        session.tell(JobStarted(job_id=id, name=name))

        def tell(done: int, total: int, id: str = id) -> None:
            session.tell(StepDone(job_id=id, done=done, total=total))

        made = sampler.generate(job.prompt, job.seed, duration_s, on_step=tell)
        with writer.write(job.path) as temporary:
            lufs = _write(temporary, made, job, recipe.upscale)
        session.tell(JobDone(job_id=id, name=name))
        seconds = float(duration_s)
        files.append(Generated(path=job.path, prompt=job.prompt.text, seed=job.seed, seconds=seconds, lufs=lufs))
    return GenerateReport(makes=recipe.makes, files=tuple(files))


def _jobs(request: GenerateRequest) -> Iterator[_PromptJob]:
    recipe, output = request.recipe, request.output
    suffix = ".wav" if recipe.makes == "audio" else ".mp4"
    count = len(request.prompts) * recipe.takes
    if output is not None and count == 1:
        fitting = (".wav",) if recipe.makes == "audio" else _MOVIES
        if output.suffix.lower() not in fitting:
            raise OutputError(f"{output} cannot be the output: name a file that ends with {' or '.join(fitting)}")
    elif output is not None and output.suffix.lower() in (".wav", *_MOVIES):
        raise OutputError(f"{output} cannot be the output of {count} results: name a folder, which may be new")
    taken: set[str] = set()
    for prompt in request.prompts:
        for take in range(recipe.takes):
            words = slug(prompt, _NAME_LETTERS) or "generated"
            name = _free(f"{words}_take{take + 1}" if recipe.takes > 1 else words, taken)
            path = Path(name + suffix) if output is None else output if count == 1 else output / (name + suffix)
            yield _PromptJob(prompt=Prompt(text=prompt, negative=recipe.negative), seed=recipe.seed + take, path=path)


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    # Names that differ in case alone are one file to some file systems.
    while free.lower() in taken:
        number, free = number + 1, f"{name}_{number + 1}"
    taken.add(free.lower())
    return free


def _load(recipe: GenerateRecipe, session: Session) -> PromptSampler:
    from avlink.engine.bundle import load_system, read_bundle
    from avlink.engine.sampling import PromptSampler, components_for

    bundle = read_bundle(find_bundle(bundle_of(recipe.source, "bundle", recipe.bundle)))
    system = load_system(bundle, components_for(recipe.makes), pick_device(session.device))
    sound = SampleConfig(
        steps=recipe.steps,
        solver=recipe.solver,
        shift=recipe.shift,
        guidance=recipe.guidance,
        guidance_rescale=recipe.guidance_rescale,
        t_condition=bundle.conditioning.t_video,
    )
    pictures = replace(sound, shift=recipe.picture_shift)
    sampler = PromptSampler(system, recipe.makes, sound=sound, pictures=pictures)
    if sampler.joint is not None and recipe.seconds is not None and recipe.seconds > sampler.window_s:
        raise InputError(
            f"seconds = {recipe.seconds:g} is too long: '{bundle.name}' makes sound and pictures at once, in one "
            f"window of {float(sampler.window_s):.3g} s"
        )
    return sampler


def _write(path: Path, made: GeneratedClip, job: _PromptJob, upscale: int) -> float | None:
    """Write a result; returns the loudness of its sound."""
    words = job.prompt.text
    if made.pictures is None:
        assert made.sound is not None
        return _write_sound(path, made.sound, words, job.seed)
    tags = {"comment": f"{words}; generated by AVLink, seed {job.seed}"}
    write_video(path, made.pictures, sound=made.sound, scale=upscale, tags=tags)
    return None if made.sound is None else rounded(measure_loudness(made.sound).lufs)


def _write_sound(path: Path, sound: SoundSource, words: str, seed: int) -> float | None:
    level = measure_loudness(sound)
    date, _, time = UNDATED.partition("T")
    info = BroadcastInfo(
        description=words,
        date=date,
        time=time,
        lufs=rounded(level.lufs),
        true_peak_dbtp=rounded(level.true_peak_dbtp),
        note=f"generated by AVLink, seed {seed}",
    )
    write_bwf(path, sound, info)
    return info.lufs
