"""The text of cues: markers and comments that ask for a sound by words."""

from __future__ import annotations

import re

CUE_TEXT = re.compile(r"\s*(foley|amb|ambience)\s*:(.*)", re.IGNORECASE | re.DOTALL)
"""Matches the text of a cue: its role and its words."""


def is_cue_text(*texts: str) -> bool:
    """Return whether one of the texts of a marker is a cue, such as "FOLEY: footsteps on gravel"."""
    return any(CUE_TEXT.fullmatch(text) is not None for text in texts)
