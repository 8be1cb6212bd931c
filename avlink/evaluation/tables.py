"""The tables of `avlink evaluate`: from sounds, pictures and the truth to rows of figures. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlink.foundry.clip import ClipInfo
from avlink.metrics.condfoley import condfoley_summary
from avlink.metrics.material import MaterialClassifier
from avlink.metrics.onsets import detect_onsets
from avlink.metrics.report import Cell, table
from avlink.metrics.spectral import envelope_correlation, log_mel_distance, multi_resolution_stft
from avlink.metrics.sync import aggregate, shuffled_chance

Sounds = NDArray[np.float32]
Times = Sequence[NDArray[np.float64]]

WIDE_S, NARROW_S = 0.1, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table: `key` names it in JSON, `heads` name the columns in both."""

    key: str
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Title, and each row as an object."""
        return {"title": self.title, "rows": [dict(zip(self.heads, row, strict=True)) for row in self.rows]}

    def text(self) -> str:
        """The table in plain text under its title."""
        return table(self.heads, self.rows, title=self.title)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one condition sounds like over the clips of a split, (clips, samples), and its onsets in seconds."""

    name: str
    sounds: Sounds
    onsets_s: Times


def hear(name: str, sounds: Sounds, sample_rate: int) -> Heard:
    """Find the onsets of a condition's sounds."""
    return Heard(name=name, sounds=sounds, onsets_s=[detect_onsets(sound, sample_rate).times_s for sound in sounds])


def true_events(clips: Sequence[ClipInfo]) -> list[NDArray[np.float64]]:
    """Event times of each clip in seconds."""
    return [np.array([event.time_s for event in clip.events], dtype=np.float64) for clip in clips]


def onset_heads(windows_s: Sequence[float] = (WIDE_S, NARROW_S)) -> tuple[str, ...]:
    """The columns of `onset_row`; precision, recall, counts and offset belong to the first window."""
    wide, *narrower = (f"{1000 * window_s:.0f}ms" for window_s in windows_s)
    more = [name for window in narrower for name in (f"f1_{window}", f"chance_{window}")]
    first = ("what", f"precision_{wide}", f"recall_{wide}", f"f1_{wide}", f"chance_{wide}")
    return (*first, *more, "offset_ms", "count_exact", "count_within_1", "clips", "excluded")


def onset_row(
    name: str, truth: Times, found: Times, windows_s: Sequence[float] = (WIDE_S, NARROW_S)
) -> tuple[Cell, ...]:
    """Scores of one condition against the truth, with its own shuffled pairs as chance; see `onset_heads`."""
    scores = [aggregate(truth, found, window_s) for window_s in windows_s]
    chance = [shuffled_chance(truth, found, window_s) for window_s in windows_s]
    by_window = [
        value
        for score, other in zip(scores, chance, strict=True)
        for value in (score.f1, None if other is None else other.f1)
    ]
    wide = scores[0]
    return (
        name,
        wide.precision,
        wide.recall,
        *by_window,
        None if wide.mean_abs_offset_s is None else 1000 * wide.mean_abs_offset_s,
        wide.count_exact,
        wide.count_within_one,
        wide.num_clips,
        wide.num_excluded,
    )


def onset_section(split: str, truth: Times, found: Mapping[str, Times]) -> Section:
    """Every condition against the true events."""
    rows = tuple(onset_row(name, truth, times_s) for name, times_s in found.items())
    return Section(key=f"{split}.onsets", title=f"Onsets against true events, {split}", heads=onset_heads(), rows=rows)


def group_section(split: str, clips: Sequence[ClipInfo], found: Mapping[str, Times]) -> Section:
    """F1 at 100 ms of every condition for each group of kinds, then for narrow and wide looks; no chance here."""
    truth = true_events(clips)
    members: dict[str, list[int]] = {}
    for index, clip in enumerate(clips):
        if clip.events:
            for name in (clip.group, "looks: narrow" if clip.narrow else "looks: wide"):
                members.setdefault(name, []).append(index)
    rows: list[tuple[Cell, ...]] = []
    for name in sorted(members, key=lambda name: (":" in name, name)):
        chosen = members[name]
        scores = [_f1([truth[i] for i in chosen], [times[i] for i in chosen]) for times in found.values()]
        rows.append((name, *scores, len(chosen)))
    heads = ("group", *found, "clips")
    return Section(key=f"{split}.groups", title=f"F1 at 100 ms by group, {split}", heads=heads, rows=tuple(rows))


def _f1(truth: Times, found: Times) -> float:
    return aggregate(truth, found, WIDE_S).f1


def one_material(clip: ClipInfo) -> str | None:
    """The material of all of a clip's events, if it is one; None for flashes in the air and for mixtures."""
    return sole_material(event.material for event in clip.events)


def sole_material(names: Iterable[str]) -> str | None:
    """The one material of events by the names of theirs; None for none, for several, and for the air."""
    materials = set(names)
    return materials.pop() if len(materials) == 1 and "air" not in materials else None


def material_section(
    split: str, clips: Sequence[ClipInfo], heard: Sequence[Heard], classifier: MaterialClassifier
) -> Section:
    """Share of clips of one material that sound like it: all, with the material's own colours, and recoloured."""
    labels = [one_material(clip) for clip in clips]
    chosen = [index for index, label in enumerate(labels) if label is not None]
    rows: list[tuple[Cell, ...]] = []
    for condition in heard:
        right = {index: classifier.predict(condition.sounds[index]) == labels[index] for index in chosen}
        plain = [right[index] for index in chosen if not clips[index].recoloured]
        recoloured = [right[index] for index in chosen if clips[index].recoloured]
        rows.append(
            (condition.name, _mean(list(right.values())), _mean(plain), _mean(recoloured), len(plain), len(recoloured))
        )
    heads = ("what", "all", "own_colours", "recoloured", "clips_own_colours", "clips_recoloured")
    return Section(key=f"{split}.material", title=f"Material right, {split}", heads=heads, rows=tuple(rows))


def condfoley_section(split: str, truth: Sounds, heard: Sequence[Heard], sample_rate: int) -> Section:
    """CondFoleyGen's scores of the first two seconds, and of each sound paired with the next clip's as chance."""
    rows: list[tuple[Cell, ...]] = []
    for condition in heard:
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
    split: str, clips: Sequence[ClipInfo], truth: Sounds, heard: Sequence[Heard], sample_rate: int
) -> Section:
    """Correlation of the level at 25 Hz with the true sound's, for sounds that last; shuffled pairs as chance."""
    chosen = [index for index, clip in enumerate(clips) if clip.envelope is not None]
    rows: list[tuple[Cell, ...]] = []
    for condition in heard:
        pairs = [envelope_correlation(truth[i], condition.sounds[i], sample_rate) for i in chosen]
        others = [
            envelope_correlation(truth[i], condition.sounds[j], sample_rate)
            for i, j in zip(chosen, np.roll(chosen, 1), strict=True)
        ]
        # A sound that does not change at all does not follow.
        scores = [0.0 if value is None else value for value in pairs]
        chance = [0.0 if value is None else value for value in others]
        rows.append((condition.name, _mean(scores), _mean(chance) if len(chosen) > 1 else None, len(chosen)))
    heads = ("what", "correlation", "chance", "clips")
    title = f"Level of lasting sounds against the true level, {split}"
    return Section(key=f"{split}.envelope", title=title, heads=heads, rows=tuple(rows))


def distance_section(split: str, truth: Sounds, heard: Sequence[Heard], sample_rate: int) -> Section:
    """Distances to the true sounds, 0 for equal ones."""

    def log_mel(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
        return log_mel_distance(a, b, sample_rate)

    rows: list[tuple[Cell, ...]] = []
    for condition in heard:
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
