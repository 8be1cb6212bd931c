"""The analysis of a sound file, once: length, level, hits, kind, brightness and noise."""

from __future__ import annotations

from math import log10
from pathlib import Path

from avlink.core.errors import MediaError
from avlink.core.limits import CLIP_S
from avlink.core.sound import FittedSound
from avlink.core.values import SoundSource
from avlink.library.heard import measure_levels
from avlink.library.kinds import kind_of
from avlink.library.single_hits import find_hits, heard_as_one, softest_hit
from avlink.library.texture import measure_texture
from avlink.library.values import Analysis
from avlink.media.audio import open_audio
from avlink.media.loudness import measure_loudness
from avlink.media.probe import probe

_SILENT_DB = -90.0
_GATED_S = 0.4
"""The shortest sound that has an integrated loudness."""


def analyse_file(path: Path, *, says_loop: bool = False) -> Analysis:
    """Return the analysis of a sound file of any format, rate, length and number of channels, in constant memory.

    `says_loop` tells that its name or tags call it a loop. Raises MediaError for a file that cannot be decoded whole,
    holds no sound or only silence; OutputError where a temporary file cannot be written.
    """
    info = probe(path)
    if info.audio is None:
        raise MediaError(f"'{path}' has no sound; remove it from the library's folder")
    CLIP_S.check(float(info.duration_s), f"'{path}'", MediaError)
    sound = open_audio(path, sample_rate=info.audio.sample_rate, mono=False)
    return analyse_sound(sound, path, says_loop=says_loop)


def analyse_sound(sound: SoundSource, name: object, *, says_loop: bool = False) -> Analysis:
    """Return the analysis of a sound; `name` is for messages. See `analyse_file`."""
    if not sound.num_samples:
        raise MediaError(f"'{name}' holds no sound; record or copy it again")
    levels = measure_levels(sound, name)
    if levels.peak < 10 ** (_SILENT_DB / 20):
        raise MediaError(f"'{name}' holds only silence; remove it, or record it again")
    hits = find_hits(sound, levels)
    kind = kind_of(levels, hits, says_loop=says_loop)
    if kind == "one-shot" and not hits:
        hits = softest_hit(sound, levels)
    elif kind == "one-shot" and len(hits) > 1:
        hits = heard_as_one(hits, sound, levels)
    brightness_hz, noise = measure_texture(sound, levels)
    return Analysis(
        sample_rate=sound.sample_rate,
        channels=sound.channels,
        num_samples=sound.num_samples,
        lufs=_lufs(sound),
        peak_db=20 * log10(levels.peak),
        kind=kind,
        brightness_hz=brightness_hz,
        noise=noise,
        hits=hits,
    )


def _lufs(sound: SoundSource) -> float | None:
    """Return integrated loudness; a sound that is too short for it is followed by silence."""
    shortest = -(-round(_GATED_S * 1000) * sound.sample_rate // 1000) + 1
    return measure_loudness(FittedSound(sound, max(shortest, sound.num_samples))).lufs
