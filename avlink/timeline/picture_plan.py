"""The plan of `avlink visualize`: a job for each sound, with its prompt, seed, keys and file name. Pure.

The mirror of `avlink.timeline.plan`, with the same two keys: what the model makes, and how that is finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from avlink.core import clock
from avlink.core.hashing import JsonValue, digest, fraction_text
from avlink.core.recipe.schema import VisualizeRecipe
from avlink.timeline.plan import prompt_of, seed_of, stem_name
from avlink.timeline.values import ClipRef, Job, Plan, Skip, Source, left_out

_FORMAT = 2


def build_picture_plan(
    sources: Sequence[Source],
    recipe: VisualizeRecipe,
    *,
    rate: Fraction | None,
    backend: JsonValue,
    finish: JsonValue,
    skipped: Sequence[Skip] = (),
) -> Plan:
    """Return one job for each sound, ordered by place on the timeline.

    `rate` is the frames per second that pictures are written at, None where that is the model's own. A sound that is
    there twice at one place (the two tracks of a stereo pair) is made once, unless the recipe wants repeats, and one
    that covers no frame is left out. `backend` and `finish` are plain values that go into the keys.
    """
    ordered = sorted(sources, key=lambda one: (one.clip.timeline_start_s, one.clip.layer, one.clip.depth, one.clip.id))
    jobs: list[Job] = []
    skips = list(skipped)
    seen: dict[tuple[object, ...], ClipRef] = {}
    for source in ordered:
        clip = source.clip
        span = _span(source)
        prompt, seed = prompt_of(source, recipe), seed_of(source, recipe.run.seed, 1)
        if rate is not None and not frames_of(clip, rate):
            skips.append(left_out(clip, "is so short that it covers no frame of the timeline", source=str(source.path)))
            continue
        same = (digest(span), clip.timeline_start_s, clip.timeline_duration_s, prompt, seed)
        # Stereo pairs lie on two tracks that play the same stretch of one file.
        first = seen.setdefault(same, clip)
        if first is not clip and not recipe.picture.repeats:
            where = first.track if first.track != clip.track else f"A{first.layer + 1}"
            reason = f"is the sound of '{first.name}' on {where} at its very place; one picture is made of it"
            skips.append(left_out(clip, reason, source=str(source.path)))
            continue
        raw_key = digest(["picture", _FORMAT, backend, span, [prompt.text, prompt.negative], seed])
        jobs.append(
            Job(
                id=clip.id,
                source=source,
                take=1,
                prompt=prompt,
                seed=seed,
                raw_key=raw_key,
                family_key=raw_key,
                finish_key=digest(["picture file", _FORMAT, finish]),
                stem_name=stem_name(clip.name, recipe.picture.track_name),
                head_s=Fraction(0),
                tail_s=Fraction(0),
            )
        )
    notes = dict.fromkeys(note for source in ordered for note in source.clip.notes)
    return Plan(jobs=tuple(jobs), skips=tuple(skips), notes=tuple(notes))


def frames_of(clip: ClipRef, rate: Fraction) -> range:
    """Return the frames of the timeline that a clip covers, counted from the timeline's start.

    Both edges are rounded by themselves from absolute times, so that neighbours meet.
    """
    return range(clock.to_index(clip.timeline_start_s, rate), clock.to_index(clip.timeline_end_s, rate))


def _span(source: Source) -> list[JsonValue]:
    times = (source.start_s, source.duration_s, source.speed, source.seen_s)
    return [source.digest, *(fraction_text(value) for value in times)]
