"""Options of the built-in spotters, which are looked at whenever plugins are loaded, and so import nothing heavy."""

from __future__ import annotations

from pydantic import Field

from avlink.hooks import SpotterOptions


class SpotOptions(SpotterOptions):
    """Options that all of them have."""

    late_s: float = Field(default=0.02, ge=-0.5, le=0.5)
    """Time by which hits are put later than they are seen."""
    min_gap_s: float = Field(default=0.1, gt=0, le=5)
    """Least time between two hits; of nearer ones the clearer counts."""


class StemOptions(SpotOptions):
    """Options of `motion-stem`."""

    model: str = "builtin"
    """A shipped bundle's name, or the folder of one."""


class MotionOptions(StemOptions):
    """Options of `motion`."""

    late_s: float = Field(default=0.0, ge=-0.5, le=0.5)
    """Time by which hits are put later than the spotter that it chooses puts them."""


class FlowOptions(StemOptions):
    """Options of `motion-flow`."""

    late_s: float = Field(default=0.06, ge=-0.5, le=0.5)
    """Time by which hits are put later than they are seen: film shows a blow a little before it sounds."""


class PeakOptions(SpotOptions):
    """Options of `motion-peaks`."""

    min_gap_s: float = Field(default=0.15, gt=0, le=5)


class LearnedOptions(SpotterOptions):
    """Options of `learned`."""

    model: str = ""
    """The folder that `avlink spot --learn` has written. `spotter.name` may name it instead of `learned`."""
    late_s: float = Field(default=0.0, ge=-0.5, le=0.5)
    """Time by which hits are put later than it has learned."""
