"""Infotext: the "parameters" text of Stable Diffusion WebUI (Automatic1111), Forge, SD.Next and others.

a dog runs through leaves, (sharp:1.2) <lora:dogs:0.8>
Negative prompt: blurry
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Model: x
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NEGATIVE = "Negative prompt:"
# The settings are the last line. At least three of them, so that a sentence with a colon is not taken for settings.
_SETTING = re.compile(r'\s*([\w \-/]+):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_FEWEST_SETTINGS = 3
_FIRST = re.compile(r"^\s*(Steps|Sampler|Seed|Size|CFG scale|Model|Width|Frames|FPS)\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Infotext:
    """The parts of an infotext; `settings` as they are written."""

    positive: str
    negative: str
    settings: dict[str, str]


def read_infotext(text: str) -> Infotext | None:
    """Return the parts of an infotext; None for any other text."""
    lines = text.replace("\r\n", "\n").strip().split("\n")
    at = next((index for index in reversed(range(len(lines))) if _is_settings(lines[index])), None)
    has_negative = any(line.strip().startswith(_NEGATIVE) for line in lines)
    if at is None and not has_negative:
        return None
    words = lines if at is None else lines[:at]
    positive: list[str] = []
    negative: list[str] = []
    side = positive
    for line in words:
        if line.strip().startswith(_NEGATIVE):
            side, line = negative, line.strip().removeprefix(_NEGATIVE)
        side.append(line)
    settings = {} if at is None else {key.strip(): value.strip() for key, value in _SETTING.findall(lines[at])}
    return Infotext(positive="\n".join(positive).strip(), negative="\n".join(negative).strip(), settings=settings)


def _is_settings(line: str) -> bool:
    return bool(_FIRST.match(line)) and len(_SETTING.findall(line)) >= _FEWEST_SETTINGS
