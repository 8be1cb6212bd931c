"""Finishing videos in one run, one after another. A failed one is reported, and the others go on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import avlink
from avlink import (
    AvlinkError,
    Event,
    InputError,
    JobDone,
    JobFailed,
    JobStarted,
    Listener,
    MediaError,
    Message,
    OutputError,
    PlanReady,
    PluginError,
    StepDone,
    digest,
    file_state,
)
from avlink.hooks import describe_call, resolve_backend, resolve_chain
from avlink_genvideo.animated_images import is_animated
from avlink_genvideo.metadata import MetadataText, read_metadata
from avlink_genvideo.prompt import FoundPrompt, extract_prompt
from avlink_genvideo.provenance import TAG, read_file_provenance, read_provenance
from avlink_genvideo.report import FinishedVideo, FinishReport
from avlink_genvideo.request import FinishRequest, output_paths
from avlink_genvideo.write import FinishJob, encode_animation, plan_finished, write_finished

if TYPE_CHECKING:
    from avlink import MediaInfo, Session, SoundSource

_KEY_FORMAT = 1
# Some generators write an audio track with nothing in it.
_SILENT_DBTP = -80.0


def finish_videos(request: FinishRequest, session: Session) -> FinishReport:
    """Finish every input of a request.

    Raises InputError for options that exclude each other, and where the only input is at fault; the failure of one of
    several inputs is in the report.
    """
    outputs = output_paths(request)
    earlier = {} if request.in_place else _earlier_outputs(request.inputs, outputs)
    session.tell(PlanReady(jobs=len(outputs)))
    items = []
    for number, (path, output) in enumerate(zip(request.inputs, outputs, strict=True)):
        id = str(number)
        session.tell(JobStarted(job_id=id, name=path.name))
        try:
            if path in earlier:
                # `avlink finish *.mp4` the second time: the pattern matches the results of the first.
                reason = f"it is what {earlier[path].name} became"
                item = FinishedVideo(source=path, output=None, status="skipped", reason=reason)
            else:
                with _naming(path):
                    item = finish_video(path, output, request, replace(session, listener=_forward(session, id)))
        except AvlinkError as error:
            if len(outputs) == 1 and isinstance(error, InputError):
                # With a single input, its error is the error of the command.
                raise
            session.tell(JobFailed(job_id=id, name=path.name, reason=str(error)))
            items.append(FinishedVideo(source=path, output=None, status="failed", reason=str(error)))
            continue
        for note in item.notes:
            session.tell(Message(text=f"{path.name}: {note}"))
        status = "to generate" if request.dry_run and item.status == "generated" else item.status
        session.tell(JobDone(job_id=id, name=path.name, note=item.reason or status))
        items.append(item)
    return FinishReport(items=tuple(items))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn an unexpected error into one that names the video, so that the others are finished."""
    try:
        yield
    except (AvlinkError, OSError, MemoryError):
        raise
    except Exception as error:
        raise PluginError(f"{path} cannot be finished: {describe_call(error)}") from error


def finish_video(path: Path, output: Path, request: FinishRequest, session: Session) -> FinishedVideo:
    """Give one video its sound and write it to `output`, or return why it was skipped.

    Raises InputError for a file or an output that cannot be used, PluginError where the model fails.
    """
    animated = is_animated(path)
    tags = {} if animated else avlink.read_tags(path)
    # Before anything is decoded: the second run over a folder takes no time.
    done = read_provenance(tags)
    if done is not None and not request.force:
        return _skipped(path, f"already finished: {done.describe()}")
    if done is not None and done.details.get("sound") == "mixed":
        raise InputError(
            f"the sound of {path} is a mix already, which cannot be taken apart; finish the original again"
        )
    info = None if animated else _probe_video(path)
    job = FinishJob(path, output, request, session, file_state(path, session.store))
    texts = read_metadata(path, {name: text for name, text in tags.items() if name.lower() != TAG})
    job.prompt = _choose_prompt(request, texts, path.name)
    job.notes += job.prompt.notes
    if request.use_prompt and request.prompt is None and not job.prompt.text:
        job.notes.append("no prompt was found in it; the sound follows the picture alone")
    key = _result_key(job)
    there = read_file_provenance(output) if not request.in_place and output.exists() else None
    if there is not None and there.key == key and not request.force:
        return replace(
            _skipped(path, f"{output.name} is finished already; --force makes it anew"),
            output=output,
            notes=tuple(job.notes),
        )
    if not request.in_place:
        session.outputs(overwrite=request.overwrite).check(output)
    # The sound of a finished video was generated by us, and is replaced without asking.
    existing = None if info is None or done is not None else _existing_sound(job, info)
    avlink.check_place(job.output)
    # Muxing copies the tags of a video; those of an image have to be carried over, but not the files beside it.
    job.tags = {text.name: text.text for text in texts if animated and not text.name.startswith(".")}
    with tempfile.TemporaryDirectory(prefix="avlink-finish-") as name:
        folder = Path(name)
        picture = encode_animation(job, folder) if animated else path
        channels = request.channels if existing is None else existing.channels
        avlink.check_fits(picture, output, channels=channels, sample_rate=request.recipe.stems.sample_rate)
        if request.dry_run:
            return plan_finished(job, picture, folder)
        return write_finished(job, picture, existing, key, folder)


def _earlier_outputs(inputs: Sequence[Path], outputs: Sequence[Path]) -> Mapping[Path, Path]:
    """Return inputs that are the outputs of other inputs, with these. Raises OutputError for a foreign file."""
    by_path = {path.resolve(): path for path in inputs}
    found = {}
    for path, output in zip(inputs, outputs, strict=True):
        result = by_path.get(output.resolve())
        if result is None or not output.exists():
            continue
        if read_file_provenance(result) is None:
            raise OutputError(f"{result} is an input and is never overwritten; give another name, or --in-place")
        found[result] = path
    return found


def _forward(session: Session, id: str) -> Listener:
    """Return a listener that passes steps of the pipeline on as steps of this video's job."""

    def listen(event: Event) -> None:
        if isinstance(event, StepDone):
            session.tell(replace(event, job_id=id))
        elif isinstance(event, Message):
            session.tell(event)

    return listen


def _skipped(path: Path, reason: str) -> FinishedVideo:
    return FinishedVideo(source=path, output=None, status="skipped", reason=reason)


def _probe_video(path: Path) -> MediaInfo:
    info = avlink.probe(path)
    if info.video is None:
        raise MediaError(f"'{path}' has no picture, only sound; name a video")
    return info


def _choose_prompt(request: FinishRequest, texts: Sequence[MetadataText], name: str) -> FoundPrompt:
    """Return the prompt of the sound: given, found, or empty."""
    if request.prompt is not None:
        found = FoundPrompt(text=request.prompt, location="--prompt")
    else:
        found = extract_prompt(texts, file_name=name) if request.use_prompt else FoundPrompt()
    return found if request.negative is None else replace(found, negative=request.negative)


def _result_key(job: FinishJob) -> str:
    """Return a digest of everything that the result depends on."""
    request, recipe = job.request, job.recipe
    backend = resolve_backend(recipe, job.session.registry)
    chain = resolve_chain(recipe, job.session.registry)
    return digest(
        # Neither name nor path: a renamed video is the same one.
        [
            _KEY_FORMAT,
            job.state.digest,
            [backend.name, backend.fingerprint(), [dict(step.key) for step in chain]],
            [recipe.stems.sample_rate, recipe.run.seed, job.prompt.text, job.prompt.negative],
            [request.lufs, request.peak_dbtp, request.channels, request.existing, request.lossless],
        ]
    )


def _existing_sound(job: FinishJob, info: MediaInfo) -> SoundSource | None:
    """Return the sound of the video that is to be mixed; None if there is none or it is replaced."""
    if info.audio is None:
        return None
    if job.request.existing == "replace":
        job.notes.append("the sound that it had was replaced")
        return None
    rate = job.request.recipe.stems.sample_rate
    sound = avlink.read_audio(job.path, sample_rate=rate, mono=False, duration_s=info.duration_s)
    if avlink.measure_loudness(sound).true_peak_dbtp < _SILENT_DBTP:
        job.notes.append("its sound track was silent, and was replaced")
        return None
    if job.request.existing == "refuse":
        raise InputError(
            f"{job.path} has a sound already; --replace makes another in its place, --mix puts the new one under it"
        )
    return sound
