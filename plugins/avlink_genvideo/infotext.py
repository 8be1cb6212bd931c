"""The "parameters" text of Stable Diffusion WebUI (Automatic1111), Forge, SD.Next and those that write the same.

a dog runs through leaves, (sharp:1.2) <lora:dogs:0.8>
Negative prompt: blurry
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Model: x
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NEGATIVE = "Negative prompt:"
# The settings are one line in the end. Three of them, so that a sentence with a colon is none.
_SETTING = re.compile(r'\s*([\w \-/]+):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_LEAST_SETTINGS = 3
_FIRST = re.compile(r"^\s*(Steps|Sampler|Seed|Size|CFG scale|Model|Width|Frames|FPS)\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Infotext:
    """What such a text says; `settings` as they stand there."""

    positive: str
    negative: str
    settings: dict[str, str]


def read_infotext(text: str) -> Infotext | None:
    """The parts of such a text; None for a text of another kind."""
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
    return bool(_FIRST.match(line)) and len(_SETTING.findall(line)) >= _LEAST_SETTINGS
