"""The assembly of a clip: which recordings, where, how loud, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from avlink import Hit, Sound, SoundUse, derive_seed
from avlink_library.choose import choose
from avlink_library.options import LibraryOptions
from avlink_library.shape import duck_span
from avlink_library.shelf import Fitting
from avlink_library.singles import Single, clear_ones, singles_of
from avlink_library.vary import Variation, variation_of
from avlink_library.wanted import Wanted, wanted_by

_SAME_S = Fraction(3, 100)
"""Hits that are nearer to each other are heard as one, and none ducks the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A single hit of a recording for a hit of the clip.

    `next_s` is the next hit of the same sound, under which the tail is ducked; None where none strikes on the tail.
    """

    hit: Hit
    single: Single
    variation: Variation
    next_s: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A continuous recording for a stretch of the clip; `seed` decides where in it the stretch begins."""

    start_s: Fraction
    duration_s: Fraction
    sound: Sound
    strength: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """All that is laid on a clip, and the hits that nothing fits."""

    strikes: tuple[Strike, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    missing: tuple[Hit, ...] = ()

    @property
    def uses(self) -> tuple[SoundUse, ...]:
        """The recordings in it, each once, by library and name."""
        sounds = [one.single.sound for one in self.strikes] + [one.sound for one in self.stretches]
        found = {(sound.library, sound.name): sound for sound in sounds}
        return tuple(use_of(sound) for _, sound in sorted(found.items()))


def use_of(sound: Sound) -> SoundUse:
    """Return what reports and credits say of a recording."""
    described = sound.description
    return SoundUse(library=sound.library, name=sound.name, licence=described.licence, author=described.author)


def assemble(
    hits: Sequence[Hit],
    base_hits: Sequence[Hit] | None,
    prompt: str,
    fitting: Fitting,
    seed: int,
    options: LibraryOptions,
) -> Assembly:
    """Return what is laid for hits.

    Those of `base_hits` that are still there get what they would get with these alone.
    """
    laid = lay_out(hits, base_hits, prompt, fitting, seed, options)
    return Assembly(
        strikes=tuple(one for _, one in laid if isinstance(one, Strike)),
        stretches=tuple(one for _, one in laid if isinstance(one, Stretch)),
        missing=tuple(hit for hit, one in laid if one is None),
    )


def lay_out(
    hits: Sequence[Hit],
    base_hits: Sequence[Hit] | None,
    prompt: str,
    fitting: Fitting,
    seed: int,
    options: LibraryOptions,
) -> list[tuple[Hit, Strike | Stretch | None]]:
    """Return each hit with what is laid for it, in the order of time; see `assemble`."""
    ordered = _in_order(hits)
    kept: dict[tuple[object, ...], Single | None] = {}
    if base_hits is not None:
        before = _in_order(base_hits)
        kept = dict(zip(map(_asked, before), _choices(before, prompt, fitting, seed, {}), strict=True))
    chosen = _choices(ordered, prompt, fitting, seed, kept)
    laid = [(hit, _laid(hit, single, seed, options)) for hit, single in zip(ordered, chosen, strict=True)]
    return laid if options.whole_tails else _with_next(laid, prompt)


def assemble_ambience(wanted: Wanted, duration_s: Fraction, fitting: Fitting, seed: int) -> Assembly:
    """Return a bed for a whole clip; an empty assembly where none fits."""
    sounds = fitting.get(wanted, ())
    if not sounds:
        return Assembly()
    # By the seed, so that takes differ; from the best ones, which come first.
    sound = sounds[derive_seed("bed", seed) % len(sounds)]
    stretch = Stretch(start_s=Fraction(0), duration_s=duration_s, sound=sound, strength=1.0, seed=seed)
    return Assembly(stretches=(stretch,))


def missing_notes(missing: Sequence[Hit], prompt: str) -> tuple[str, ...]:
    """Return a sentence for each kind of hit that nothing fits, with the words that were tried."""
    groups: dict[Wanted, list[Hit]] = defaultdict(list)
    for hit in missing:
        groups[wanted_by(hit, prompt)].append(hit)
    notes = []
    for wanted, hits in groups.items():
        count = "a hit" if len(hits) == 1 else f"{len(hits)} hits"
        what = f"of the kind '{wanted.kind}'" + (" that last" if wanted.is_range and len(hits) > 1 else "")
        notes.append(
            f"no sound of the libraries fits {count} {what}, the first at {float(hits[0].time_s):.2f} s; tried "
            f"{tried(wanted)}; give the clip or its markers other words, or add sounds by `avlink library add`"
        )
    return tuple(notes)


def tried(wanted: Wanted) -> str:
    """Return the texts that were searched for, quoted."""
    return ", then ".join(f"'{query}'" for query in wanted.queries) or "nothing, for there are no words"


def _laid(hit: Hit, single: Single | None, seed: int, options: LibraryOptions) -> Strike | Stretch | None:
    if single is None:
        return None
    if hit.duration_s > 0:
        return Stretch(
            start_s=hit.time_s,
            duration_s=hit.duration_s,
            sound=single.sound,
            strength=hit.strength,
            seed=derive_seed("stretch", seed, str(hit.time_s)),
        )
    return Strike(hit=hit, single=single, variation=variation_of(hit, seed, options))


def _with_next(
    laid: Sequence[tuple[Hit, Strike | Stretch | None]], prompt: str
) -> list[tuple[Hit, Strike | Stretch | None]]:
    """Return what is laid, in the order of time, with the next hit of the same sound that strikes on each tail."""
    later: dict[Wanted, list[Fraction]] = defaultdict(list)
    made: list[tuple[Hit, Strike | Stretch | None]] = []
    for hit, one in reversed(laid):
        if isinstance(one, Strike):
            times = later[wanted_by(hit, prompt)]
            after = (time_s for time_s in reversed(times) if time_s >= hit.time_s + _SAME_S)
            tail_s = (one.single.end_s - one.single.transient_s) / one.variation.speed
            next_s = next((time_s for time_s in after if duck_span(time_s - hit.time_s)[0] < tail_s), None)
            one = replace(one, next_s=next_s)
            times.append(hit.time_s)
        made.append((hit, one))
    return made[::-1]


def _choices(
    hits: Sequence[Hit],
    prompt: str,
    fitting: Fitting,
    seed: int,
    kept: dict[tuple[object, ...], Single | None],
) -> list[Single | None]:
    wanted = [wanted_by(hit, prompt) for hit in hits]
    singles = {one: clear_ones(singles_of(fitting.get(one, ()))) for one in dict.fromkeys(wanted)}
    known = {number: single for number, hit in enumerate(hits) if (single := kept.get(_asked(hit))) is not None}
    return choose(hits, wanted, singles, seed, known=known)


def _in_order(hits: Sequence[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: (hit.time_s, hit.kind, hit.words, hit.strength, hit.duration_s))


def _asked(hit: Hit) -> tuple[object, ...]:
    return hit.time_s, hit.duration_s, hit.strength, hit.kind, hit.words
