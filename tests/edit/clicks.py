"""Timelines of clicks, and a backend that sees them: what the tests of `avlink visualize` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import opentimelineio as otio
import soundfile

from avlink import hookimpl, testing
from avlink.core import clock
from avlink.core.recipe import VisualizeRecipe, check_values
from avlink.core.sound import read_whole
from avlink.core.values import Frames, OnStep, PictureRequest, PictureSpec
from avlink.edit.visualize import VisualizeReport, VisualizeRequest, visualize
from avlink.hooks import Backend, Options
from avlink.session import Session

CLICKS_S = (Fraction(1, 2), Fraction(7, 6), Fraction(2), Fraction(29, 12), Fraction(11, 3))
FPS = Fraction(6)
Time = otio.opentime.RationalTime


class Blink:
    """A `PictureGenerator` that listens: frames are white where a click is heard in their sixth of a second."""

    sample_rate = 16000
    picture = PictureSpec(rate=FPS, width=8, height=6)
    made = 0

    def generate(self, requests: Sequence[PictureRequest], *, on_step: OnStep | None = None) -> tuple[Frames, ...]:
        Blink.made += len(requests)
        return tuple(self._frames(request) for request in requests)

    def _frames(self, request: PictureRequest) -> Frames:
        samples = read_whole(request.sound).samples[0]
        if np.abs(samples).max(initial=0) > 5:
            raise RuntimeError("far too loud")
        count = max(1, clock.to_index(request.duration_s, FPS))
        edges = [*(clock.to_index(index / FPS, self.sample_rate) for index in range(count)), len(samples)]
        lit = [np.abs(samples[start:stop]).max(initial=0) > 0.3 for start, stop in pairwise(edges)]
        shades = np.where(lit, 235, 90).astype(np.uint8)
        return Frames(pixels=np.zeros((count, 6, 8, 3), np.uint8) + shades[:, None, None, None], rate=FPS)


class Blinking:
    """The plugin that offers it."""

    @hookimpl
    def avlink_backends(self) -> list[Backend]:
        return [
            Backend(
                name="blink",
                direction="a2v",
                options=Options,
                fingerprint=lambda options: "blink/1",
                load=lambda options, device: Blink(),
            )
        ]


def blinking(session: Session) -> Session:
    """The session with that backend, which has made nothing yet."""
    Blink.made = 0
    return replace(session, registry=testing.fake_registry(Blinking()))


def recipe(**tables: object) -> VisualizeRecipe:
    values = {"format": 1, "kind": "visualize", "backend": {"name": "blink"}, "picture": {"upscale": 4}, **tables}
    return check_values(VisualizeRecipe, values)


def run(session: Session, path: Path, wanted: VisualizeRecipe | None = None, **asked: object) -> VisualizeReport:
    request = VisualizeRequest(input=path, recipe=wanted or recipe(), device="cpu", **asked)  # type: ignore[arg-type]
    return visualize(request, session)


def span(start: Fraction, length: Fraction, rate: float) -> otio.opentime.TimeRange:
    exact = clock.exact_rate(rate)
    return otio.opentime.TimeRange(Time(float(start * exact), rate), Time(float(length * exact), rate))


def sound(
    start_s: Fraction, length_s: Fraction, name: str = "clicks", *, url: str = "clicks.wav", speed: float = 1
) -> otio.schema.Clip:
    """A stretch of a sound file, in samples."""
    clip = otio.schema.Clip(name, otio.schema.ExternalReference(url), span(start_s, length_s, 48000))
    if speed != 1:
        clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed))
    return clip


def gap(length_s: Fraction) -> otio.schema.Gap:
    return otio.schema.Gap(duration=Time(float(length_s * 48000), 48000))


def project(
    folder: Path, *rows: Sequence[otio.core.Item], rate: float = 24.0, start: int = 86400, name: str = "cut"
) -> Path:
    """A timeline with a picture of its own, and sound tracks A1, A2, ..."""
    timeline = otio.schema.Timeline("cut", global_start_time=Time(start, rate))
    title = otio.schema.Clip("title", otio.schema.ExternalReference("title.mov"), span(Fraction(0), Fraction(2), rate))
    timeline.tracks.append(otio.schema.Track("V1", [title], kind=otio.schema.TrackKind.Video))
    for number, row in enumerate(rows, start=1):
        timeline.tracks.append(otio.schema.Track(f"A{number}", list(row), kind=otio.schema.TrackKind.Audio))
    path = folder / f"{name}.otio"
    otio.adapters.write_to_file(timeline, str(path))
    return path


def write_clicks(path: Path) -> None:
    """Five seconds of stereo, with a click in the left half at each of CLICKS_S."""
    samples = np.zeros((48000 * 5, 2), np.float32)
    for time_s in CLICKS_S:
        at = clock.to_index(time_s, 48000)
        # Just after its time, so that it is heard within the sixth of a second that begins there.
        samples[at + 96 : at + 288, 0] = 0.95
    soundfile.write(path, samples, 48000, subtype="FLOAT")


def seen(path: Path) -> tuple[Fraction, list[int], str | None]:
    """Rate, brightness of each frame and timecode of a movie, read without our own code."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        # The luma of ten bits as it is decoded: turning it into another format starts threads for each frame.
        luma = [np.frombuffer(frame.planes[0], np.uint16) for frame in container.decode(stream)]
        shades = [round(float(plane[plane > 0].mean()) / 4) for plane in luma]
        assert stream.average_rate is not None
        return Fraction(stream.average_rate), shades, stream.metadata.get("timecode")


def pictures(path: Path | None) -> dict[str, list[otio.schema.Clip]]:
    """The clips of our tracks of a timeline as OTIO itself reads it; `frames_at` tells where they lie."""
    assert path is not None
    timeline = otio.adapters.read_from_file(str(path))
    found = {}
    for track in timeline.video_tracks():
        if track.metadata.get("avlink", {}).get("role") == "picture":
            found[track.name] = [_with_place(clip) for clip in track.find_clips()]
    return found


def state(folder: Path) -> Mapping[str, tuple[bytes, int]]:
    """Content and time of every file below a folder, the cache left out."""
    files = [path for path in folder.rglob("*") if path.is_file() and "cache" not in path.relative_to(folder).parts]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def _with_place(clip: otio.schema.Clip) -> otio.schema.Clip:
    copy, place = clip.deepcopy(), clip.range_in_parent()
    copy.metadata["at"] = [place.start_time.value, place.end_time_exclusive().value]
    return copy


def frames_at(clip: otio.schema.Clip) -> tuple[float, float]:
    """The first frame of a clip of `pictures` on its track, and the one after its last."""
    first, stop = clip.metadata["at"]
    return first, stop
