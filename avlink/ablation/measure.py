"""Scores of one variant of an ablation on held-out clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avlink.ablation.cost import StepCost, whole_clip_stage
from avlink.core.recipe import AblateRecipe, TrainRecipe
from avlink.core.sampling import PAPER, PICTURES, SampleConfig
from avlink.evaluation.foundry_sections import sole_material
from avlink.evaluation.model import BundleModel, average_frames, fit_materials
from avlink.metrics.condfoley import condfoley_summary
from avlink.metrics.material import MaterialClassifier
from avlink.metrics.onsets import detect_onsets
from avlink.metrics.picture_events import frame_difference_events
from avlink.metrics.spectral import log_mel_distance
from avlink.metrics.sync import match_onsets, onset_summary, shuffled_chance
from avlink.training.data.clips import ClipStore
from avlink.training.data.foundry import stored_fps
from avlink.training.data.index import hits_of
from avlink.training.journal import read_journal
from avlink.training.stages.build import tasks_of
from avlink.training.validation import generate_jointly, held_out_loss

if TYPE_CHECKING:
    from avlink.core.recipe.stages import StageName
    from avlink.engine.system import System

SOUND_S, PICTURE_S = 0.1, 0.2
"""Windows in seconds for onsets of sounds, and for changes of pictures at 6 frames a second."""

_MATERIAL_CLIPS = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantScores:
    """One row of the table. Scores are None for a medium that the variant does not generate.

    `steps` are those of all its stages, of which `gflops_step` and `seconds_step` are means.
    `at` is the flow time of the conditioning side in a sweep; None for the variant as it was trained.
    """

    name: str
    seed: int = 0
    makes: str
    at: float | None
    parameters: int
    gflops_step: float
    steps: int
    seconds_step: float
    flow_loss: float | None = None
    """Loss of equation 5 for sound on held-out clips, without captions, with the same noise for all variants. None
    without a fusion."""
    blind_loss: float | None = None
    """The same without the picture: the difference is the information from the picture."""
    f1: float | None = None
    f1_error: float | None = None
    """Standard error over clips, by bootstrap."""
    f1_50ms: float | None = None
    chance: float | None = None
    onset_acc: float | None = None
    """CondFoleyGen's detection accuracy."""
    material: float | None = None
    log_mel_db: float | None = None
    picture_f1: float | None = None
    picture_chance: float | None = None

    def note(self) -> str:
        """Return the row's main score in words."""
        if self.f1 is not None:
            return f"F1 {self.f1:.3f}"
        return "" if self.picture_f1 is None else f"F1 of pictures {self.picture_f1:.3f}"


class VariantEvaluator:
    """Scores variants of an ablation on the same clips, with the same classifier of materials."""

    def __init__(self, recipe: AblateRecipe, base: Path, device: str) -> None:
        self.recipe, self._base, self._device = recipe, base, device
        self._materials: MaterialClassifier | None = None

    def score(
        self,
        name: str,
        trained: TrainRecipe,
        stages: Sequence[StageName],
        bundle: Path,
        cost: StepCost,
        at: float | None = None,
    ) -> VariantScores:
        """Return the row of a variant of those `stages`; `at` replaces the flow time of the conditioning side."""
        recipe, stage = self.recipe, stages[-1]
        tasks = tasks_of(stage, trained)
        journals = [read_journal(bundle.parent / f"{each}.jsonl") for each in stages]
        steps = [len(journal) for journal in journals]
        # The median: steps with a validation or a checkpoint take much longer.
        seconds = [float(np.median([row["seconds"] for row in journal])) for journal in journals]
        row = VariantScores(
            name=name,
            seed=trained.seed,
            makes=" and ".join({"v2a": "sound", "a2v": "pictures", "both": "both at once"}[task] for task in tasks),
            at=at,
            parameters=cost.parameters,
            gflops_step=cost.flops / 1e9,
            steps=sum(steps),
            seconds_step=float(np.average(seconds, weights=steps)),
        )
        clips = ClipStore(self._base / "clips" / "held_out", fps=stored_fps(trained))
        count = min(recipe.clips, len(clips))
        model = BundleModel(
            str(bundle),
            device=self._device,
            sound=self._sampling(trained, stage),
            pictures=replace(PICTURES, guidance=recipe.guidance, shift=1.0),
            t_video=trained.conditioning.t_video if at is None else at,
            t_audio=trained.conditioning.t_audio if at is None else at,
            extractors=trained.extractors,
        )
        if "v2a" in tasks:
            if self._materials is None:
                self._materials = _fit_material_classifier(self._base, model, trained)
            row = _score_sound(row, model, clips, count, self._materials)
            # An aligner alone leaves the backbone's velocities as they are, and a reflow learns others than equation 5.
            if stage not in ("aligner", "reflow_v2a"):
                loss, blind_loss = _flow_losses(model.system, trained, stage, clips, count, self._base, at)
                row = replace(row, flow_loss=loss, blind_loss=blind_loss)
        if "a2v" in tasks:
            row = _score_pictures(row, model, clips, count)
        if "both" in tasks:
            row = _score_joint(row, model.system, clips, count, recipe)
        return row

    def _sampling(self, trained: TrainRecipe, stage: StageName) -> SampleConfig:
        """Return the settings of sound: even steps and plain guidance, as in the paper; those of a reflow's student."""
        if stage == "reflow_v2a":
            return trained.stages[stage].teacher.of_student(PAPER)
        return replace(
            PAPER,
            steps=self.recipe.steps,
            guidance=self.recipe.guidance,
            alignment=trained.alignment.weight,
            alignment_at=trained.alignment.at,
        )


def _score_sound(
    row: VariantScores, model: BundleModel, clips: ClipStore, count: int, materials: MaterialClassifier
) -> VariantScores:
    """Score sounds for silent pictures without captions against the true events."""
    truth = _truth(clips, count)
    frames = average_frames(clips.frames(range(count)).numpy(), clips.fps // int(model.picture.rate))
    true_sounds = clips.sound(range(count)).numpy()
    duration_s = Fraction(true_sounds.shape[1], model.sample_rate)
    # A model that is to be told its hits is told the true ones.
    hits = [hits_of(clips.labels[index]) for index in range(count)] if model.follows_hits else None
    sounds = model.generate(frames, None, range(count), duration_s=duration_s, hits=hits)
    found = [detect_onsets(sound, model.sample_rate).times_s for sound in sounds]
    wide, narrow = (onset_summary(truth, found, window) for window in (SOUND_S, SOUND_S / 2))
    chance = shuffled_chance(truth, found, SOUND_S)
    labels = [_one_material(clips, index) for index in range(count)]
    right = [materials.predict(sounds[i]) == label for i, label in enumerate(labels) if label is not None]
    distances = [log_mel_distance(a, b, model.sample_rate) for a, b in zip(true_sounds, sounds, strict=True)]
    return replace(
        row,
        f1=wide.f1,
        f1_error=_standard_error([match_onsets(t, f, SOUND_S).f1 for t, f in zip(truth, found, strict=True) if len(t)]),
        f1_50ms=narrow.f1,
        chance=None if chance is None else chance.f1,
        onset_acc=condfoley_summary(list(true_sounds), list(sounds), model.sample_rate).detection_accuracy,
        material=float(np.mean(right)) if right else None,
        log_mel_db=float(np.mean(distances)),
    )


def _score_pictures(row: VariantScores, model: BundleModel, clips: ClipStore, count: int) -> VariantScores:
    """Score pictures for true sounds: do they change at the true events?"""
    truth = _truth(clips, count)
    pictures, rate = model.visualize(clips.sound(range(count)).numpy(), range(count))
    return _with_pictures(row, truth, [frame_difference_events(made, rate) for made in pictures])


def _score_joint(
    row: VariantScores, system: System, clips: ClipStore, count: int, recipe: AblateRecipe
) -> VariantScores:
    """Score sound and pictures from captions alone: does the picture change at the onsets of the sound?"""
    # Twice the steps, as both sides start from noise.
    config = replace(PAPER, steps=2 * recipe.steps, guidance=recipe.guidance)
    onsets, changes = generate_jointly(system, clips, count, config)
    return _with_pictures(row, onsets, changes)


def _with_pictures(
    row: VariantScores, truth: Sequence[NDArray[np.float64]], found: Sequence[NDArray[np.float64]]
) -> VariantScores:
    chance = shuffled_chance(truth, found, PICTURE_S)
    score = onset_summary(truth, found, PICTURE_S).f1
    return replace(row, picture_f1=score, picture_chance=None if chance is None else chance.f1)


def _flow_losses(
    system: System, trained: TrainRecipe, stage: StageName, clips: ClipStore, count: int, base: Path, at: float | None
) -> tuple[float, float]:
    """Return the loss of equation 5 on held-out clips with and without the picture, by fixed random draws."""
    times = trained.conditioning.model_copy(update={"times": "fixed"} | ({} if at is None else {"t_video": at}))
    found = []
    # All captions dropped, so that only the picture can lower the loss.
    for withheld in (0.0, 1.0):
        table = trained.stages[stage].model_copy(
            update={"tasks": ("v2a",), "text_drop": 1.0, "other_text_drop": 1.0, "no_condition": withheld}
        )
        recipe = trained.model_copy(update={"conditioning": times, "stages": {stage: table}})
        built = whole_clip_stage(recipe, stage, system, clips, base)
        built.num_clips = count
        found.append(held_out_loss(built, "flow")["flow"])
    return found[0], found[1]


def _truth(clips: ClipStore, count: int) -> list[NDArray[np.float64]]:
    return [np.array([t for t, _, _ in labels.events], np.float64) for labels in clips.labels[:count]]


def _one_material(clips: ClipStore, index: int) -> str | None:
    return sole_material(name for _, name, _ in clips.labels[index].events)


def _fit_material_classifier(base: Path, model: BundleModel, trained: TrainRecipe) -> MaterialClassifier:
    """Return a classifier fitted to training clips of one material."""
    clips = ClipStore(base / "clips" / "train", fps=stored_fps(trained))
    chosen = [i for i in range(min(len(clips), _MATERIAL_CLIPS)) if _one_material(clips, i) is not None]
    return fit_materials(model, list(clips.sound(chosen).numpy()), [str(_one_material(clips, i)) for i in chosen])


def _standard_error(scores: Sequence[float]) -> float | None:
    """Return the bootstrap standard error of the mean, from a thousand resamplings of the clips."""
    if len(scores) < 2:
        return None
    # A fixed seed: the same scores always have the same error.
    rng = np.random.default_rng(0)
    drawn = rng.choice(np.asarray(scores), (1000, len(scores)))
    return float(drawn.mean(axis=1).std())
