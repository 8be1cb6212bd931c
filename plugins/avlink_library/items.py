"""The sounds of the hits of a clip, each for itself: chosen as for the whole clip, with alternatives.

What is chosen is written into a text, `ItemSound.item`, which the generator reads again: nothing is chosen twice.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from dataclasses import replace
from fractions import Fraction
from pathlib import PurePosixPath

from avlink import (
    Hit,
    HitSounds,
    ItemSound,
    LibraryIndex,
    MediaChanged,
    Sound,
    SoundWish,
    digest,
    fraction_text,
    sound_state,
)
from avlink_library.alternatives import other_singles, other_sounds
from avlink_library.assemble import Stretch, Strike, lay_out, missing_notes, use_of
from avlink_library.options import LibraryOptions
from avlink_library.render import RATE, strike_shape
from avlink_library.shelf import Fitting, sounds_for
from avlink_library.singles import Single, singles_of
from avlink_library.vary import Variation
from avlink_library.wanted import wanted_by

_ROUND_S = Fraction(60)
"""Length of handles that a recording has which goes round."""


def items(options: LibraryOptions, wish: SoundWish, seed: int, takes: int) -> list[HitSounds]:
    """Return the sounds of each hit of a wish: what is laid for it in the sound of the clip, then alternatives.

    A hit that nothing fits has a note, or is left to the fallback. Raises LibraryError.
    """
    hits, prompt, fitting = wish.hits or (), wish.prompt.text, sounds_for(wish, options)
    found: dict[Hit, deque[Strike | Stretch | None]] = defaultdict(deque)
    laid = lay_out(hits, wish.base_hits, prompt, fitting, seed, options)
    for hit, one in laid:
        found[hit].append(one)
    notes: dict[Hit, str] = {}
    if options.fallback == "silence":
        missing = [hit for hit, one in laid if one is None]
        # One sentence for all hits of a kind.
        by_wish: dict[object, list[Hit]] = defaultdict(list)
        for hit in missing:
            by_wish[wanted_by(hit, prompt)].append(hit)
        notes = {hit: missing_notes(own, prompt)[0] for own in by_wish.values() for hit in own}
    return [_sounds(hit, found[hit].popleft(), prompt, fitting, takes, notes.get(hit, "")) for hit in hits]


def item_text(one: Strike | Stretch) -> str:
    """Return a text that names all that is heard of a single hit or a continuous recording."""
    sound = one.single.sound if isinstance(one, Strike) else one.sound
    told: dict[str, object] = {"library": sound.library, "name": sound.name, "digest": sound.digest}
    if isinstance(one, Strike):
        single, variation = one.single, one.variation
        told |= {name: fraction_text(getattr(single, f"{name}_s")) for name in ("start", "transient", "end")}
        told |= {"speed": fraction_text(variation.speed), "treble_db": variation.treble_db}
        told |= {"level_db": variation.level_db, "strength": round(one.hit.strength, 4)}
        if one.next_s is not None:
            told["next"] = fraction_text(one.next_s - one.hit.time_s)
    else:
        told |= {"seed": one.seed, "strength": round(one.strength, 4)}
    return json.dumps(told, sort_keys=True, ensure_ascii=False)


def read_item(text: str, index: LibraryIndex, hit: Hit) -> Strike | Stretch:
    """Return what an `item_text` names, laid on a hit.

    Raises MediaChanged where its recording is not what it was when it was chosen.
    """
    told = json.loads(text)
    sound = index.sound(told["library"], told["name"])
    if sound is None or sound.digest != told["digest"] or sound_state(sound):
        raise MediaChanged(
            f"'{told['name']}' of the sound library '{told['library']}' has changed since the run began; run it again"
        )
    if "seed" in told:
        return Stretch(
            start_s=hit.time_s,
            duration_s=hit.duration_s,
            sound=sound,
            strength=told["strength"],
            seed=told["seed"],
        )
    single = Single(
        sound=sound,
        start_s=Fraction(told["start"]),
        transient_s=Fraction(told["transient"]),
        end_s=Fraction(told["end"]),
        peak_db=0.0,
    )
    variation = Variation(speed=Fraction(told["speed"]), treble_db=told["treble_db"], level_db=told["level_db"])
    next_s = hit.time_s + Fraction(told["next"]) if "next" in told else None
    return Strike(hit=replace(hit, strength=told["strength"]), single=single, variation=variation, next_s=next_s)


def _sounds(hit: Hit, one: Strike | Stretch | None, prompt: str, fitting: Fitting, takes: int, note: str) -> HitSounds:
    if one is None:
        return HitSounds(note=note)
    fits = fitting.get(wanted_by(hit, prompt), ())
    if isinstance(one, Stretch):
        others: list[Strike | Stretch] = [
            replace(one, sound=sound) for sound in other_sounds(one.sound, fits, takes - 1)
        ]
    else:
        others = [replace(one, single=single) for single in other_singles(one.single, fits, takes - 1)]
    return HitSounds(takes=tuple(_item_sound(each) for each in (one, *others)))


def _item_sound(one: Strike | Stretch) -> ItemSound:
    if isinstance(one, Stretch):
        return ItemSound(
            name=_name(one.sound),
            item=item_text(one),
            choice=digest(["choice", one.sound.digest]),
            lead_s=Fraction(0),
            length_s=one.duration_s,
            before_s=_ROUND_S,
            after_s=_ROUND_S,
            use=use_of(one.sound),
        )
    single, speed = one.single, one.variation.speed
    shape = strike_shape(one, single.sound.analysis.sample_rate)
    return ItemSound(
        name=_single_name(single),
        item=item_text(one),
        choice=digest(["choice", single.sound.digest, fraction_text(single.transient_s)]),
        lead_s=Fraction(shape.anchor, RATE),
        length_s=Fraction(shape.num_samples, RATE),
        before_s=single.start_s / speed,
        after_s=max(Fraction(0), single.sound.analysis.length_s - single.end_s) / speed,
        use=use_of(single.sound),
    )


def _single_name(single: Single) -> str:
    """Return the name of a recording; of one with several hits the number of the hit as well."""
    moments = sorted(one.transient_s for one in singles_of([single.sound]))
    name = _name(single.sound)
    return name if len(moments) < 2 else f"{name} ({moments.index(single.transient_s) + 1})"


def _name(sound: Sound) -> str:
    return PurePosixPath(sound.name).stem
