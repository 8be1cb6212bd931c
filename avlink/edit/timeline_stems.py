"""Stems for a timeline: its clips with pictures are given sound, on audio tracks of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import opentimelineio as otio

from avlink.core.errors import AvlinkError, RecipeError, TimelineError
from avlink.core.events import Message
from avlink.core.recipe import SonifyRecipe
from avlink.core.values import SoundSource
from avlink.edit.direction import Placed
from avlink.edit.ducking import ducking_for
from avlink.edit.export import write_format
from avlink.edit.media_spans import MediaSpans
from avlink.edit.origins import kept_origin
from avlink.edit.plugin_hooks import EditHooks
from avlink.edit.preview import write_preview
from avlink.edit.previous import is_edited
from avlink.edit.project import moved_to, name_files
from avlink.edit.report import Rendered, WrittenStem
from avlink.edit.report_json import uses_json
from avlink.edit.request import SonifyRequest
from avlink.edit.reuse import plan_digest, remember, with_made_sounds
from avlink.edit.sources import resolve_sources
from avlink.edit.stem_target import StemTarget
from avlink.edit.stems import write_stem
from avlink.edit.timeline_edit import OpenTimeline, TimelineEdit, open_timeline
from avlink.edit.transparency import with_transparency
from avlink.hooks import ReadyBackend, TimelineFormat, resolve_chain, resolve_formats
from avlink.session import Session
from avlink.timeline.cue_notes import cue_notes
from avlink.timeline.dialects import address_resolve, count_from_zero, write_for_resolve
from avlink.timeline.flatten import flatten_timeline
from avlink.timeline.hit_items import ItemGrid
from avlink.timeline.item_metadata import take_details
from avlink.timeline.merge import request_digests
from avlink.timeline.place import place_stems
from avlink.timeline.plan import build_plan
from avlink.timeline.select import select_clips
from avlink.timeline.timebase import drop_frame_metadata
from avlink.timeline.values import Job, Plan, StemFile, StemPlacement
from avlink.timeline.walk import list_clips
from avlink.timeline.write import BUNDLES


class TimelineStems(TimelineEdit[SoundSource]):
    """A timeline whose clips are given stems."""

    makes = "a sound"

    def __init__(self, request: SonifyRequest, backend: ReadyBackend, session: Session, hooks: EditHooks) -> None:
        self.recipe, self.hooks, self.credits = request.recipe, hooks, request.credits
        self.formats = resolve_formats(request.recipe, session.registry)
        opened = open_timeline(request, session, word="foley", sound=False)
        for sheet in (_of_format(opened.output, format_) for format_ in self.formats if format_.suffix == ".csv"):
            if is_edited(sheet, opened.outputs):
                if opened.requests is None:
                    opened = replace(opened, requests=request_digests(opened.file.timeline))
                opened.previous.merge_sheet(opened.file.timeline, sheet)
        target = _target(request, backend, opened, session)
        super().__init__(request, backend, session, opened, _plan(request, backend, opened, target, session, hooks))
        for note in cue_notes(self.file.timeline):
            session.tell(Message(text=note, level="warning"))
        self.plan_digest, self.own_keys = plan_digest(self.plan), {job.raw_key for job in self.plan.jobs}
        opened.previous.follow_hits(self.plan.jobs)
        if not request.force:
            self.plan = with_made_sounds(self.plan, session.store)
        self.target = replace(target, untouchable=frozenset(path.resolve() for path in self.inputs))

    @property
    def files_folder(self) -> Path:
        """The folder of the stems."""
        return self.target.folder

    @property
    def beside(self) -> tuple[Path, ...]:
        """The files for other programs that are asked for, the preview, and the credits."""
        preview = self._preview_path if self.recipe.write.preview else None
        formats = (_of_format(self.output, format_) for format_ in self.formats)
        return (*formats, *(path for path in (preview, self.credits) if path is not None))

    @property
    def _preview_path(self) -> Path:
        return _beside(self.output, ".preview.mp4")

    def remember(self, job: Job) -> None:
        """Note which stretch of its media a job has made the sound of, so that trims of it generate nothing."""
        # A longer sound of an earlier plan, which the cache had lost, stays that plan's.
        if job.raw_key in self.own_keys and job.sound is None:
            remember(job, self.plan_digest, self.session.store)

    def write(self, job: Job, made: Callable[[], SoundSource], *, cached: bool, force: bool) -> WrittenStem:
        """Finish a sound and write it as Broadcast Wave."""
        stem = write_stem(job, made, self.target, cached=cached, force=force)
        return replace(stem, origin=kept_origin(self.session.store, job.raw_key))

    def place(self, rendered: Rendered) -> Placed:
        """Write the project with the stems, other formats beside it, and the preview."""
        if not rendered.files:
            return Placed(output=None, rendered=rendered)
        takes = self._takes(rendered)
        beside = self._write_back(takes)
        preview = self._preview([stems[0] for stems in takes]) if self.recipe.write.preview else None
        return Placed(output=self.output, rendered=rendered, preview=preview, beside=tuple(beside))

    def _takes(self, rendered: Rendered) -> list[list[WrittenStem]]:
        """Return the takes of each clip in timeline order, the one that was chosen before first."""
        previous = self.opened.previous
        chosen = previous.chosen_takes
        takes: dict[str, list[WrittenStem]] = {}
        for job in self.plan.jobs:
            stem = rendered.files.get(job.id)
            if isinstance(stem, WrittenStem):
                takes.setdefault(job.clip.id, []).append(stem)
        previous.tell_takes([stem.job for stem in stems] for stems in takes.values())
        return [
            sorted(stems, key=lambda stem: not previous.is_chosen(stem.job, self._details(stem), chosen))
            for stems in takes.values()
        ]

    def _write_back(self, takes: Sequence[Sequence[WrittenStem]]) -> list[Path]:
        """Write the project and the formats beside it; return the latter."""
        names = name_files((stem.path for stems in takes for stem in stems), self.file, self.output)
        placements = [
            StemPlacement(
                clip=stems[0].job.clip,
                takes=tuple(self._stem_file(stem, names[stem.path]) for stem in stems),
                whole=stems[0].job.source.clip,
                hit=None if stems[0].job.item is None else stems[0].job.item.hit,
            )
            for stems in takes
        ]
        base = moved_to(self.file, self.output)
        if self.recipe.write.program == "resolve":
            address_resolve(base)
        placed = place_stems(
            base,
            placements,
            track_of=self.recipe.stems.track_of,
            details={**self.track_details(), **drop_frame_metadata(self.file.timeline, self.file.drop_frame)},
            edits=self.opened.previous.stem_edits,
        )
        self._count_as_asked(placed)
        self.opened.previous.tell_stems(frozenset((one.clip.id, one.clip.role) for one in placements))
        self.write_project(placed, names)
        beside = [self._write_beside(format_, placed) for format_ in self.formats]
        return [*beside, *self._write_own_format(placed)]

    def _count_as_asked(self, placed: otio.schema.Timeline) -> None:
        """Let ranges and paths be those that the recipe's program reads, in place."""
        if self.recipe.write.zero_based:
            count_from_zero(placed)
        if self.recipe.write.program == "resolve":
            inside = self.file.bundle is not None
            folder = self.folder if self.output.suffix.lower() in BUNDLES else self.output.parent
            spans = MediaSpans(folder, self.roots, self.session.store)
            write_for_resolve(placed, None if inside else folder, spans.of)

    def _details(self, stem: WrittenStem) -> dict[str, object]:
        job, details = stem.job, self.job_details(stem.job, key="stem_key")
        details |= {"time_reference": stem.time_reference, "channels": stem.channels}
        if stem.origin.uses:
            details["sounds"] = uses_json(stem.origin)
        return details if job.item is None else details | take_details(job, job.item)

    def _stem_file(self, stem: WrittenStem, url: str) -> StemFile:
        return StemFile(
            url=url,
            take=stem.job.take,
            sample_rate=stem.sample_rate,
            samples=stem.samples,
            details=self._details(stem),
            head_s=Fraction(stem.head_samples, stem.sample_rate),
            tail_s=Fraction(stem.tail_samples, stem.sample_rate),
            hits=stem.hits,
            name="" if stem.job.sound is None else stem.job.sound.name,
        )

    def _write_own_format(self, placed: otio.schema.Timeline) -> list[Path]:
        """Write the stems alone in the format of a project of another program, to be imported there."""
        suffix = self.request.input.suffix.lower().replace(".fcpxmld", ".fcpxml")
        own = next((one for one in self.session.registry.formats.values() if one.suffix == suffix), None)
        if own is None or own in self.formats:
            return []
        try:
            beside = self._write_beside(own, placed)
            self.session.tell(Message(text=f"the stems alone, in the project's own format: {beside}"))
            return [beside]
        except AvlinkError as error:
            # The user did not ask for this file, so its failure is not the run's.
            text = f"no {own.suffix} of the stems was written: {error}"
            self.session.tell(Message(text=text, level="warning"))
            return []

    def _write_beside(self, format_: TimelineFormat, placed: otio.schema.Timeline) -> Path:
        """Write the stems in another format, never over an input. Raises InputError, PluginError."""
        beside = _of_format(self.output, format_)
        keep = beside in self.opened.previous.merged_sheets
        write = partial(self.opened.outputs.write, source=self.request.input, keep=keep)
        _, warnings = write_format(format_, flatten_timeline(placed), beside, write=write)
        for warning in warnings:
            self.session.tell(Message(text=warning, level="warning"))
        return beside

    def _preview(self, stems: Sequence[WrittenStem]) -> Path:
        write_preview(
            self.file,
            stems,
            self._preview_path,
            self.session,
            folder=self.folder,
            roots=self.roots,
            height=self.recipe.write.preview_height,
            production=self.recipe.write.preview_production,
            edits=self.opened.previous.stem_edits,
            locate=self.hooks.locate,
            write=partial(self.opened.outputs.write, source=self.request.input),
        )
        return self._preview_path


def _of_format(output: Path, format_: TimelineFormat) -> Path:
    return _beside(output, f".foley{format_.suffix}")


def _beside(output: Path, ending: str) -> Path:
    """Return a file or folder beside the project: cut.stems for cut.foley.otio."""
    return output.with_name(f"{output.stem.removesuffix('.foley')}{ending}")


def _target(request: SonifyRequest, backend: ReadyBackend, opened: OpenTimeline, session: Session) -> StemTarget:
    """Return how and where stems are written. Raises RecipeError for what cannot be written."""
    stems, file, output = request.recipe.stems, opened.file, opened.output
    if stems.bit_depth != 24:
        raise RecipeError(f"stems.bit_depth = {stems.bit_depth}: Broadcast Wave stems are written with 24 bits; use 24")
    return StemTarget(
        folder=request.stems or _beside(output, ".stems"),
        outputs=opened.outputs,
        chain=resolve_chain(request.recipe, session.registry),
        sample_rate=stems.sample_rate,
        track_name=stems.track_name,
        ambience_track_name=stems.ambience_track_name,
        origin_s=opened.timebase.origin_s,
        timecode_rate=opened.timebase.rate,
        drop_frame=opened.timebase.drop_frame,
        handle_s=stems.handle if stems.write_handles or request.recipe.write.items == "hits" else Fraction(0),
        project=file.timeline.name or "",
        spotting=stems.spotting,
        duck=ducking_for(stems, file, opened.folder, opened.roots, session),
        licence=backend.licence,
    )


def _grid(recipe: SonifyRecipe, backend: ReadyBackend, target: StemTarget, opened: OpenTimeline) -> ItemGrid | None:
    """Return where the items of hits lie; None where each clip has one stem."""
    if recipe.write.items == "clip":
        return None
    return ItemGrid(
        rate=opened.timebase.rate,
        sample_rate=target.sample_rate,
        handle_s=target.handle_s,
        sounds_of=backend.items if backend.chooses_items else None,
    )


def _plan(
    request: SonifyRequest,
    backend: ReadyBackend,
    opened: OpenTimeline,
    target: StemTarget,
    session: Session,
    hooks: EditHooks,
) -> Plan:
    file, recipe = opened.file, request.recipe
    items = list_clips(file.timeline, file.image_rate)
    items = with_transparency(items, folder=opened.folder, roots=opened.roots, locate=hooks.locate)
    clips = select_clips(items, wanted=recipe.select)
    if not clips:
        raise TimelineError(f"{request.input} has no clips on video tracks; there is nothing to give a sound to")
    sources, skips = resolve_sources(
        clips,
        folder=opened.folder,
        roots=opened.roots,
        store=session.store,
        skip_missing=request.skip_missing,
        handle_s=recipe.stems.handle,
        locate=hooks.locate,
        rate=target.timecode_rate,
    )
    sources, failed = hooks.adjust(sources)
    return build_plan(
        sources,
        recipe,
        backend=[backend.name, backend.fingerprint()],
        material_of=backend.material,
        items=_grid(recipe, backend, target, opened),
        finish=target.finish_key(),
        finish_of=None if target.duck is None else target.duck.key,
        skipped=(*skips, *failed),
    )
