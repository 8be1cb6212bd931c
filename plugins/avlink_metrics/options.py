"""The options of the extractors."""

from __future__ import annotations

from fractions import Fraction

from pydantic import Field

from avlink.hooks import ExtractorOptions


class PictureExtractorOptions(ExtractorOptions):
    """An extractor of single pictures."""

    frame_rate: float = Field(default=6.0, gt=0, le=60)
    """Pictures a second; the paper's movies have six."""

    @property
    def exact_frame_rate(self) -> Fraction:
        """`frame_rate` as a fraction."""
        return Fraction(self.frame_rate).limit_denominator(1001)


class InceptionOptions(PictureExtractorOptions):
    """FID's network."""

    frame_rate: float = Field(default=1.0, gt=0, le=60)
    """Pictures a second that count; neighbours are much alike."""


class I3DOptions(PictureExtractorOptions):
    """FVD's network."""

    frames: int = Field(default=12, ge=10, le=256)
    """Pictures from the start of each clip. The paper writes FVD with a subscript 12, which it does not explain; it is
    read as 12 pictures, two seconds at six a second, the length of TempoTokens' movies."""
