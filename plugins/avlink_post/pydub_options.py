"""The options of the processor `pydub`. Names of effects and their parameters, with their units, are pydub's own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from avlink import Options


class CompressDynamicRange(Options):
    """Compression above `threshold` (dBFS) by `ratio`; `attack` and `release` are in milliseconds."""

    name: Literal["compress_dynamic_range"]
    threshold: float = Field(default=-20.0, ge=-120, le=0)
    ratio: float = Field(default=4.0, ge=1, le=100)
    attack: float = Field(default=5.0, ge=1, le=1000)
    release: float = Field(default=50.0, ge=1, le=10000)


class LowPassFilter(Options):
    """A filter that falls by 6 dB per octave above `cutoff` (hertz)."""

    name: Literal["low_pass_filter"]
    cutoff: float = Field(gt=0, le=96000)


class HighPassFilter(Options):
    """A filter that falls by 6 dB per octave below `cutoff` (hertz)."""

    name: Literal["high_pass_filter"]
    cutoff: float = Field(gt=0, le=96000)


class Normalize(Options):
    """A gain that brings the sample peak to `headroom` decibels below full scale."""

    name: Literal["normalize"]
    headroom: float = Field(default=0.1, ge=0, le=60)


class ApplyGain(Options):
    """A gain of `volume_change` decibels; what exceeds full scale is clipped."""

    name: Literal["apply_gain"]
    volume_change: float = Field(ge=-120, le=60)


class Pan(Options):
    """A shift to the left (-1) or the right (1), for two channels."""

    name: Literal["pan"]
    pan_amount: float = Field(ge=-1, le=1)


class InvertPhase(Options):
    """The sound with its sign changed."""

    name: Literal["invert_phase"]


class StripSilence(Options):
    """Silence in place of what is below `silence_thresh` (dBFS) at both ends; `padding` milliseconds of it stay."""

    name: Literal["strip_silence"]
    silence_thresh: float = Field(default=-50.0, ge=-120, le=0)
    padding: float = Field(default=100.0, ge=0, le=10000)


def _named(value: Any) -> Any:
    """Return the table of an effect that is given by its name alone."""
    return {"name": value} if isinstance(value, str) else value


Effect = Annotated[
    Annotated[
        CompressDynamicRange
        | LowPassFilter
        | HighPassFilter
        | Normalize
        | ApplyGain
        | Pan
        | InvertPhase
        | StripSilence,
        Field(discriminator="name"),
    ],
    BeforeValidator(_named),
]


class PydubOptions(Options):
    """Options of `pydub`: the effects in order, each by its name, or as a table with `name` and parameters."""

    effects: Annotated[tuple[Effect, ...], Field(strict=False)] = ()
