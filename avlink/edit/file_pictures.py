"""Pictures for a media file: a movie of its generated pictures with its sound in it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from avlink.core.errors import InputError, OutputError
from avlink.core.file_digest import file_state
from avlink.core.values import FrameSource
from avlink.edit.direction import Placed
from avlink.edit.media_file import MOVIES, FileEdit, only_source, raise_input_errors
from avlink.edit.pictures import provenance
from avlink.edit.plugin_hooks import EditHooks
from avlink.edit.report import Rendered, WrittenPicture
from avlink.edit.request import VisualizeRequest
from avlink.edit.result_names import result_base
from avlink.hooks import ReadyBackend
from avlink.media.audio import open_audio
from avlink.media.movie import even_size, write_video
from avlink.media.probe import probe
from avlink.session import Session
from avlink.timeline.media_refs import FILM_SUFFIXES, SOUND_SUFFIXES
from avlink.timeline.picture_plan import build_picture_plan
from avlink.timeline.values import Job
from avlink.timeline.write import refuse_overwrite

_SOUND_RATE = 48000
_ENCODED = tuple(suffix for suffix in MOVIES if suffix != ".webm")
"""Pictures are encoded as H.264, which WebM does not hold."""


class FilePictures(FileEdit[FrameSource]):
    """A sound that is given its pictures, as `<name>.picture.mp4` or the output that is asked for.

    Raises MediaError for a file without usable sound, OutputError for a place that cannot be written.
    """

    def __init__(self, request: VisualizeRequest, backend: ReadyBackend, session: Session, hooks: EditHooks) -> None:
        path = request.input
        self.writer = session.outputs(overwrite=request.overwrite)
        self.output = request.output or _named(
            request.base or result_base(path, (*SOUND_SUFFIXES, *FILM_SUFFIXES), _named, self.writer)
        )
        self.outputs = (self.output,)
        if self.output.suffix.lower() not in _ENCODED:
            raise OutputError(f"{self.output} cannot be the output: pictures are written as {', '.join(_ENCODED)}")
        refuse_overwrite(self.output, inputs=(path,))
        probe(path)
        state = file_state(path, session.store)
        self.sound = open_audio(path, sample_rate=_SOUND_RATE, mono=False)
        if self.sound.num_samples == 0:
            raise InputError(f"{path} has no sound in it; give a file with sound")
        state.check()
        self.backend, self.scale = backend, request.recipe.picture.upscale
        duration_s = Fraction(self.sound.num_samples, _SOUND_RATE)
        source = only_source(state, track="A1", duration_s=duration_s)
        self.plan = build_picture_plan(
            (hooks.adjusted(source),),
            request.recipe,
            rate=None,
            backend=[backend.name, backend.fingerprint()],
            finish="movie",
        )

    def check(self) -> None:
        """Refuse to write over a file that AVLink did not write."""
        self.writer.check(self.output)

    def write(self, job: Job, made: Callable[[], FrameSource], *, cached: bool, force: bool) -> WrittenPicture:
        """Encode pictures and sound as a movie."""
        frames = made()
        with self.writer.write(self.output, source=job.source.path) as temporary:
            write_video(
                temporary, frames, sound=self.sound, scale=self.scale, tags=provenance(job, self.backend.licence)
            )
        width, height = even_size(frames.width * self.scale, frames.height * self.scale)
        return WrittenPicture(
            job=job,
            path=self.output,
            width=width,
            height=height,
            frames=frames.num_frames,
            rate=frames.rate,
            cached=cached,
        )

    def place(self, rendered: Rendered) -> Placed:
        """Return the movie, which is the output."""
        raise_input_errors(rendered)
        return Placed(output=self.output if rendered.files else None, rendered=rendered)


def _named(base: Path) -> Path:
    return base.with_name(f"{base.name}.picture.mp4")
