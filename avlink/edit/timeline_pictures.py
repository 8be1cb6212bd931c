"""Pictures for a timeline: its clips with sound are given movies, on video tracks of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from avlink.core import clock
from avlink.core.errors import TimelineError
from avlink.core.events import Message
from avlink.core.values import FrameSource
from avlink.edit.direction import Placed
from avlink.edit.pictures import PictureTarget, write_picture
from avlink.edit.plugin_hooks import EditHooks
from avlink.edit.project import moved_to, name_files
from avlink.edit.report import Rendered, WrittenPicture
from avlink.edit.request import VisualizeRequest
from avlink.edit.sources import resolve_sounds
from avlink.edit.timeline_edit import OpenTimeline, TimelineEdit, open_timeline
from avlink.hooks import ReadyBackend
from avlink.session import Session
from avlink.timeline.picture_plan import build_picture_plan
from avlink.timeline.place_pictures import PicturePlacement, place_pictures
from avlink.timeline.read import TimelineFile
from avlink.timeline.select import select_sounds
from avlink.timeline.timebase import stated_rate
from avlink.timeline.timecode import frames_of_timecode
from avlink.timeline.values import Job, Plan
from avlink.timeline.walk import list_sounds

_COMMON_RATE = 24.0


class TimelinePictures(TimelineEdit[FrameSource]):
    """A timeline whose sounds are given pictures."""

    makes = "a picture"

    def __init__(self, request: VisualizeRequest, backend: ReadyBackend, session: Session, hooks: EditHooks) -> None:
        self.recipe = request.recipe
        opened = open_timeline(request, session, word="visual", sound=True)
        self.rate = _rate(opened.file, session)
        self.target = PictureTarget(
            folder=opened.output.with_name(f"{opened.output.stem.removesuffix('.visual')}.pictures"),
            outputs=opened.outputs,
            rate=clock.exact_rate(self.rate),
            scale=request.recipe.picture.upscale,
            origin_s=opened.timebase.origin_s,
            drop_frame=opened.timebase.drop_frame,
            licence=backend.licence,
        )
        plan = _plan(request, backend, opened, self.target, session, hooks)
        super().__init__(request, backend, session, opened, plan)

    @property
    def files_folder(self) -> Path:
        """The folder of the movies."""
        return self.target.folder

    def write(self, job: Job, made: Callable[[], FrameSource], *, cached: bool, force: bool) -> WrittenPicture:
        """Write pictures as a movie of exactly the frames that their sound covers."""
        return write_picture(job, made, self.target, cached=cached, force=force)

    def place(self, rendered: Rendered) -> Placed:
        """Write the project with the movies on tracks of ours."""
        written = [file for job in self.plan.jobs if isinstance(file := rendered.files.get(job.id), WrittenPicture)]
        if not written:
            return Placed(output=None, rendered=rendered)
        names = name_files((picture.path for picture in written), self.file, self.output)
        placements = [
            PicturePlacement(
                clip=picture.job.source.clip,
                url=names[picture.path],
                frames=range(picture.first_frame, picture.first_frame + picture.frames),
                timecode_frame=0 if picture.timecode is None else frames_of_timecode(picture.timecode, picture.rate),
                details=self.job_details(picture.job, key="picture_key"),
            )
            for picture in written
        ]
        placed = place_pictures(
            moved_to(self.file, self.output),
            placements,
            rate=self.rate,
            track_name=self.recipe.picture.track_name,
            details=self.track_details(),
        )
        self.write_project(placed, names)
        return Placed(output=self.output, rendered=rendered)


def _rate(file: TimelineFile, session: Session) -> float:
    """Return the timeline's frame rate as it is written there, or a common one with a message."""
    rate = stated_rate(file.timeline)
    if rate is None:
        said = f"{file.path.name} does not say its frame rate; pictures are made for {_COMMON_RATE:g} frames per second"
        session.tell(Message(text=said))
    return rate or _COMMON_RATE


def _plan(
    request: VisualizeRequest,
    backend: ReadyBackend,
    opened: OpenTimeline,
    target: PictureTarget,
    session: Session,
    hooks: EditHooks,
) -> Plan:
    clips = select_sounds(list_sounds(opened.file.timeline), wanted=request.recipe.select)
    if not clips:
        how = "pictures are made for those; lay the sound of its films on one"
        raise TimelineError(f"{request.input} has no clips on sound tracks, and {how}")
    sources, skips = resolve_sounds(
        clips,
        folder=opened.folder,
        roots=opened.roots,
        store=session.store,
        rate=target.rate,
        skip_missing=request.skip_missing,
        locate=hooks.locate,
    )
    sources, failed = hooks.adjust(sources)
    return build_picture_plan(
        sources,
        request.recipe,
        rate=target.rate,
        backend=[backend.name, backend.fingerprint()],
        finish=target.finish_key(),
        skipped=(*skips, *failed),
    )
