"""What a finished video says of itself: which tool and model gave it its sound, with which words and seed.

It stands as one JSON text under the name `avlink` beside the generator's own texts. By it a finished file is known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TAG = "avlink"
"""The name of the text. Matroska writes names in capitals."""

FORMAT = 1
_COMMAND = "finish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """`key` names all that the result depends on; `details` are what people and other programs want to know."""

    key: str
    details: Mapping[str, Any]

    def to_text(self) -> str:
        """The text as it stands in the file."""
        return json.dumps(
            {"format": FORMAT, "command": _COMMAND, **self.details, "key": self.key}, ensure_ascii=False, sort_keys=True
        )

    def describe(self) -> str:
        """Who finished it, and how, in a few words."""
        details = self.details
        prompt = details.get("prompt")
        words = f', prompt "{prompt}"' if isinstance(prompt, str) and prompt else ""
        return f"avlink {details.get('version', '?')}, seed {details.get('seed', '?')}{words}"


def read_provenance(tags: Mapping[str, str]) -> Provenance | None:
    """What the texts of a file say of `avlink finish`; None where they say nothing of it."""
    text = next((text for name, text in tags.items() if name.lower() == TAG), None)
    try:
        found = json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("command") != _COMMAND:
        return None
    return Provenance(key=str(found.get("key", "")), details=found)
