"""Visualize: give every sound clip of a timeline, or one media file, its generated pictures (A2V)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import cast

from avlink.core import clock
from avlink.core.errors import MediaError, PluginError
from avlink.core.events import Listener, ignore
from avlink.core.store import Store
from avlink.core.values import FrameSource, PictureGenerator, PictureRequest
from avlink.edit.direction import Direction
from avlink.edit.disk_use import PICTURE_RATES
from avlink.edit.file_pictures import FilePictures
from avlink.edit.pipeline import run
from avlink.edit.report import VisualizeReport
from avlink.edit.request import VisualizeRequest
from avlink.edit.timeline_pictures import TimelinePictures
from avlink.media.audio import open_audio
from avlink.media.frame_file import FrameFile, write_frames
from avlink.session import Session, open_session
from avlink.timeline.values import Job

__all__ = ["VisualizeReport", "VisualizeRequest", "visualize"]


def visualize(
    request: VisualizeRequest, session: Session | None = None, *, listener: Listener = ignore
) -> VisualizeReport:
    """Give every sound clip of a timeline its generated pictures, or one media file.

    Raises InputError for input, recipe and output places that are wrong, before anything is generated. Failures of
    single clips are in the report.
    """
    session = open_session(device=request.device, listener=listener) if session is None else session
    return cast(VisualizeReport, run(_PICTURES, request, session))


def _ask(job: Job, generator: PictureGenerator) -> PictureRequest:
    source = job.source
    sound = open_audio(
        source.path,
        sample_rate=generator.sample_rate,
        start_s=source.start_s,
        duration_s=source.duration_s,
        speed=source.speed,
    )
    return PictureRequest(sound=sound, duration_s=source.seen_s, prompt=job.prompt, seed=job.seed)


def _check(answer: FrameSource, request: PictureRequest, generator: PictureGenerator) -> None:
    """Raise PluginError unless a generator answered with pictures of its size and rate, as many as it was asked for."""
    wanted = generator.picture
    expected = max(1, clock.to_index(request.duration_s, wanted.rate))
    if answer.rate != wanted.rate or answer.num_frames != expected:
        raise PluginError(
            f"it gave {answer.num_frames} frames at {answer.rate} a second instead of {expected} at {wanted.rate}"
        )
    if (answer.width, answer.height) != (wanted.width, wanted.height):
        raise PluginError(
            f"it gave pictures of {answer.width}x{answer.height} instead of {wanted.width}x{wanted.height}"
        )


def _keep(store: Store, key: str, frames: FrameSource) -> None:
    rate = [frames.rate.numerator, frames.rate.denominator]
    store.put_file(key, ".npy", lambda path: write_frames(path, frames), {"rate": rate})


def _kept(store: Store, job: Job) -> FrameSource | None:
    def opened(path: Path) -> FrameSource | None:
        try:
            numerator, denominator = cast("list[int]", (store.meta(job.raw_key) or {})["rate"])
            frames = FrameFile(path, rate=Fraction(numerator, denominator))
        except (MediaError, KeyError, TypeError, ValueError, ZeroDivisionError):
            return None
        expected = max(1, clock.to_index(job.source.seen_s, frames.rate))
        return frames if frames.num_frames == expected else None

    path = store.get(job.raw_key, valid=lambda path: opened(path) is not None)
    return None if path is None else opened(path)


_PICTURES: Direction[PictureRequest, FrameSource] = Direction(
    open_timeline=TimelinePictures,
    open_file=FilePictures,
    ask=_ask,
    check=_check,
    keep=_keep,
    kept=_kept,
    # Pictures take long: a run that ends loses only the one it was at.
    batch_s=lambda request: 0.0,
    report=VisualizeReport,
    disk=PICTURE_RATES,
)
