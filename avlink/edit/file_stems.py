"""Stems for a media file: its sound as a WAV, and the same video with that sound in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from avlink.core.errors import InputError, OutputError
from avlink.core.file_digest import file_state
from avlink.core.outputs import Outputs
from avlink.core.store import mark_used
from avlink.core.values import SoundSource
from avlink.edit.direction import Placed
from avlink.edit.media_file import MOVIES, FileEdit, only_source, raise_input_errors
from avlink.edit.origins import kept_origin
from avlink.edit.plugin_hooks import EditHooks
from avlink.edit.report import Rendered, WrittenFile, WrittenStem
from avlink.edit.request import SonifyRequest
from avlink.edit.result_names import result_base
from avlink.edit.sources import timecode_s
from avlink.edit.stem_target import StemTarget
from avlink.edit.stems import write_stem
from avlink.hooks import ReadyBackend, resolve_chain
from avlink.media.mux import check_fits, mux_sound
from avlink.media.probe import probe, require_video
from avlink.media.wave import WaveFile
from avlink.session import Session
from avlink.timeline.media_refs import FILM_SUFFIXES
from avlink.timeline.plan import build_plan
from avlink.timeline.timebase import Timebase
from avlink.timeline.timecode import can_drop
from avlink.timeline.values import Job
from avlink.timeline.write import refuse_overwrite, refuse_twice


class FileStems(FileEdit[SoundSource]):
    """A video that is given its sound.

    Writes `<name>.foley.wav` and `<name>.foley.<suffix>`, or just the output that is asked for: sound or video, by
    its suffix. Raises MediaError for a file that cannot be used, OutputError for a place that cannot be written.
    """

    def __init__(self, request: SonifyRequest, backend: ReadyBackend, session: Session, hooks: EditHooks) -> None:
        recipe, path = request.recipe, request.input
        if request.stems is not None:
            raise InputError(f"{path} is a media file, of which --output names the sound; --stems is for timelines")
        if recipe.write.items == "hits":
            raise InputError(
                f"{path} is a media file, and items (write.items) lie on a timeline; `avlink spot` makes one of it"
            )
        info = probe(path)
        video = require_video(info)
        self.state = file_state(path, session.store)
        self.backend, self.session, self.path = backend, session, path
        self.writer = session.outputs(overwrite=request.overwrite)
        self.wav, self.movie = _outputs(request, self.writer)
        self.outputs = tuple(output for output in (self.wav, self.movie) if output is not None)
        self.credits = request.credits
        for output in self._written:
            refuse_overwrite(output, inputs=(path,))
        refuse_twice(self._written)
        self.timebase = Timebase(
            rate=video.rate,
            origin_s=timecode_s(video) or Fraction(0),
            drop_frame=";" in (video.timecode or "") and can_drop(video.rate),
        )
        self.target = StemTarget(
            folder=path.parent,
            outputs=self.writer,
            source=path,
            chain=resolve_chain(recipe, session.registry),
            sample_rate=recipe.stems.sample_rate,
            track_name=recipe.stems.track_name,
            origin_s=self.timebase.origin_s,
            timecode_rate=video.rate,
            drop_frame=self.timebase.drop_frame,
            project=path.stem,
            spotting=recipe.stems.spotting,
            licence=backend.licence,
            untouchable=frozenset({path.resolve()}),
            path_of=self._stem_path,
        )
        if self.movie is not None:
            self.copied_bytes = path.stat().st_size
        source = only_source(self.state, track="V1", duration_s=info.duration_s, recorded=info.recorded)
        self.plan = build_plan(
            (hooks.adjusted(source),),
            recipe,
            backend=[backend.name, backend.fingerprint()],
            material_of=backend.material,
            finish=self.target.finish_key(),
        )

    def check(self) -> None:
        """Refuse files that AVLink did not write, and a movie that cannot hold the picture."""
        for job in self.plan.jobs:
            for output in self.outputs:
                self.writer.check(_of_take(output, job))
        if self.credits is not None:
            self.writer.check(self.credits)
        if self.movie is not None:
            check_fits(self.path, self.movie, channels=1, sample_rate=self.target.sample_rate)

    def prepare(self) -> None:
        """Sweep the folders that are written; a stem of a movie alone is kept in the cache."""
        super().prepare()
        if self.wav is None:
            for job in self.plan.jobs:
                mark_used(self._stem_path(job))

    def write(self, job: Job, made: Callable[[], SoundSource], *, cached: bool, force: bool) -> WrittenStem:
        """Finish a sound and write it as Broadcast Wave."""
        stem = write_stem(job, made, self.target, cached=cached, force=force)
        return replace(stem, origin=kept_origin(self.session.store, job.raw_key))

    def place(self, rendered: Rendered) -> Placed:
        """Mux each take into a copy of the video."""
        raise_input_errors(rendered)
        files: dict[str, WrittenFile] = {}
        for job in self.plan.jobs:
            stem = rendered.files.get(job.id)
            if stem is None:
                continue
            files[job.id] = stem
            if self.movie is not None:
                movie = _of_take(self.movie, job)
                with self.writer.write(movie, source=self.path) as temporary:
                    mux_sound(self.path, WaveFile(stem.path), temporary)
                    # The picture of another file does not go with this sound.
                    self.state.check()
                if self.wav is None:
                    files[job.id] = replace(stem, path=movie)
        output = self.movie or self.wav
        written = [file.job for file in files.values()]
        return Placed(
            output=_of_take(output, written[0]) if output and written else None,
            rendered=replace(rendered, files=files),
        )

    @property
    def _written(self) -> tuple[Path, ...]:
        return self.outputs if self.credits is None else (*self.outputs, self.credits)

    def _stem_path(self, job: Job) -> Path:
        return _of_take(self.wav or self.session.cache / "finished" / f"{job.stem_key}.wav", job)


def _outputs(request: SonifyRequest, outputs: Outputs) -> tuple[Path | None, Path | None]:
    """Return the sound file and the movie to write; one of them is None when the user names the other."""
    path, output = request.input, request.output
    if output is None:
        suffix = path.suffix.lower() if path.suffix.lower() in MOVIES else ".mkv"
        base = request.base or result_base(
            path, FILM_SUFFIXES, lambda base: base.with_name(f"{base.name}.foley.wav"), outputs
        )
        return base.with_name(f"{base.name}.foley.wav"), base.with_name(f"{base.name}.foley{suffix}")
    suffix = output.suffix.lower()
    if suffix == ".wav":
        return output, None
    if suffix in MOVIES:
        return None, output
    known = ", ".join((".wav", *MOVIES))
    raise OutputError(f"{output} cannot be the output for a media file: it is written as one of {known}")


def _of_take(path: Path, job: Job) -> Path:
    return path if job.take == 1 else path.with_name(f"{path.stem}_t{job.take}{path.suffix}")
