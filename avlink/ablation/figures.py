"""How well one variant of an ablation does on held-out clips."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avlink.ablation.cost import Cost, on_whole_clips
from avlink.core.recipe import AblateRecipe, TrainRecipe
from avlink.evaluation.system import BundleSystem, fit_materials, slower
from avlink.evaluation.tables import sole_material
from avlink.metrics.condfoley import condfoley_summary
from avlink.metrics.material import MaterialClassifier
from avlink.metrics.onsets import detect_onsets
from avlink.metrics.picture_events import frame_difference_events
from avlink.metrics.spectral import log_mel_distance
from avlink.metrics.sync import aggregate, match, shuffled_chance
from avlink.training.data.clips import ClipStore
from avlink.training.foundry_clips import stored_fps
from avlink.training.stages.build import tasks_of
from avlink.training.validation import held_out_loss, made_at_once

if TYPE_CHECKING:
    from avlink.core.recipe.stages import StageName
    from avlink.engine.system import System

SOUND_S, PICTURE_S = 0.1, 0.2
"""Windows for onsets of sounds, and for changes of pictures at 6 frames a second."""

_MATERIAL_CLIPS = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One row. Figures are None where the variant does not make that modality; `at` is the time of a sweep."""

    name: str
    seed: int = 0
    makes: str
    at: float | None
    parameters: int
    gflops_step: float
    steps: int
    seconds_step: float
    flow_loss: float | None = None
    """Equation 5 for sound: on held-out clips, without captions, with the same noise for all variants."""
    blind_loss: float | None = None
    """The same without the picture: what it is below this, the picture has told."""
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
        """The row's main figure in words."""
        if self.f1 is not None:
            return f"F1 {self.f1:.3f}"
        return "" if self.picture_f1 is None else f"F1 of pictures {self.picture_f1:.3f}"


class Bench:
    """The same clips, and the same ear for materials, for every variant of an ablation."""

    def __init__(self, recipe: AblateRecipe, base: Path, device: str) -> None:
        self.recipe, self._base, self._device = recipe, base, device
        self._materials: MaterialClassifier | None = None

    def measure(
        self, name: str, trained: TrainRecipe, stage: StageName, bundle: Path, spent: Cost, at: float | None = None
    ) -> Measured:
        """The variant's row; `at` stands in for the flow time of the conditioning side."""
        recipe, tasks = self.recipe, tasks_of(stage, trained)
        log = _rows(bundle.parent / f"{stage}.jsonl")
        row = Measured(
            name=name,
            seed=trained.seed,
            makes=" and ".join({"v2a": "sound", "a2v": "pictures", "both": "both at once"}[task] for task in tasks),
            at=at,
            parameters=spent.parameters,
            gflops_step=spent.flops / 1e9,
            steps=len(log),
            seconds_step=float(np.median([row["seconds"] for row in log])),
        )
        clips = ClipStore(self._base / "clips" / "held_out", fps=stored_fps(trained))
        count = min(recipe.clips, len(clips))
        system = BundleSystem(
            str(bundle),
            device=self._device,
            steps=recipe.steps,
            guidance=recipe.guidance,
            t_video=trained.conditioning.t_video if at is None else at,
            t_audio=trained.conditioning.t_audio if at is None else at,
            extractors=trained.extractors,
        )
        if "v2a" in tasks:
            if self._materials is None:
                self._materials = _learn_materials(self._base, system, trained)
            row = _heard(row, system, clips, count, self._materials)
            seen, blind = _flow_losses(system.engine, trained, stage, clips, count, self._base, at)
            row = replace(row, flow_loss=seen, blind_loss=blind)
        if "a2v" in tasks:
            row = _seen(row, system, clips, count)
        if "both" in tasks:
            row = _agreed(row, system.engine, clips, count, recipe)
        return row


def _heard(
    row: Measured, system: BundleSystem, clips: ClipStore, count: int, materials: MaterialClassifier
) -> Measured:
    """Sounds for silent pictures without captions, against the true events."""
    truth = _truth(clips, count)
    frames = slower(clips.frames(range(count)).numpy(), clips.fps // int(system.picture.rate))
    true_sounds = clips.sound(range(count)).numpy()
    duration_s = Fraction(true_sounds.shape[1], system.sample_rate)
    sounds = system.generate(frames, None, range(count), duration_s=duration_s)
    found = [detect_onsets(sound, system.sample_rate).times_s for sound in sounds]
    wide, narrow = (aggregate(truth, found, window) for window in (SOUND_S, SOUND_S / 2))
    chance = shuffled_chance(truth, found, SOUND_S)
    labels = [_one_material(clips, index) for index in range(count)]
    right = [materials.predict(sounds[i]) == label for i, label in enumerate(labels) if label is not None]
    distances = [log_mel_distance(a, b, system.sample_rate) for a, b in zip(true_sounds, sounds, strict=True)]
    return replace(
        row,
        f1=wide.f1,
        f1_error=_error([match(t, f, SOUND_S).f1 for t, f in zip(truth, found, strict=True) if len(t)]),
        f1_50ms=narrow.f1,
        chance=None if chance is None else chance.f1,
        onset_acc=condfoley_summary(list(true_sounds), list(sounds), system.sample_rate).detection_accuracy,
        material=float(np.mean(right)) if right else None,
        log_mel_db=float(np.mean(distances)),
    )


def _seen(row: Measured, system: BundleSystem, clips: ClipStore, count: int) -> Measured:
    """Pictures for true sounds: do they change when something is struck?"""
    truth = _truth(clips, count)
    pictures, rate = system.visualize(clips.sound(range(count)).numpy(), range(count))
    return _with_pictures(row, truth, [frame_difference_events(made, rate) for made in pictures])


def _agreed(row: Measured, system: System, clips: ClipStore, count: int, recipe: AblateRecipe) -> Measured:
    """Sound and pictures from captions alone: does the picture change when the sound strikes?"""
    made = made_at_once(system, clips, count, steps=2 * recipe.steps, guidance=recipe.guidance)
    return _with_pictures(row, *made)


def _with_pictures(
    row: Measured, truth: Sequence[NDArray[np.float64]], found: Sequence[NDArray[np.float64]]
) -> Measured:
    chance = shuffled_chance(truth, found, PICTURE_S)
    score = aggregate(truth, found, PICTURE_S).f1
    return replace(row, picture_f1=score, picture_chance=None if chance is None else chance.f1)


def _flow_losses(
    system: System, trained: TrainRecipe, stage: StageName, clips: ClipStore, count: int, base: Path, at: float | None
) -> tuple[float, float]:
    """Equation 5 on held-out clips with the picture and without, by draws that are the same for every variant."""
    times = trained.conditioning.model_copy(update={"times": "fixed"} | ({} if at is None else {"t_video": at}))
    found = []
    for withheld in (0.0, 1.0):
        table = trained.stages[stage].model_copy(
            update={"tasks": ("v2a",), "text_drop": 1.0, "other_text_drop": 1.0, "no_condition": withheld}
        )
        recipe = trained.model_copy(update={"conditioning": times, "stages": {stage: table}})
        built = on_whole_clips(recipe, stage, system, clips, base)
        built.num_clips = count
        found.append(held_out_loss(built, "flow")["flow"])
    return found[0], found[1]


def _truth(clips: ClipStore, count: int) -> list[NDArray[np.float64]]:
    return [np.array([t for t, _, _ in note.events], np.float64) for note in clips.notes[:count]]


def _one_material(clips: ClipStore, index: int) -> str | None:
    return sole_material(name for _, name, _ in clips.notes[index].events)


def _learn_materials(base: Path, system: BundleSystem, trained: TrainRecipe) -> MaterialClassifier:
    """Fitted to training clips of one material."""
    clips = ClipStore(base / "clips" / "train", fps=stored_fps(trained))
    chosen = [i for i in range(min(len(clips), _MATERIAL_CLIPS)) if _one_material(clips, i) is not None]
    return fit_materials(system, list(clips.sound(chosen).numpy()), [str(_one_material(clips, i)) for i in chosen])


def _error(scores: Sequence[float]) -> float | None:
    """Standard error of their mean, from a thousand resamplings of the clips."""
    if len(scores) < 2:
        return None
    rng = np.random.default_rng(0)
    drawn = rng.choice(np.asarray(scores), (1000, len(scores)))
    return float(drawn.mean(axis=1).std())


def _rows(log: Path) -> list[dict[str, float]]:
    """What was noted of every step."""
    return [json.loads(line) for line in log.read_text("utf-8").splitlines() if line.endswith("}")]
