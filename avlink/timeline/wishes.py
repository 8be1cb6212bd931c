"""What a clip itself asks for in metadata["avlink"], which people and spreadsheets write: no value there is fatal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

from avlink.timeline.directions import MODES, Mode
from avlink.timeline.values import ClipRef

MAX_SEED = 2**63 - 1
MAX_GAIN_DB = 60.0


def with_wishes(clip: ClipRef, said: Mapping[str, Any]) -> ClipRef:
    """The clip with prompt, negative, seed, gain_db and mode as its metadata says; None where it is silent.

    A value that makes no sense is as good as none, and a note names it.
    """
    notes = list(clip.notes)

    def checked(name: str, fits: Callable[[Any], bool], lack: str) -> Any:
        value = said.get(name)
        if value is None or fits(value):
            return value
        told = f"its {name} in metadata['avlink'], {_shown(value)}, {lack}; the recipe decides"
        notes.append(f"{clip.name} on {clip.track}: {told}")
        return None

    prompt, negative = (checked(name, _is_text, "is no text") for name in ("prompt", "negative"))
    seed = checked("seed", _is_seed, f"is no whole number from 0 to {MAX_SEED}")
    gain_db = checked("gain_db", _is_gain, f"is no number of decibels from -{MAX_GAIN_DB:g} to {MAX_GAIN_DB:g}")
    mode = checked("mode", lambda value: _mode(value) is not None, f"is none of {', '.join(MODES)}")
    return replace(
        clip,
        prompt=prompt,
        negative=negative,
        seed=None if seed is None else int(seed),
        gain_db=None if gain_db is None else float(gain_db),
        mode=_mode(mode),
        notes=tuple(notes),
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_seed(value: Any) -> bool:
    return _is_number(value) and value == int(value) and 0 <= value <= MAX_SEED


def _is_gain(value: Any) -> bool:
    return _is_number(value) and abs(value) <= MAX_GAIN_DB


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and isfinite(value))


def _mode(value: Any) -> Mode | None:
    text = value.strip().lower() if isinstance(value, str) else None
    return next((known for known in MODES if known == text), None)


def _shown(value: Any) -> str:
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
