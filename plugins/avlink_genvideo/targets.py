"""Loudness by name: what broadcasters and platforms ask for."""

from __future__ import annotations

from avlink import InputError

LOUDNESS_TARGETS: dict[str, tuple[float | None, float]] = {
    "ebu": (-23.0, -1.0),
    "atsc": (-24.0, -2.0),
    "netflix": (-27.0, -2.0),
    "youtube": (-14.0, -1.0),
    "spotify": (-14.0, -1.0),
    "apple": (-16.0, -1.0),
    "none": (None, -1.0),
}
"""Integrated loudness in LUFS and true peak in dBTP: EBU R 128, ATSC A/85, and the platforms' own pages. "none" leaves
the loudness as the model made it."""

_QUIETEST, _LOUDEST = -70.0, -5.0


def parse_loudness(text: str) -> tuple[float | None, float]:
    """(LUFS, dBTP) of a platform's name, or of a number of LUFS with a peak of -1 dBTP. Raises InputError."""
    known = LOUDNESS_TARGETS.get(text.strip().lower())
    if known is not None:
        return known
    try:
        lufs = float(text)
    except ValueError:
        lufs = 0.0
    if not _QUIETEST <= lufs <= _LOUDEST:
        names = ", ".join(LOUDNESS_TARGETS)
        raise InputError(
            f"--loudness {text}: it is one of {names}, or a number of LUFS from {_QUIETEST:g} to {_LOUDEST:g}"
        )
    return lufs, -1.0
