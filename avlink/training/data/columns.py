"""The columns of a shard, pictures and sound, each a plain array beside what is bad in it: names, shapes, notes.

A column's file is named by what it was made for, so that another picture size makes pictures anew and no sound. Rows
of bad clips are zeros, and no store shows them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from avlink.core.architecture import AVLinkConfig
from avlink.core.clock import to_index
from avlink.core.hashing import digest
from avlink.core.recipe.data import Media
from avlink.training.data.entries import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Clips:
    """What clips of one model look and sound like: rates per second, sizes in pixels, lengths in frames and samples."""

    fps: int
    width: int
    height: int
    window_s: Fraction
    sample_rate: int
    samples: int
    media: Media = "both"
    """What of it there is."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The files that every shard has in the end."""
        named = {"pictures": self.pictures_file, "sound": self.sound_file}
        return tuple(file for medium, file in named.items() if self.media in ("both", medium))

    @property
    def frames(self) -> int:
        """Pictures of a clip."""
        return max(1, to_index(self.window_s, self.fps))

    @property
    def pictures_file(self) -> str:
        """The name of the pictures' column."""
        return f"frames-{digest([1, self.fps, self.width, self.height, self.frames])[:8]}.npy"

    @property
    def sound_file(self) -> str:
        """The name of the sound's column."""
        return f"sound-{digest([1, self.sample_rate, self.samples])[:8]}.npy"

    def picture_words(self) -> str:
        """Its pictures, for people."""
        return f"{self.frames} pictures of {self.width}x{self.height} at {self.fps} a second"

    def sound_words(self) -> str:
        """Its sound, for people."""
        return f"{self.samples} samples at {self.sample_rate} Hz"


def clips_of(config: AVLinkConfig, media: Media = "both") -> Clips:
    """The clips that a model is trained on: pictures at the rate of its motion stem, if it has one."""
    picture = config.picture
    return Clips(
        fps=picture.fps if config.motion is None else config.motion.fps,
        width=picture.width,
        height=picture.height,
        window_s=Fraction(picture.frames, picture.fps),
        sample_rate=config.mel.sample_rate,
        samples=config.window_tokens * config.mel.hop_samples * config.vae.downsampling,
        media=media,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardWork:
    """A shard's folder and the entries of its rows; None where a clip is there no more."""

    folder: Path
    clips: Clips
    entries: Sequence[Entry | None]
    deadly: Mapping[int, str]
    """Rows that ended, or held up, the process that decoded them, and in what words."""


def has_column(folder: Path, name: str) -> bool:
    """Whether a shard has a whole column of that name."""
    return (folder / name).is_file() and notes_file(folder, name).is_file()


def notes_file(folder: Path, name: str) -> Path:
    """Where it says what is bad in a column, and what was heard in it."""
    return folder / f"{name.removesuffix('.npy')}.json"


def read_notes(folder: Path, name: str) -> tuple[dict[int, str], dict[int, list[float]]]:
    """The bad rows of a column with their reasons, and the onsets that were heard in the others, in seconds."""
    table = json.loads(notes_file(folder, name).read_text("utf-8"))
    return ({int(row): why for row, why in table["bad"].items()}, {int(row): at for row, at in table["onsets"].items()})
