"""Warnings of silence: stems that nobody will hear, and stretches of them without the hits that were asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from avlink.metrics.silence import Silence
from avlink.timeline.values import Job

QUIET_LUFS = -60.0
_LEAST_STRETCH_S = 1.0
_LEAST_SHARE = 0.5
"""A silent stretch is told when it lasts a second, and at least this share of what is heard of the stem."""
_ADVICE = "listen to other takes (--takes 3) or another --seed, or say what is heard there (--prompt, a FOLEY marker)"


class MeasuredStem(Protocol):
    """The facts of a `WrittenStem` that tell whether it is heard."""

    @property
    def job(self) -> Job: ...  # noqa: D102
    @property
    def path(self) -> Path: ...  # noqa: D102
    @property
    def sample_rate(self) -> int: ...  # noqa: D102
    @property
    def samples(self) -> int: ...  # noqa: D102
    @property
    def head_samples(self) -> int: ...  # noqa: D102
    @property
    def tail_samples(self) -> int: ...  # noqa: D102
    @property
    def lufs(self) -> float | None: ...  # noqa: D102
    @property
    def silence(self) -> Silence | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class StemWarning:
    """A doubt about a stem; `message` is one sentence with advice."""

    kind: Literal["silent_stem", "silent_stretch"]
    path: str
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return the warning's entry in the report."""
        return {"kind": self.kind, "stem": self.path, "message": self.message}


def stem_warnings(stem: MeasuredStem) -> Iterator[StemWarning]:
    """Yield the warnings of a stem: one that is silent as a whole, else one whose requested hits are missing."""
    silence, clip = stem.silence, stem.job.clip
    if silence is None:
        return
    # Integrated loudness has gates: it is None below 0.4 s, and where all is quieter than -70 LUFS.
    level = silence.level_lufs if stem.lufs is None else stem.lufs
    if level is None or level < QUIET_LUFS:
        said = "silent" if level is None else f"nearly silent, {level:.1f} LUFS"
        louder = f"raise its gain of {clip.gain_db:g} dB, or " if (clip.gain_db or 0) < 0 else ""
        yield StemWarning(
            kind="silent_stem",
            path=str(stem.path),
            message=f"the stem {stem.path.name} is {said}: {louder}{_ADVICE}",
        )
        return
    # Ambience may rest. Without a prompt nobody asked for hits: nothing may happen in the picture.
    if clip.role != "sync" or not stem.job.prompt.text:
        return
    heard = stem.samples - stem.head_samples - stem.tail_samples
    start, stop = silence.within(stem.head_samples, stem.head_samples + heard)
    if stop - start < max(_LEAST_STRETCH_S * stem.sample_rate, _LEAST_SHARE * heard):
        return
    span = f"{start / stem.sample_rate:.2f} s to {stop / stem.sample_rate:.2f} s"
    yield StemWarning(
        kind="silent_stretch",
        path=str(stem.path),
        message=f"the stem {stem.path.name} is silent from {span} of its clip, where '{stem.job.prompt.text}' was "
        "asked for: listen to other takes (--takes 3), or let a FOLEY marker cover only what is heard",
    )
