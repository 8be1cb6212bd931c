"""Small movies and timelines over them: quick to render, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from zlib import crc32

from avlink.core.clock import exact_rate, to_index

if TYPE_CHECKING:
    from avlink.core.values import SoundSource

Rate: TypeAlias = float | Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A clip of a timeline: `frames` frames of the movie `media/<name>.mp4`, from its frame `first` on.

    Two shots of one name show the same movie. `rate` is the movie's, in frames per second; None means the timeline's.
    `gap` frames of the timeline before the shot are empty.
    """

    name: str = "a"
    frames: int = 24
    first: int = 0
    rate: Rate | None = None
    gap: int = 0


def make_movie(
    path: Path,
    *,
    seconds: Rate = 1,
    rate: Rate = 24,
    size: tuple[int, int] = (64, 36),
    seed: int = 0,
    flashes: Sequence[int] = (),
    sound: SoundSource | None = None,
) -> Path:
    """Write a movie of noise that moves sideways, different for each `seed`, and return its path.

    `rate` is in frames per second, 23.976 and the like mean 24000/1001; `size` is (width, height) in pixels. The frames
    whose numbers are in `flashes` are white: visible events. Folders are made; an existing file is replaced.

    Raises OutputError if the file cannot be written.
    """
    import numpy as np

    from avlink.core.paths import make_folder
    from avlink.core.values import Frames
    from avlink.media.movie import write_video

    exact = exact_rate(rate)
    width, height = size
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    pixels = np.stack([np.roll(noise, index, axis=1) for index in range(max(1, to_index(Fraction(seconds), exact)))])
    pixels[list(flashes)] = 255
    make_folder(path.parent)
    write_video(path, Frames(pixels=pixels, rate=exact), sound=sound)
    return path


def make_timeline(
    folder: Path,
    shots: Sequence[Shot | str] = ("a", "b"),
    *,
    rate: Rate = 24,
    start_s: int = 0,
    name: str = "cut",
) -> Path:
    """Write `<name>.otio`, a video track of `shots` one after the other over movies in `media/`, and return its path.

    A name alone is a `Shot` of 24 frames. The movies are as long as the shots need, with the name as seed; a movie that
    exists is used as it is. `rate` is the timeline's, in frames per second; it starts at
    `start_s` seconds of timecode; editing programs often use 3600.

    Raises OutputError if something cannot be written.
    """
    import opentimelineio as otio

    from avlink.timeline.write import write_timeline

    base_rate = float(exact_rate(rate))
    wanted = [Shot(name=shot) if isinstance(shot, str) else shot for shot in shots]
    for shot in wanted:
        path = folder / "media" / f"{shot.name}.mp4"
        if not path.exists():
            media_rate = exact_rate(shot.rate or rate)
            frames = max(same.first + same.frames for same in wanted if same.name == shot.name)
            make_movie(path, seconds=frames / media_rate, rate=media_rate, seed=crc32(shot.name.encode()))
    track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    for shot in wanted:
        if shot.gap:
            track.append(otio.schema.Gap(duration=otio.opentime.RationalTime(shot.gap, base_rate)))
        own_rate = float(exact_rate(shot.rate or rate))
        span = otio.opentime.TimeRange(
            otio.opentime.RationalTime(shot.first, own_rate), otio.opentime.RationalTime(shot.frames, own_rate)
        )
        track.append(otio.schema.Clip(shot.name, otio.schema.ExternalReference(f"media/{shot.name}.mp4"), span))
    timeline = otio.schema.Timeline(name)
    timeline.global_start_time = otio.opentime.RationalTime(start_s * round(base_rate), base_rate)
    timeline.tracks.append(track)
    path = folder / f"{name}.otio"
    write_timeline(timeline, path)
    return path
