"""The plan: a job for each clip, with its prompt, seed, keys and file name. Pure; `--dry-run` shows it.

Two keys. The raw key names what the model makes: backend, source content, exact span, words, seed. The stem key adds
which stretch of that is heard and how it is finished. Neither knows paths, timeline positions or neighbours, so that
moving, renaming or re-ordering clips generates nothing anew, and a changed fade only finishes anew.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from fractions import Fraction

from avlink.core.hashing import JsonValue, derive_seed, digest, fraction_text
from avlink.core.hits import Hit
from avlink.core.recipe.schema import SonifyRecipe, VisualizeRecipe
from avlink.core.values import Prompt, SoundWish
from avlink.timeline.values import ClipRef, Job, Plan, Skip, Source

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
    skipped: Sequence[Skip] = (),
) -> Plan:
    """Return the jobs for all sources: one for each take, ordered by place on the timeline.

    `backend` says which model with which options (its name, fingerprint and options), `finish` how stems are
    finished (chain, rate, format): plain values that go into the keys. `finish_of` adds what holds for one clip.
    `material_of` tells what the backend makes one clip's sound of.
    """
    ordered = sorted(sources, key=lambda source: _height(source.clip))
    jobs = []
    for source in ordered:
        clip, prompt = source.clip, prompt_of(source, recipe)
        words: list[JsonValue] = [prompt.text, prompt.negative]
        material = "" if material_of is None else material_of(_wish(source, prompt))
        made_by: JsonValue = [backend, material, clip.role] if material else backend
        in_clip, in_media = _hits(source)
        for take in range(1, recipe.run.takes + 1):
            seed = seed_of(source, recipe.run.seed, take)
            asked = recipe.run.seed if clip.seed is None else clip.seed
            # No time is in this key, so that a clip that was trimmed finds the longer sound that was made before.
            kin: list[JsonValue] = [source.digest, fraction_text(source.speed), clip.role, words, asked, take]
            jobs.append(
                Job(
                    id=clip.id if take == 1 else f"{clip.id}-t{take}",
                    source=source,
                    take=take,
                    prompt=prompt,
                    seed=seed,
                    raw_key=digest(["raw", _FORMAT, made_by, made_span(source), words, seed, *in_clip]),
                    family_key=digest(["family", _FORMAT, made_by, *kin, *in_media]),
                    finish_key=digest(["finish", _FORMAT, finish, *_finish_of(clip, finish_of)]),
                    stem_name=stem_name(clip.name, recipe.stems.track_of(clip.role), take),
                    head_s=source.before_s - clip.lead_s,
                    tail_s=source.after_s - clip.trail_s,
                    material=material,
                )
            )
    notes = dict.fromkeys(note for source in ordered for note in source.clip.notes)
    return Plan(jobs=tuple(jobs), skips=tuple(skipped), notes=tuple(notes))


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
    return f"{_slug(plain_name(clip_name), 40) or 'clip'}_{_slug(track_name, 20) or 'STEM'}{take_text}"


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


def _slug(text: str, length: int) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", ascii_text)[:length].strip("-")
