"""The formats of inputs, each with its strategy."""

from __future__ import annotations

from hypothesis import strategies as st

from fuzz.case import Case
from fuzz.inputs import edl, fcp7, fcpxml, mp4, otio, recipe, sheet, wave

FORMATS: dict[str, st.SearchStrategy[Case]] = {
    "otio": otio.files(),
    "bundle": otio.bundles(),
    "edl": edl.files(),
    "xml": fcp7.files(),
    "fcpxml": fcpxml.files(),
    "sheet": sheet.files(),
    "recipe": recipe.files(),
    "wav": wave.files(),
    "mp4": mp4.files(),
}
"""Strategies by the name of the format."""
