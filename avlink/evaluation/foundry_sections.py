"""The tables of `avlink evaluate` over clips of the foundry, whose true events are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avlink.evaluation.section import WIDE_S, Cell, Section, Times, onset_heads, onset_row
from avlink.foundry.clip import ClipInfo
from avlink.metrics.condfoley import condfoley_summary
from avlink.metrics.material import MaterialClassifier
from avlink.metrics.onsets import detect_onsets
from avlink.metrics.spectral import envelope_correlation, log_mel_distance, multi_resolution_stft
from avlink.metrics.sync import onset_summary

Sounds = NDArray[np.float32]
"""(clips, samples)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The sounds of one condition, such as the model without captions, over the clips of a split, and their onsets."""

    name: str
    sounds: Sounds
    onsets_s: Times


def with_onsets(name: str, sounds: Sounds, sample_rate: int) -> Condition:
    """Return a condition with the onsets of its sounds."""
    return Condition(name=name, sounds=sounds, onsets_s=[detect_onsets(sound, sample_rate).times_s for sound in sounds])


def true_events(clips: Sequence[ClipInfo]) -> list[NDArray[np.float64]]:
    """Return the event times of each clip in seconds."""
    return [np.array([event.time_s for event in clip.events], dtype=np.float64) for clip in clips]


def onset_section(split: str, truth: Times, found: Mapping[str, Times]) -> Section:
    """Return the onset scores of every condition against the true events."""
    rows = tuple(onset_row(name, truth, times_s) for name, times_s in found.items())
    return Section(key=f"{split}.onsets", title=f"Onsets against true events, {split}", heads=onset_heads(), rows=rows)


def group_section(split: str, clips: Sequence[ClipInfo], found: Mapping[str, Times]) -> Section:
    """Return F1 at 100 ms of every condition by group of kinds, then for narrow and wide looks; without chance."""
    truth = true_events(clips)
    members: dict[str, list[int]] = {}
    for index, clip in enumerate(clips):
        if clip.events:
            for name in (clip.group, "looks: narrow" if clip.narrow else "looks: wide"):
                members.setdefault(name, []).append(index)
    rows: list[tuple[Cell, ...]] = []
    # Looks come after groups.
    for name in sorted(members, key=lambda name: (":" in name, name)):
        chosen = members[name]
        scores = [_f1([truth[i] for i in chosen], [times[i] for i in chosen]) for times in found.values()]
        rows.append((name, *scores, len(chosen)))
    heads = ("group", *found, "clips")
    return Section(key=f"{split}.groups", title=f"F1 at 100 ms by group, {split}", heads=heads, rows=tuple(rows))


def _f1(truth: Times, found: Times) -> float:
    return onset_summary(truth, found, WIDE_S).f1


def one_material(clip: ClipInfo) -> str | None:
    """Return the one material of all of a clip's events; None for flashes in the air and for mixtures."""
    return sole_material(event.material for event in clip.events)


def sole_material(names: Iterable[str]) -> str | None:
    """Return the one material among the names of events; None for none, for several, and for the air."""
    materials = set(names)
    return materials.pop() if len(materials) == 1 and "air" not in materials else None


def material_section(
    split: str, clips: Sequence[ClipInfo], conditions: Sequence[Condition], classifier: MaterialClassifier
) -> Section:
    """Return the share of clips of one material that sound like it: all, with their own colours, and recoloured."""
    labels = [one_material(clip) for clip in clips]
    chosen = [index for index, label in enumerate(labels) if label is not None]
    rows: list[tuple[Cell, ...]] = []
    for condition in conditions:
        right = {index: classifier.predict(condition.sounds[index]) == labels[index] for index in chosen}
        plain = [right[index] for index in chosen if not clips[index].recoloured]
        recoloured = [right[index] for index in chosen if clips[index].recoloured]
        rows.append(
            (condition.name, _mean(list(right.values())), _mean(plain), _mean(recoloured), len(plain), len(recoloured))
        )
    heads = ("what", "all", "own_colours", "recoloured", "clips_own_colours", "clips_recoloured")
    return Section(key=f"{split}.material", title=f"Material right, {split}", heads=heads, rows=tuple(rows))


def condfoley_section(split: str, truth: Sounds, conditions: Sequence[Condition], sample_rate: int) -> Section:
    """Return CondFoleyGen's scores of the first two seconds; sounds paired with the next clip give chance."""
    rows: list[tuple[Cell, ...]] = []
    for condition in conditions:
        # The average precision of silence is high, so chance stands below every row.
        for name, other in ((condition.name, condition.sounds), (f"{condition.name}, shuffled", None)):
            sounds = np.roll(condition.sounds, 1, axis=0) if other is None else other
            score = condfoley_summary(list(truth), list(sounds), sample_rate)
            rows.append(
                (
                    name,
                    score.count_accuracy,
                    score.detection_accuracy,
                    score.detection_ap,
                    score.num_clips,
                    score.num_excluded,
                )
            )
    heads = ("what", "onset_count_accuracy", "detection_accuracy", "detection_ap", "clips", "excluded")
    title = f"CondFoleyGen's onset scores (AP rewards silence: never alone), {split}"
    return Section(key=f"{split}.condfoley", title=title, heads=heads, rows=tuple(rows))


def envelope_section(
    split: str, clips: Sequence[ClipInfo], truth: Sounds, conditions: Sequence[Condition], sample_rate: int
) -> Section:
    """Return the correlation of levels at 25 Hz with the true ones, for lasting sounds; shuffled pairs give chance."""
    chosen = [index for index, clip in enumerate(clips) if clip.envelope is not None]
    rows: list[tuple[Cell, ...]] = []
    for condition in conditions:
        pairs = [envelope_correlation(truth[i], condition.sounds[i], sample_rate) for i in chosen]
        others = [
            envelope_correlation(truth[i], condition.sounds[j], sample_rate)
            for i, j in zip(chosen, np.roll(chosen, 1), strict=True)
        ]
        # No correlation is defined for a constant level, which does not follow the true one: 0.
        scores = [0.0 if value is None else value for value in pairs]
        chance = [0.0 if value is None else value for value in others]
        rows.append((condition.name, _mean(scores), _mean(chance) if len(chosen) > 1 else None, len(chosen)))
    heads = ("what", "correlation", "chance", "clips")
    title = f"Level of lasting sounds against the true level, {split}"
    return Section(key=f"{split}.envelope", title=title, heads=heads, rows=tuple(rows))


def distance_section(split: str, truth: Sounds, conditions: Sequence[Condition], sample_rate: int) -> Section:
    """Return distances to the true sounds, 0 for equal ones."""

    def log_mel(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
        return log_mel_distance(a, b, sample_rate)

    rows: list[tuple[Cell, ...]] = []
    for condition in conditions:
        means = [_mean(_each(distance, truth, condition.sounds)) for distance in (multi_resolution_stft, log_mel)]
        rows.append((condition.name, *means, len(truth)))
    heads = ("what", "mr_stft", "log_mel_db", "clips")
    title = f"Distance to the true sound, {split}"
    return Section(key=f"{split}.distance", title=title, heads=heads, rows=tuple(rows))


def _each(
    distance: Callable[[NDArray[np.float32], NDArray[np.float32]], float], truth: Sounds, sounds: Sounds
) -> list[float]:
    return [distance(one, other) for one, other in zip(truth, sounds, strict=True)]


def _mean(values: Sequence[float | bool]) -> float | None:
    return float(np.mean(values)) if len(values) else None
