"""The plan of a study: its methods, its clips, and the pairs of them that are shown. Pure.

Two starts are the same study when their plans are equal: names of methods, contents of clips, pairs, questions. The
paths of the files are not part of a plan.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from avlink import InputError, digest
from avlink_study.questions import QUESTIONS, Question, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One result of a method: the digest of its content, and its duration in seconds."""

    digest: str
    duration_s: float


@dataclass(frozen=True, slots=True, order=True)
class StudyPair:
    """Two results for the same input; `first` and `second` are numbers of methods."""

    first: int
    second: int
    stem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """A study. The keys of `clips` are the number of the method and the stem."""

    task: Task
    no_preference: bool
    seed: int
    methods: tuple[str, ...]
    clips: Mapping[tuple[int, str], Clip]
    pairs: tuple[StudyPair, ...]

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions about each pair, in order."""
        return QUESTIONS[self.task]

    @property
    def choices(self) -> tuple[str, ...]:
        """The possible answers."""
        return ("left", "right", "none") if self.no_preference else ("left", "right")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnPairs:
    """The pairs of a study, and the stems of each method that lack a partner in a method that it is compared with."""

    pairs: tuple[StudyPair, ...]
    alone: Mapping[int, tuple[str, ...]]


def draw_pairs(stems: Mapping[str, frozenset[str]], *, compare: str, samples: int | None, seed: int) -> DrawnPairs:
    """Pair the stems of methods, which are by name and in order; `samples` of each two methods at most.

    Raises InputError if two methods have no stem in common.
    """
    names, of = tuple(stems), tuple(stems.values())
    numbers = range(len(names))
    against = [(0, other) for other in numbers[1:]] if compare == "first" else list(combinations(numbers, 2))
    # One order for all, so that all pairs of methods are compared over the same clips as far as they have them.
    shuffled = sorted(frozenset().union(*of), key=lambda stem: digest(["sample", seed, stem]))
    pairs: list[StudyPair] = []
    alone: dict[int, set[str]] = {}
    for first, second in against:
        common = of[first] & of[second]
        if not common:
            raise InputError(
                f"'{names[first]}' and '{names[second]}' have no file name in common (suffixes aside): there is no pair"
            )
        pairs += sorted(
            StudyPair(first, second, stem) for stem in [stem for stem in shuffled if stem in common][:samples]
        )
        for one, other in ((first, second), (second, first)):
            alone.setdefault(one, set()).update(of[one] - of[other])
    return DrawnPairs(
        pairs=tuple(pairs), alone={number: tuple(sorted(left)) for number, left in sorted(alone.items()) if left}
    )


def difference(known: StudyPlan, new: StudyPlan) -> str | None:
    """Return in words why `new` is another study than `known`; None if it is the same one."""
    if known.methods != new.methods:
        return f"it compares {_listed(known.methods)}, not {_listed(new.methods)}"
    if known.task != new.task:
        return f"its task is {known.task}, not {new.task}"
    if known.no_preference != new.no_preference:
        return f"no_preference is {str(known.no_preference).lower()} in it"
    if known.seed != new.seed:
        return f"its seed is {known.seed}, not {new.seed}"
    if known.pairs != new.pairs:
        missing, more = set(known.pairs) - set(new.pairs), set(new.pairs) - set(known.pairs)
        return f"it is about {len(known.pairs)} pairs, of which {len(missing)} are missing now and {len(more)} are new"
    for (method, stem), clip in sorted(known.clips.items()):
        if new.clips[method, stem].digest != clip.digest:
            return f"'{stem}' of method '{known.methods[method]}' has another content now"
    return None


@functools.lru_cache(maxsize=256)
def order_for(seed: int, count: int) -> tuple[int, ...]:
    """Return the numbers below `count` in the order of the rater with this seed.

    A sort by digests, since it gives the same order on every machine and in every version of Python.
    """
    return tuple(sorted(range(count), key=lambda number: digest(["order", seed, number])))


def is_flipped(seed: int, number: int) -> bool:
    """Return True if the rater with this seed sees the second method of that pair on the left."""
    # The first hexadecimal digit is odd half of the time.
    return int(digest(["side", seed, number])[0], 16) % 2 == 1


def _listed(names: Sequence[str]) -> str:
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)
