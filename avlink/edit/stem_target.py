"""The finish and the place of the stems of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from avlink.core.hashing import JsonValue
from avlink.core.outputs import Outputs
from avlink.core.sound import SpooledSound, read_blocks
from avlink.core.values import SoundSource
from avlink.edit.ducking import Ducking
from avlink.hooks import ReadyProcessor
from avlink.metrics.stem_hits import VERSION as SPOTS
from avlink.timeline.values import Job


class FinishedClip:
    """The finished sound of the clip that was cut into items last: its items come one after another."""

    def __init__(self) -> None:
        self._key: object = None
        self._sound: SoundSource | None = None

    def get(self, key: object, make: Callable[[], SoundSource]) -> SoundSource:
        """Return the sound with a key, made if it is not the last one."""
        if self._sound is None or key != self._key:
            made = make()
            self._sound = SpooledSound(read_blocks(made), sample_rate=made.sample_rate, channels=made.channels)
            self._key = key
        return self._sound


@dataclass(frozen=True, slots=True, kw_only=True)
class StemTarget:
    """The finish and the place of stems. `origin_s` is the real time from midnight to the timeline's start.

    `path_of` gives the file of a job its name, and an older file of that name is replaced. Without it stems go to
    `folder`, and are named after their content.
    """

    folder: Path
    outputs: Outputs
    chain: tuple[ReadyProcessor, ...]
    sample_rate: int
    track_name: str
    ambience_track_name: str = "AMB"
    origin_s: Fraction = Fraction(0)
    timecode_rate: Fraction | None = None
    drop_frame: bool = False
    project: str = ""
    handle_s: Fraction = Fraction(0)
    """Length of handles: files begin earlier and end later than the heard span, as far as sound was generated."""
    duck: Ducking | None = None
    """Ducking under the project's own sound."""
    spotting: bool = True
    """Mark the hits in stems of foley."""
    untouchable: frozenset[Path] = frozenset()
    """Resolved paths of the files that are read in this run, which are never overwritten."""
    path_of: Callable[[Job], Path] | None = None
    source: Path | None = None
    """The media file that a single stem belongs to."""
    licence: str = ""
    """Permitted use of the model's weights, noted in the files; empty where there is no restriction."""
    last_clip: FinishedClip = field(default_factory=FinishedClip, compare=False, repr=False)

    def finish_key(self) -> JsonValue:
        """Return what a finished stem depends on, besides the generated sound."""
        return {
            "chain": [dict(step.key) for step in self.chain],
            "sample_rate": self.sample_rate,
            "format": "bwf/2",
            "spots": SPOTS if self.spotting else None,
        }
