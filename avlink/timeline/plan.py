"""The plan: a job for each clip, with its prompt, seed, keys and file name. Pure; `--dry-run` shows it.

Two keys. The raw key names what the model makes: backend, source content, exact span, words, seed. The stem key adds
which stretch of that is heard and how it is finished. Neither knows paths, timeline positions or neighbours, so that
moving, renaming or re-ordering clips generates nothing anew, and a changed fade only finishes anew.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from avlink.core.hashing import JsonValue, derive_seed, digest, fraction_text
from avlink.core.hits import Hit
from avlink.core.recipe.schema import SonifyRecipe, VisualizeRecipe
from avlink.core.text import slug
from avlink.core.values import Prompt, SoundWish
from avlink.timeline.hit_items import ItemGrid, cut_items, head_of, numbered, sound_items
from avlink.timeline.values import ClipRef, HitItem, Job, Plan, Skip, Source, left_out

_FORMAT = 1
_MEDIA_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")


def build_plan(
    sources: Sequence[Source],
    recipe: SonifyRecipe,
    *,
    backend: JsonValue,
    finish: JsonValue,
    finish_of: Callable[[ClipRef], JsonValue] | None = None,
    material_of: Callable[[SoundWish], str] | None = None,
    items: ItemGrid | None = None,
    skipped: Sequence[Skip] = (),
) -> Plan:
    """Return the jobs for all sources: one for each take, ordered by place on the timeline.

    `backend` says which model with which options (its name, fingerprint and options), `finish` how stems are
    finished (chain, rate, format): plain values that go into the keys. `finish_of` adds what holds for one clip.
    `material_of` tells what the backend makes one clip's sound of. With `items` each hit of a clip whose hits are known
    is a job of its own.
    """
    ordered = sorted(sources, key=lambda source: _height(source.clip))
    planner = _Planner(recipe, backend, finish, finish_of, material_of, items)
    jobs: list[Job] = []
    skips, lacks = list(skipped), dict[str, tuple[str, ...]]()
    notes = dict.fromkeys(note for source in ordered for note in source.clip.notes)
    for source in ordered:
        if items is None or source.hits is None:
            jobs += planner.of_clip(source, planner.most_takes if source.clip.role == "ambience" else recipe.run.takes)
            if items is not None and source.clip.role == "sync":
                notes[_unspotted(source.clip)] = None
            continue
        made, lacking = planner.of_hits(source)
        jobs += made
        if not made:
            skips.append(left_out(source.clip, "; ".join(lacking) or "has no hits, and gets no items"))
        elif lacking:
            lacks[source.clip.id] = lacking
    return Plan(jobs=tuple(jobs), skips=tuple(skips), notes=tuple(notes), lacks=lacks)


@dataclass(frozen=True, slots=True)
class _Planner:
    """Makes the jobs of single clips; see `build_plan`."""

    recipe: SonifyRecipe
    backend: JsonValue
    finish: JsonValue
    finish_of: Callable[[ClipRef], JsonValue] | None
    material_of: Callable[[SoundWish], str] | None
    items: ItemGrid | None

    @property
    def most_takes(self) -> int:
        """The number of takes where a backend chooses sounds, and alternatives cost next to nothing."""
        chooses = self.items is not None and self.items.sounds_of is not None
        return max(self.recipe.run.takes, self.recipe.write.alternatives if chooses else 1)

    def of_clip(self, source: Source, takes: int) -> list[Job]:
        """Return a job for each take of the sound of a whole clip."""
        recipe, clip, prompt = self.recipe, source.clip, prompt_of(source, self.recipe)
        words = _words(prompt)
        material = "" if self.material_of is None else self.material_of(_wish(source, prompt))
        made_by: JsonValue = [self.backend, material, clip.role] if material else self.backend
        in_clip, in_media = _hits(source)
        jobs = []
        for take in range(1, takes + 1):
            seed = seed_of(source, recipe.run.seed, take)
            asked = recipe.run.seed if clip.seed is None else clip.seed
            # No time is in this key, so that a clip that was trimmed finds the longer sound that was made before.
            kin: list[JsonValue] = [source.digest, fraction_text(source.speed), clip.role, words, asked, take]
            jobs.append(
                Job(
                    id=_job_id(clip, take),
                    source=source,
                    take=take,
                    prompt=prompt,
                    seed=seed,
                    raw_key=digest(["raw", _FORMAT, made_by, made_span(source), words, seed, *in_clip]),
                    family_key=digest(["family", _FORMAT, made_by, *kin, *in_media]),
                    finish_key=self._finish_key(clip),
                    stem_name=stem_name(clip.name, recipe.stems.track_of(clip.role), take),
                    head_s=source.before_s - clip.lead_s,
                    tail_s=source.after_s - clip.trail_s,
                    material=material,
                )
            )
        return jobs

    def of_hits(self, source: Source) -> tuple[list[Job], tuple[str, ...]]:
        """Return a job for each take of the item of each hit of a clip, and sentences on hits that get none."""
        assert self.items is not None and source.hits is not None, "only clips with known hits come here"
        if self.items.sounds_of is None:
            return self._cut(source), ()
        prompt, seed = prompt_of(source, self.recipe), seed_of(source, self.recipe.run.seed, 1)
        chosen = self.items.sounds_of(_wish(source, prompt), seed, self.most_takes)
        jobs, rest = list[Job](), list[Hit]()
        for hit, number, sounds in zip(source.hits, numbered(source.hits), chosen, strict=True):
            if sounds.takes:
                made = sound_items(source, hit, number, sounds.takes, self.items)
                jobs += [self._of_sound(source, one, prompt, seed, take) for take, one in enumerate(made, start=1)]
            elif not sounds.note:
                rest.append(hit)
        if rest:
            jobs += self._cut(with_hits(source, rest))
        return jobs, tuple(dict.fromkeys(sounds.note for sounds in chosen if sounds.note and not sounds.takes))

    def _of_sound(self, source: Source, item: HitItem, prompt: Prompt, seed: int, take: int) -> Job:
        assert self.items is not None and item.sound is not None, "only sounds of hits come here"
        place, head_s = item.clip, head_of(item, source.clip, self.items.sample_rate)
        # No clip, words or seed: the sound is named as a whole, and two hits may have the same.
        made = [item.sound.item, *map(fraction_text, (item.at_s, item.length_s, *item.core_s))]
        raw_key = digest(["raw", _FORMAT, self.backend, "item", *made])
        return Job(
            id=_job_id(place, take),
            source=source,
            take=take,
            prompt=prompt,
            seed=seed,
            raw_key=raw_key,
            family_key=raw_key,
            finish_key=self._finish_key(place),
            stem_name=stem_name(place.name, self.recipe.stems.track_of(place.role), take),
            head_s=head_s,
            tail_s=max(Fraction(0), item.length_s - head_s - place.timeline_duration_s),
            item=item,
        )

    def _cut(self, source: Source) -> list[Job]:
        """Return a job for each take of each stretch of a clip's sound; all of a take have one raw key."""
        assert self.items is not None, "only clips with known hits come here"
        if not source.hits:
            return []
        whole, cuts = self.of_clip(source, self.recipe.run.takes), cut_items(source, self.items)
        return [
            replace(
                job,
                id=_job_id(item.clip, job.take),
                stem_name=stem_name(item.clip.name, self.recipe.stems.track_of(item.clip.role), job.take),
                head_s=head_s,
                tail_s=source.made_s - head_s - item.clip.timeline_duration_s,
                item=item,
            )
            for job in whole
            for item, head_s in cuts
        ]

    def _finish_key(self, clip: ClipRef) -> str:
        return digest(["finish", _FORMAT, self.finish, *_finish_of(clip, self.finish_of)])


def with_hits(source: Source, hits: Sequence[Hit]) -> Source:
    """Return a source of which only some of its hits are known."""
    if len(hits) == len(source.hits or ()):
        return source
    clip, kept = source.clip, Counter(hits)
    markers = []
    for marker, hit in zip((one for one in clip.markers if one.hit is not None), source.hits or (), strict=True):
        if kept[hit]:
            kept[hit] -= 1
            markers.append(marker)
    return replace(source, clip=replace(clip, markers=tuple(markers), found_hits=()))


def _unspotted(clip: ClipRef) -> str:
    return f"the hits of {clip.name} on {clip.track} are not known, so it is one item; `avlink spot` marks them"


def _job_id(clip: ClipRef, take: int) -> str:
    return clip.id if take == 1 else f"{clip.id}-t{take}"


def _words(prompt: Prompt) -> list[JsonValue]:
    return [prompt.text, prompt.negative]


def _wish(source: Source, prompt: Prompt) -> SoundWish:
    clip = source.clip
    return SoundWish(prompt=prompt, hits=source.hits, base_hits=clip.base_hits, is_ambience=clip.role == "ambience")


def prompt_of(source: Source, recipe: SonifyRecipe | VisualizeRecipe) -> Prompt:
    """Return the prompt of a clip: that of the project, else the recipe's template."""
    clip = source.clip
    values = {"clip.name": plain_name(clip.name), "clip.track": clip.track, "source.name": source.path.stem}
    return Prompt(
        text=recipe.prompt.fill(values) if clip.asked_prompt is None else clip.asked_prompt,
        negative=recipe.prompt.negative if clip.negative is None else clip.negative,
    )


def seed_of(source: Source, run_seed: int, take: int) -> int:
    """Return the job's own seed: the same alone, in a batch, and wherever the clip lies.

    A clip that asks for a seed gets that one for its first take, so that what a stem says it was made with makes it
    again.
    """
    asked = source.clip.seed
    if asked is not None and take == 1:
        return asked
    # An ambience over foley of the same picture is another sound, also when nobody gives it words.
    role = ["ambience"] if source.clip.role == "ambience" else []
    return derive_seed(run_seed if asked is None else asked, _span(source), take, *role)


def plain_name(name: str) -> str:
    """Return a clip's name without the suffix of a media file."""
    return _MEDIA_SUFFIX.sub("", name) or name


def stem_name(clip_name: str, track_name: str, take: int = 1) -> str:
    """Return the beginning of a file name, of letters, digits, `-` and `_`; a digest of the content follows."""
    take_text = "" if take == 1 else f"_t{take}"
    return f"{slug(plain_name(clip_name), 40) or 'clip'}_{slug(track_name, 20) or 'STEM'}{take_text}"


def _height(clip: ClipRef) -> tuple[Fraction, int, tuple[int, ...], str]:
    return (clip.timeline_start_s, clip.layer, clip.depth, clip.id)


def _finish_of(clip: ClipRef, more: Callable[[ClipRef], JsonValue] | None) -> list[JsonValue]:
    """Return key parts for a finish of one clip's own; empty for most, whose keys stay what they were."""
    own: list[JsonValue] = [{"gain_db": clip.gain_db}] if clip.gain_db else []
    # From where it is heard on, so that a clip which moves with its transitions stays what it is.
    own += [
        ["fade", fade.rising, fraction_text(fade.start_s - clip.heard_start_s), fraction_text(fade.duration_s)]
        for fade in clip.fades
    ]
    added = None if more is None else more(clip)
    return own if added is None else [*own, added]


def _hits(source: Source) -> tuple[list[JsonValue], list[JsonValue]]:
    """Return key parts of what happens in a clip, by the time in the clip and by that of the media.

    Both are empty where that is not known, so that keys stay what they were. A sound serves another stretch of the
    media where the same things happen. Confidence and place tell of the picture, and change no sound.
    """
    hits = source.hits
    if hits is None:
        return [], []
    base = source.clip.base_hits
    lists = [("hits", hits)] if base is None else [("hits", hits), ("base", base)]
    first_s = source.start_s + (source.duration_s if source.speed < 0 else 0)
    in_clip: list[JsonValue] = []
    in_media: list[JsonValue] = []
    for name, found in lists:
        in_clip.append(
            [name, *([fraction_text(hit.time_s), fraction_text(hit.duration_s), *_look(hit)] for hit in found)]
        )
        in_media.append([name, *([fraction_text(first_s + hit.time_s * source.speed), *_look(hit)] for hit in found)])
    return in_clip, in_media


def _look(hit: Hit) -> list[JsonValue]:
    return [round(hit.strength, 4), hit.kind, hit.words]


def made_span(source: Source) -> list[JsonValue]:
    """Return key parts of the stretch of media that sound is made for; handles are in it only where there are some."""
    span = _span(source)
    handles = [fraction_text(source.before_s), fraction_text(source.after_s)]
    return [*span, *handles] if source.before_s or source.after_s else span


def _span(source: Source) -> list[JsonValue]:
    span: list[JsonValue] = [source.digest, fraction_text(source.start_s), fraction_text(source.duration_s)]
    # Only what is retimed says so: the keys of all that plays at its own speed stay what they were.
    return span if source.speed == 1 else [*span, fraction_text(source.speed), fraction_text(source.seen_s)]
