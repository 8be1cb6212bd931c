"""What this plugin offers. The work is in the sibling modules, which are imported when a processor first runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from avlink import Options, hookimpl
from avlink.hooks import AudioProcessor

if TYPE_CHECKING:
    from avlink import SoundSource


class DeclickOptions(Options):
    """Clicks are single outliers of at most `max_click_s` seconds that leave no sound behind."""

    max_click_s: float = Field(default=0.0005, gt=0, le=0.002)
    sensitivity_db: float = Field(default=24.0, ge=12, le=60)
    """How far a click stands out of its surroundings; lower finds more."""
    floor_dbfs: float = Field(default=-60.0, ge=-120, le=0)
    """Outliers quieter than this are left alone."""


class FadesOptions(Options):
    """Seconds of fade at both ends; shortened together where the sound is shorter than both."""

    fade_in_s: float = Field(default=0.005, ge=0, le=60)
    fade_out_s: float = Field(default=0.02, ge=0, le=60)


class PeakCapOptions(Options):
    """The highest true peak that is let through, in decibels of full scale."""

    peak_dbtp: float = Field(default=-3.0, ge=-60, le=0)


def declick(sound: SoundSource, options: DeclickOptions) -> SoundSource:
    """Take out clicks and leave hits."""
    from avlink_post.declick import remove_clicks

    return remove_clicks(sound, options)


def fades(sound: SoundSource, options: FadesOptions) -> SoundSource:
    """Fade in and out."""
    from avlink_post.fades import fade_ends

    return fade_ends(sound, options)


def peak_cap(sound: SoundSource, options: PeakCapOptions) -> SoundSource:
    """Turn down what peaks too high."""
    from avlink_post.peak_cap import cap_peak

    return cap_peak(sound, options)


@hookimpl
def avlink_audio_processors() -> list[AudioProcessor]:
    """Offer declick, fades and peak_cap."""
    return [
        AudioProcessor(name="declick", options=DeclickOptions, apply=declick, whole=False),
        AudioProcessor(name="fades", options=FadesOptions, apply=fades, whole=False),
        AudioProcessor(name="peak_cap", options=PeakCapOptions, apply=peak_cap, whole=False),
    ]
