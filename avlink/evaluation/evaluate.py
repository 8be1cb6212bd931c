"""Evaluation of a model on clips of the foundry that it never saw, from sound to picture, and on real clips.

Every score stands beside chance (the same sounds paired with other clips), the audio model without the picture, the
ceiling of the codec, and the peaks of frame difference, as it means little alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avlink.core.bundles import bundle_of, bundle_sound, find_bundle
from avlink.core.errors import InputError, MediaError
from avlink.core.events import JobDone, JobStarted, Listener, Message, StepDone, ignore
from avlink.core.hits import Hit
from avlink.core.recipe import EvaluateRecipe
from avlink.evaluation.foundry_sections import (
    Condition,
    condfoley_section,
    distance_section,
    envelope_section,
    group_section,
    material_section,
    onset_section,
    true_events,
    with_onsets,
)
from avlink.evaluation.hit_section import edit_hits, hit_section
from avlink.evaluation.model import (
    BundleModel,
    EvaluatedModel,
    OnClip,
    Pictures,
    Sounds,
    average_frames,
    fit_materials,
)
from avlink.evaluation.section import Section, onset_heads, onset_row
from avlink.foundry import FRAME_RATE, ClipInfo, Split, make_clips, true_hits
from avlink.foundry.generate import plan
from avlink.foundry.sound import render_sound
from avlink.metrics.material import MaterialClassifier
from avlink.metrics.onsets import detect_onsets
from avlink.metrics.picture_events import frame_difference_events
from avlink.session import pick_device

SPLITS: dict[str, tuple[Split, ...]] = {
    "test": ("held_out", "transfer"),
    "held_out": ("held_out",),
    "transfer": ("transfer",),
}
FIRST_SEED = 1_000_000
"""Training validates on held-out clips from seed 0 on; reported clips were used for no decision."""
_SAMPLING = {"steps", "solver", "shift", "guidance", "text_guidance", "guidance_rescale"}

MATERIAL_CLIPS = 256
"""The most training clips to which the material classifier is fitted."""

CPU = torch.device("cpu")
REAL_S = Fraction(10)
"""The stretch of real clips that is evaluated, in seconds."""

PICTURES_S = (0.2, 0.1)
"""Windows for pictures: a frame of six a second lasts 167 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateReport:
    """All scores of one run; `settings` are the values that they depend on besides the bundle."""

    bundle: str
    settings: dict[str, Any]
    sections: tuple[Section, ...]

    def to_json(self) -> dict[str, Any]:
        """Return one object; each section under its key, each row as an object."""
        sections = {section.key: section.to_json() for section in self.sections}
        return {"bundle": self.bundle, "settings": self.settings, "sections": sections}

    def lines(self) -> list[str]:
        """Return a line with the settings, then a table per section."""
        chosen = ", ".join(f"{key} {value}" for key, value in self.settings.items())
        return [f"{self.bundle}: {chosen}", *(section.text() + "\n" for section in self.sections)]

    def table(self) -> str:
        """Return all of it as plain text."""
        return "\n".join(self.lines())


def evaluate(
    recipe: EvaluateRecipe, *, device: str = "auto", listener: Listener = ignore, model: EvaluatedModel | None = None
) -> EvaluateReport:
    """Evaluate the recipe's bundle, or `model` in its place.

    Raises BundleError for a bundle that cannot be used, and InputError for a picture size or a folder that does not
    exist.
    """
    folder = None if recipe.media_dir is None else recipe.source.path("media_dir", recipe.media_dir)
    if folder is not None and not folder.is_dir():
        raise InputError(f"media_dir '{folder}' is not a folder; name one that holds video files with sound")
    told = {"clips", "seed", "captions"}
    # Of an aligner only where it guides: most models have none.
    sampling = recipe.model_dump(include=_SAMPLING | ({"alignment", "alignment_at"} if recipe.alignment else set()))
    sampling = {key: value for key, value in sampling.items() if value is not None}
    if model is None:
        name = bundle_of(recipe.source, "bundle", recipe.bundle)
        config = replace(bundle_sound(find_bundle(name)), **sampling)
        sampling |= {key: getattr(config, key) for key in _SAMPLING}
        model = BundleModel(name, device=pick_device(device), sound=config)
    seeds = range(FIRST_SEED + recipe.seed, FIRST_SEED + recipe.seed + recipe.clips)
    classifier = _fit_material_classifier(model, min(MATERIAL_CLIPS, 2 * recipe.clips + 64), listener)
    sections: list[Section] = []
    for split in SPLITS[recipe.split]:
        sections += _evaluate_split(model, split, seeds, recipe, classifier, listener)
    if model.has_pictures and recipe.baselines:
        sections.append(_evaluate_pictures(model, seeds, listener))
    if folder is not None:
        sections.append(_evaluate_real(model, folder, recipe.seed, listener))
    settings = recipe.model_dump(include=told) | sampling
    return EvaluateReport(bundle=recipe.bundle, settings=settings, sections=tuple(sections))


def _evaluate_split(
    model: EvaluatedModel,
    split: Split,
    seeds: Sequence[int],
    recipe: EvaluateRecipe,
    classifier: MaterialClassifier,
    listener: Listener,
) -> list[Section]:
    frames, truth, clips = _clips(model, split, seeds)
    captions = [clip.caption for clip in clips]
    duration_s = Fraction(truth.shape[1], model.sample_rate)

    def generated(
        name: str,
        prompts: Sequence[str] | None = None,
        hits: Sequence[tuple[Hit, ...]] | None = None,
        **switches: bool,
    ) -> Condition:
        def run(on_clip: OnClip) -> Sounds:
            return model.generate(frames, prompts, seeds, duration_s=duration_s, hits=hits, on_clip=on_clip, **switches)

        return with_onsets(name, _with_progress(listener, f"{split}: {name}", len(seeds), run), model.sample_rate)

    conditions = [generated("model")]
    if recipe.captions:
        conditions.append(generated("model with captions", captions))
    if model.follows_hits:
        hits = [true_hits(clip) for clip in clips]
        conditions.append(generated("model with true hits", hits=hits))
        rng = np.random.default_rng(recipe.seed)
        edits = [edit_hits(of_clip, float(duration_s), rng) for of_clip in hits]
        edited = generated("model with edited hits", hits=[edit.hits for edit in edits])
    if recipe.baselines and model.has_motion:
        conditions.append(generated("model, stem withheld", use_motion=False))
        conditions.append(generated("model, video backbone withheld", use_backbone=False))
    if recipe.baselines:
        conditions.append(generated("audio model alone", use_picture=False))
    references = [
        with_onsets("codec ceiling", model.codec(truth), model.sample_rate),
        with_onsets("true sound", truth, model.sample_rate),
    ]
    heard = [*conditions, *references]
    found = {condition.name: condition.onsets_s for condition in heard}
    found["frame difference"] = [frame_difference_events(pixels, model.picture.rate) for pixels in frames]
    sections = [
        onset_section(split, true_events(clips), found),
        group_section(split, clips, found),
        material_section(split, clips, heard, classifier),
        condfoley_section(split, truth, heard[:-1], model.sample_rate),
        distance_section(split, truth, heard[:-1], model.sample_rate),
    ]
    if model.follows_hits:
        sections.insert(2, hit_section(split, edits, edited.sounds, edited.onsets_s, model.sample_rate))
    if any(clip.envelope is not None for clip in clips):
        sections.insert(-2, envelope_section(split, clips, truth, heard[:-1], model.sample_rate))
    return sections


def _evaluate_pictures(model: EvaluatedModel, seeds: Sequence[int], listener: Listener) -> Section:
    """Score pictures generated from true sounds: do they change at the onsets of the sound?"""
    frames, sounds, clips = _clips(model, "held_out", seeds)
    made, rate = _with_progress(
        listener, "sound to picture", len(seeds), lambda on_clip: model.visualize(sounds, seeds, on_clip=on_clip)
    )
    seen = average_frames(frames, round(model.picture.rate / rate)) if rate < model.picture.rate else frames
    rows = [
        onset_row(name, true_events(clips), [frame_difference_events(pixels, rate) for pixels in pictures], PICTURES_S)
        for name, pictures in (("pictures of the model", made), ("true pictures", seen))
    ]
    title = f"Sound to picture: peaks of frame difference at {float(rate):g} fps against true events"
    return Section(key="pictures", title=title, heads=onset_heads(PICTURES_S), rows=tuple(rows))


def _evaluate_real(model: EvaluatedModel, folder: Path, seed: int, listener: Listener) -> Section:
    """Score real clips against the onsets of their own sound; files without picture, sound or onsets are reported."""
    found: dict[str, list[NDArray[np.float64]]] = {"model": [], "codec ceiling": [], "frame difference": []}
    truth: list[NDArray[np.float64]] = []
    names: list[str] = []
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    for number, path in enumerate(paths, start=1):
        try:
            frames, sound = _read_real(path, model)
        except MediaError as error:
            listener(Message(text=f"left out: {error}", level="warning"))
            continue
        onsets_s = detect_onsets(sound, model.sample_rate).times_s
        if not len(onsets_s):
            # Clips without events would count as perfect for a silent model.
            listener(Message(text=f"left out: nothing is struck in the sound of '{path.name}'"))
            continue
        duration_s = Fraction(len(sound), model.sample_rate)
        generated = model.generate(frames[None], None, [seed], duration_s=duration_s)[0]
        names.append(path.name)
        truth.append(onsets_s)
        for name, heard in (("model", generated), ("codec ceiling", model.codec(sound[None])[0])):
            found[name].append(detect_onsets(heard, model.sample_rate).times_s)
        found["frame difference"].append(frame_difference_events(frames, model.picture.rate))
        listener(StepDone(job_id="real clips", done=number, total=len(paths), note=path.name))
    rows = [onset_row(name, truth, times_s) for name, times_s in found.items()]
    for index, file in enumerate(names):
        rows.append(onset_row(f"model: {file}", truth[index : index + 1], found["model"][index : index + 1]))
    title = f"Real clips, first {float(REAL_S):g} s, against the onsets of their own sound"
    return Section(key="real", title=title, heads=onset_heads(), rows=tuple(rows))


def _read_real(path: Path, model: EvaluatedModel) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    # Imported here: the default evaluation needs no decoder.
    from avlink.media.audio import read_audio
    from avlink.media.frames import open_frames
    from avlink.media.probe import probe

    info = probe(path)
    if info.video is None or info.audio is None:
        raise MediaError(f"'{path.name}' has no {'picture' if info.video is None else 'sound'}")
    duration_s = min(REAL_S, info.duration_s or REAL_S)
    source = open_frames(path, start_s=Fraction(0), duration_s=duration_s, spec=model.picture)
    wave = read_audio(path, sample_rate=model.sample_rate, duration_s=duration_s)
    return source.read(0, source.num_frames), wave.samples[0]


def _fit_material_classifier(model: EvaluatedModel, count: int, listener: Listener) -> MaterialClassifier:
    """Return a classifier fitted to training clips of one material, as they are and through the codec."""
    listener(JobStarted(job_id="materials", name="learning to hear materials"))
    sounds, labels = [], []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        # Sound alone: rendering the pictures would take most of the time.
        scene, look, clip, (_, sounding) = plan(seed, "train")
        materials = {event.material for event in clip.events}
        if len(materials) == 1:
            sounds.append(render_sound(scene, look.t, sounding, CPU, model.sample_rate).numpy())
            labels.append(materials.pop())
    classifier = fit_materials(model, sounds, labels)
    listener(JobDone(job_id="materials", name="learning to hear materials"))
    return classifier


def _clips(model: EvaluatedModel, split: Split, seeds: Sequence[int]) -> tuple[Pictures, Sounds, tuple[ClipInfo, ...]]:
    """Return clips of the foundry with their pictures at the rate that the model takes."""
    batch = make_clips(seeds, split=split, rate=model.sample_rate)
    frames = batch.frames.numpy()
    spec, factor = model.picture, FRAME_RATE / model.picture.rate
    if frames.shape[2:4] != (spec.height, spec.width) or factor.denominator != 1:
        raise InputError(
            f"the model takes pictures of {spec.width}x{spec.height} at {float(spec.rate):g} fps; the foundry makes "
            f"{frames.shape[3]}x{frames.shape[2]} at {float(FRAME_RATE):g} fps or a whole part of that"
        )
    return average_frames(frames, factor.numerator), batch.sound.numpy(), batch.clips


def _with_progress(listener: Listener, name: str, total: int, run: Callable[[OnClip], Any]) -> Any:
    listener(JobStarted(job_id=name, name=name))
    result = run(lambda done: listener(StepDone(job_id=name, done=done, total=total)))
    listener(JobDone(job_id=name, name=name))
    return result
