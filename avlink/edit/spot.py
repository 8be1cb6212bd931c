"""Spot: find the sounding events in the clips of a timeline or a media file, and mark them for people to correct.

The steps are those of a run that makes sound: read, select, resolve, plan, look into the cache, work, write, report.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial

from avlink import __version__
from avlink.core.errors import AvlinkError, OutputError
from avlink.core.events import JobDone, JobFailed, JobStarted, Listener, Message, PlanReady, ignore
from avlink.core.file_digest import check_unchanged
from avlink.core.hits import Hit
from avlink.core.paths import make_folder
from avlink.core.text import first_names
from avlink.core.values import HitSpotter
from avlink.edit.guide import Guide, open_guide
from avlink.edit.hit_preview import check_hit_preview, preview_hits
from avlink.edit.plugin_hooks import locate
from avlink.edit.project import moved_to, refuse_missing, refuse_nothing, tell_plan, write_back
from avlink.edit.sources import Locate
from avlink.edit.spot_clips import plan_clips
from avlink.edit.spot_input import SpotInput, SpotRequest, open_input
from avlink.edit.spot_plan import SpotJob, SpotPlan, keep_hits, kept_hits
from avlink.edit.spot_report import SpotItem, SpotReport
from avlink.hooks import ReadySpotter, resolve_run_hooks, resolve_spotter
from avlink.media.frames import open_frames
from avlink.session import Session, open_session, pick_device
from avlink.timeline.place_hits import PlacedHits, SpottedClip, place_hits

__all__ = ["SpotReport", "SpotRequest", "spot"]


def spot(request: SpotRequest, session: Session | None = None, *, listener: Listener = ignore) -> SpotReport:
    """Mark the sounding events that are seen in the clips of a timeline, or in a media file.

    Raises InputError for input, recipe and output places that are wrong, before anything is looked at. Failures of
    single clips are in the report.
    """
    session = open_session(device=request.device, listener=listener) if session is None else session
    spotter = resolve_spotter(request.recipe, session.registry)
    opened = open_input(request, session)
    plan = plan_clips(
        opened,
        request.recipe.select,
        spotter=[spotter.name, spotter.fingerprint()],
        session=session,
        find=_finder(request, session),
        skip_missing=request.skip_missing,
    )
    tell_plan(opened.file, plan, session, stop_if_missing=not request.skip_missing)
    if not request.skip_missing:
        refuse_missing(opened.file, plan)
    refuse_nothing(request.input, plan, what="hits")
    opened.check(tuple(dict.fromkeys(job.source.path for job in plan.jobs)))
    if request.preview:
        check_hit_preview(opened, plan)
    guide = None if request.guide is None else open_guide(request.guide, opened, plan, session, force=request.force)
    known = {} if request.force else _known(plan, session)
    session.tell(
        PlanReady(jobs=len(plan.jobs), cached=sum(job.key in known for job in plan.jobs), skipped=len(plan.skips))
    )
    run = _Spotting(spotter=spotter, session=session, min_confidence=request.recipe.min_confidence, known=known)
    run.guide = guide
    for job in plan.jobs:
        run.look(job)
    if guide is not None:
        guide.tell()
    placed = None
    if run.found:
        placed = _write(request, spotter, opened, plan, run, session)
    items = _items(plan, run, placed)
    preview = None
    if placed is not None and request.preview:
        preview = preview_hits(opened, plan, items, session, find=_finder(request, session))
    return SpotReport(
        input=request.input,
        output=None if placed is None else opened.output,
        spotter=spotter.name,
        items=items,
        timebase=opened.timebase,
        preview=preview,
    )


def _finder(request: SpotRequest, session: Session) -> Locate:
    hooks = resolve_run_hooks(request.recipe, session.registry, listener=session.tell)
    return partial(locate, hooks=hooks, project=request.input, direction="v2a")


def _known(plan: SpotPlan, session: Session) -> dict[str, tuple[Hit, ...]]:
    """Return the hits that are in the cache, by key."""
    kept = {job.key: kept_hits(session.store, job.key) for job in plan.jobs}
    return {key: hits for key, hits in kept.items() if hits is not None}


@dataclass(slots=True, kw_only=True)
class _Spotting:
    """The state of a run: the spotter, once it is needed, and what was found so far."""

    spotter: ReadySpotter
    session: Session
    min_confidence: float
    known: dict[str, tuple[Hit, ...]]
    """Hits by the key of what they were seen in: a clip that is used twice is looked at once."""
    found: dict[str, tuple[Hit, ...]] = field(default_factory=dict)
    cached: set[str] = field(default_factory=set)
    failures: dict[str, AvlinkError] = field(default_factory=dict)
    guide: Guide | None = None
    _loaded: HitSpotter | None = None

    def look(self, job: SpotJob) -> None:
        """Find the hits of a clip, in the cache or in its picture. A clip that fails is noted."""
        session, hits = self.session, self.known.get(job.key)
        if hits is None:
            session.tell(JobStarted(job_id=job.id, name=job.name))
            loaded = self._spotter()
            try:
                hits = self._seen(job, loaded)
            except OutputError:
                # Decoding spools to disk: a full disk is no fault of the clip.
                raise
            except AvlinkError as error:
                self._failed(job, error)
                return
            keep_hits(session.store, job.key, hits)
            self.known[job.key] = hits
        else:
            self.cached.add(job.id)
        if self.guide is not None:
            try:
                hits = self.guide.applied(job.source, hits)
            except OutputError:
                raise
            except AvlinkError as error:
                self._failed(job, error)
                return
        self.found[job.id] = tuple(hit for hit in hits if hit.confidence >= self.min_confidence)
        session.tell(JobDone(job_id=job.id, name=job.name, note="cached" if job.id in self.cached else ""))

    def _failed(self, job: SpotJob, error: AvlinkError) -> None:
        self.failures[job.id] = error
        self.session.tell(JobFailed(job_id=job.id, name=job.name, reason=str(error)))

    def _spotter(self) -> HitSpotter:
        if self._loaded is None:
            if self.spotter.spotter.licence:
                text = f"spotter '{self.spotter.name}': {self.spotter.spotter.licence}"
                self.session.tell(Message(text=text, level="warning"))
            # To look for a device torch is imported, which takes seconds.
            device = pick_device(self.session.device) if self.spotter.spotter.on_device else "cpu"
            self._loaded = self.spotter.load(device)
        return self._loaded

    def _seen(self, job: SpotJob, spotter: HitSpotter) -> tuple[Hit, ...]:
        """Return the hits in a clip's picture, from the start of what is seen of it."""
        source = job.source
        try:
            frames = open_frames(
                source.picture,
                start_s=source.made_start_s,
                duration_s=source.made_s,
                spec=spotter.picture,
                speed=source.speed,
            )
        except AvlinkError:
            # A file that is being replaced may also look broken.
            check_unchanged(source.states)
            raise
        check_unchanged(source.states)
        hits = [replace(hit, time_s=hit.time_s - source.before_s) for hit in spotter.spot(frames)]
        return tuple(hit for hit in hits if 0 <= hit.time_s < source.seen_s)


def _write(
    request: SpotRequest,
    spotter: ReadySpotter,
    opened: SpotInput,
    plan: SpotPlan,
    run: _Spotting,
    session: Session,
) -> PlacedHits:
    """Write the timeline with its hits, and tell what became of the edits of people."""
    timeline = moved_to(opened.file, opened.output)
    spotted = [SpottedClip(clip=job.source.clip, hits=run.found[job.id]) for job in plan.jobs if job.id in run.found]
    placed = place_hits(timeline, spotted, previous=opened.previous, spotter=spotter.name, version=__version__)
    make_folder(opened.output.parent)
    write = partial(opened.outputs.write, source=request.input, keep=opened.previous is not None)
    for note in write_back(timeline, opened.file, opened.output, {}, roots=request.media_root, write=write):
        session.tell(Message(text=note, level="warning"))
    changed, gone = (first_names(dict.fromkeys(names)) for names in (placed.kept, placed.lost))
    if changed:
        session.tell(Message(text=f"hits of {changed} that people changed are as they were left"))
    if opened.kept is not None and opened.kept.exists():
        session.tell(Message(text=f"{opened.output} as it was before is kept as {opened.kept.name}"))
    if gone:
        where = f"; the version with them is {opened.kept.name}" if opened.kept is not None else ""
        text = f"not kept: hits that people changed on {gone}, which are not there any more{where}"
        session.tell(Message(text=text, level="warning"))
    return placed


def _items(plan: SpotPlan, run: _Spotting, placed: PlacedHits | None) -> tuple[SpotItem, ...]:
    items = []
    for job in plan.jobs:
        failure = run.failures.get(job.id)
        items.append(
            SpotItem(
                clip=job.source.clip,
                source=job.source,
                status="failed" if failure is not None else "cached" if job.id in run.cached else "spotted",
                reason=None if failure is None else str(failure),
                hits=() if placed is None else placed.hits.get(job.id, ()),
            )
        )
    items += [
        SpotItem(clip=skip, status="failed" if skip.failed else "skipped", reason=skip.reason) for skip in plan.skips
    ]
    return tuple(sorted(items, key=_order))


def _order(item: SpotItem) -> tuple[bool, Fraction, int]:
    start_s = item.clip.timeline_start_s
    return (start_s is None, start_s or Fraction(0), item.clip.layer)
