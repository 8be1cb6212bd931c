"""The options of the processors."""

from __future__ import annotations

from pydantic import Field

from avlink import Options


class DeclickOptions(Options):
    """Options of `declick`; a click is an outlier of at most `max_click_s` seconds that no sound follows."""

    max_click_s: float = Field(default=0.0005, gt=0, le=0.002)
    sensitivity_db: float = Field(default=24.0, ge=12, le=60)
    """Level of a click above its surroundings; a lower value finds more."""
    floor_dbfs: float = Field(default=-60.0, ge=-120, le=0)
    """Quieter outliers are left as they are."""


class FadesOptions(Options):
    """Options of `fades`: seconds at both ends, shortened in proportion for sounds that are too short for both."""

    fade_in_s: float = Field(default=0.005, ge=0, le=60)
    fade_out_s: float = Field(default=0.02, ge=0, le=60)


class PeakCapOptions(Options):
    """Options of `peak_cap`: the highest true peak, in decibels of full scale."""

    peak_dbtp: float = Field(default=-3.0, ge=-60, le=0)
