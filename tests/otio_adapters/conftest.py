"""Timelines with stems at exact samples, as AVLink writes them, and the stems themselves."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest
import soundfile

from avlink.core import clock
from avlink.timeline.stem_hits import mark_hits

Time, Range = otio.opentime.RationalTime, otio.opentime.TimeRange


class Cut:
    """Builds a timeline from stems at `(first sample, samples)`; its audio track is ours."""

    SAMPLE_RATE = 48000

    @staticmethod
    def time(samples: int, rate: float) -> otio.opentime.RationalTime:
        """A place in samples at the timeline's rate, as stems are placed: with fractions of a frame."""
        return Time(float(Fraction(samples, Cut.SAMPLE_RATE) * clock.exact_rate(rate)), rate)

    @classmethod
    def timeline(
        cls,
        places: list[tuple[int, int]],
        *,
        rate: float = 24.0,
        start: int = 86400,
        takes: int = 1,
        channels: int = 1,
        names: list[str] | None = None,
        folder: str = "cut.stems",
    ) -> otio.schema.Timeline:
        """A timeline of a picture and a FOLEY track; stem n is `<folder>/n.wav`, take k of it `<folder>/n_k.wav`."""
        timeline = otio.schema.Timeline("cut", global_start_time=Time(start, rate))
        picture = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
        picture.append(otio.schema.Clip("shot", otio.schema.MissingReference(), Range(Time(0, rate), Time(96, rate))))
        track = otio.schema.Track("FOLEY", kind=otio.schema.TrackKind.Audio, metadata={"avlink": {}})
        at = 0
        for index, (first, samples) in enumerate(places):
            if first > at:
                track.append(otio.schema.Gap(duration=cls.time(first - at, rate)))
            at = first + samples
            span = Range(Time(start + cls.time(first, rate).value, rate), cls.time(samples, rate))
            said = {"sample_rate": cls.SAMPLE_RATE, "samples": samples, "channels": channels, "id": f"id{index}"}
            clip = otio.schema.Clip(
                names[index] if names else f"s{index}", source_range=span, metadata={"avlink": said}
            )
            refs = {}
            for take in range(1, takes + 1):
                url = f"{folder}/{index}.wav" if take == 1 else f"{folder}/{index}_{take}.wav"
                ref = otio.schema.ExternalReference(url, span, {"avlink": {"take": take}})
                refs["DEFAULT_MEDIA" if take == 1 else f"take_{take}"] = ref
            clip.set_media_references(refs, "DEFAULT_MEDIA")
            track.append(clip)
        timeline.tracks.extend([picture, track])
        return timeline

    @staticmethod
    def strike(timeline: otio.schema.Timeline, *hits: list[int]) -> otio.schema.Timeline:
        """The same timeline with hits at samples of the files: `hits[n]` in take n + 1 of every stem."""
        for clip in timeline.tracks[1].find_clips():
            for ref in clip.media_references().values():
                own = hits[ref.metadata["avlink"]["take"] - 1]
                ref.metadata["avlink"]["hits"] = [[sample, 12.5] for sample in own]
            mark_hits(clip)
        return timeline

    @classmethod
    def write_stems(cls, timeline: otio.schema.Timeline, folder: Path, *, channels: int = 1) -> list[np.ndarray]:
        """Write every stem as noise of its own; returns the samples as 24-bit whole numbers."""
        made = []
        for index, clip in enumerate(timeline.tracks[1].find_clips()):
            noise = np.random.default_rng(index).integers(
                -(2**23), 2**23, (clip.metadata["avlink"]["samples"], channels), dtype=np.int32
            )
            path = folder / clip.media_reference.target_url
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, noise << 8, cls.SAMPLE_RATE, subtype="PCM_24")
            made.append(noise)
        return made


@pytest.fixture(scope="session")
def cut() -> type[Cut]:
    return Cut
