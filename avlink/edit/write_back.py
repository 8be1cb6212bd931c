"""Finished stems back into the project: its takes by clip, on tracks of ours, in the project's own way."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

import avlink
from avlink.core.errors import AvlinkError
from avlink.core.events import Message
from avlink.core.hashing import fraction_text
from avlink.edit.export import write_format
from avlink.edit.project import moved_to, name_files, write_back
from avlink.edit.render import Rendered
from avlink.edit.report import WrittenStem
from avlink.edit.request import SonifyRequest
from avlink.hooks import ReadyBackend, TimelineFormat
from avlink.session import Session
from avlink.timeline.drop_frame import said_of_frames
from avlink.timeline.place import place_stems
from avlink.timeline.read import TimelineFile
from avlink.timeline.values import Plan, StemFile, StemPlacement
from avlink.timeline.write import refuse_overwrite


def takes_of(plan: Plan, done: Rendered, chosen: frozenset[str]) -> list[list[WrittenStem]]:
    """The takes of each clip in timeline order; first the one that was `chosen` before, by the key of its sound."""
    takes: dict[str, list[WrittenStem]] = {}
    for job in plan.jobs:
        if job.id in done.stems:
            takes.setdefault(job.source.clip.id, []).append(done.stems[job.id])
    return [sorted(stems, key=lambda stem: stem.job.raw_key not in chosen) for stems in takes.values()]


def write_stems_back(
    request: SonifyRequest,
    file: TimelineFile,
    takes: Sequence[Sequence[WrittenStem]],
    output: Path,
    backend: ReadyBackend,
    formats: Sequence[TimelineFormat],
    session: Session,
) -> None:
    """Write the project with the takes of its clips, and beside it the other formats that are asked for."""
    names = name_files((stem.path for stems in takes for stem in stems), file, output)
    placements = []
    for stems in takes:
        files = tuple(
            StemFile(
                url=names[stem.path],
                take=stem.job.take,
                sample_rate=stem.sample_rate,
                samples=stem.samples,
                details=_details(stem, backend),
                head_s=Fraction(stem.head_samples, stem.sample_rate),
                tail_s=Fraction(stem.tail_samples, stem.sample_rate),
                hits=stem.hits,
            )
            for stem in stems
        )
        placements.append(StemPlacement(clip=stems[0].job.source.clip, takes=files))
    details = {
        "version": avlink.__version__,
        "recipe": request.recipe.source.label,
        "backend": backend.name,
        **said_of_frames(file.timeline, file.drop_frame),
    }
    moved = moved_to(file, output)
    placed = place_stems(moved, placements, track_of=request.recipe.stems.track_of, details=details)
    for note in write_back(placed, file, output, names, roots=request.media_root):
        session.tell(Message(text=note, level="warning"))
    for format_ in formats:
        _write_beside(format_, placed, request.input, output, session)
    suffix = request.input.suffix.lower().replace(".fcpxmld", ".fcpxml")
    own = next((one for one in session.registry.formats.values() if one.suffix == suffix), None)
    if own is not None and own not in formats:
        try:
            beside = _write_beside(own, placed, request.input, output, session)
            session.tell(Message(text=f"the stems alone, in the project's own format: {beside}"))
        except AvlinkError as error:
            # Nobody asked for it.
            session.tell(Message(text=f"no {own.suffix} of the stems was written: {error}", level="warning"))


def _write_beside(
    format_: TimelineFormat, placed: otio.schema.Timeline, source: Path, output: Path, session: Session
) -> Path:
    """Write the stems in another format, under a name that is none of the user's. Raises InputError, PluginError."""
    beside = output.with_name(f"{output.stem.removesuffix('.foley')}.foley{format_.suffix}")
    refuse_overwrite(beside, inputs=(source,))
    for warning in write_format(format_, placed, beside):
        session.tell(Message(text=warning, level="warning"))
    return beside


def _details(stem: WrittenStem, backend: ReadyBackend) -> dict[str, object]:
    """What a stem remembers of how it was made, as plain JSON values."""
    job = stem.job
    return {
        "prompt": job.prompt.text,
        "negative": job.prompt.negative,
        "seed": job.seed,
        "backend": backend.name,
        "raw_key": job.raw_key,
        "stem_key": job.stem_key,
        "source_digest": job.source.digest,
        "source_start_s": fraction_text(job.source.start_s),
        "source_duration_s": fraction_text(job.source.duration_s),
        "speed": fraction_text(job.source.speed),
        "time_reference": stem.time_reference,
        "channels": stem.channels,
        **({"licence": backend.licence} if backend.licence else {}),
    }
