"""Options of the backend, which are looked at whenever plugins are loaded, and so import nothing heavy."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from avlink import Options


class LibraryOptions(Options):
    """The sounds that are used, the bounds within which they are varied, and their levels."""

    libraries: list[str] = Field(default_factory=list)
    """Names of the libraries that are used; none means all."""
    most_sounds: int = Field(default=12, ge=1, le=200)
    """Number of sounds, the best first, that hits of one kind and words are spread over."""
    vary: bool = True
    """Vary sounds within the next three bounds; False lays them as they are."""
    vary_cents: float = Field(default=60.0, ge=0, le=1200)
    """Most change of pitch and speed, which go together as on a tape: a hundred cents are a semitone."""
    vary_filter_db: float = Field(default=2.0, ge=0, le=12)
    """Most change of what is above 2 kHz."""
    vary_level_db: float = Field(default=1.0, ge=0, le=12)
    """Most change of level."""
    loudest_db: float = Field(default=-6.0, ge=-60, le=0)
    """Sample peak of a hit of strength 1, in dBFS."""
    range_db: float = Field(default=18.0, ge=0, le=60)
    """Distance in level from strength 1 to strength 0."""
    whole_tails: bool = False
    """Let tails ring on over the next hit of the same sound, which otherwise replaces them."""
    ambience_db: float = Field(default=-36.0, ge=-90, le=-6)
    """Level of ambience, as the mean power in dBFS."""
    fallback: Literal["silence", "avlink"] = "silence"
    """Sound of hits that no recording fits: none, or that of the built-in model."""
    spotter: str = ""
    """The spotter for clips whose hits are not known, or the folder of a learned one; "" is `motion`, or
    `motion-peaks` without weights."""
    spotter_options: dict[str, Any] = Field(default_factory=dict)
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    """Least confidence of a hit that the spotter finds."""
