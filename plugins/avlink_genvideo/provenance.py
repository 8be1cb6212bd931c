"""Provenance of a finished video: the tool, model, prompt and seed of its sound, written into the file.

It is one JSON text under the key `avlink`, beside the generator's own metadata. A finished file is recognised by it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import avlink
from avlink import BUILTIN, InputError
from avlink.hooks import resolve_backend

if TYPE_CHECKING:
    from avlink import Session, SonifyRecipe

TAG = "avlink"
"""The metadata key. It is compared without case, because Matroska writes keys in capitals."""

_FORMAT = 1
_COMMAND = "finish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """`key` is a digest of everything the result depends on; `details` are for people and other programs."""

    key: str
    details: Mapping[str, Any]

    def to_text(self) -> str:
        """Return the JSON text that is written into the file."""
        return json.dumps(
            {"format": _FORMAT, "command": _COMMAND, **self.details, "key": self.key},
            ensure_ascii=False,
            sort_keys=True,
        )

    def describe(self) -> str:
        """Return the version, seed and prompt in a few words."""
        details = self.details
        prompt = details.get("prompt")
        words = f', prompt "{prompt}"' if isinstance(prompt, str) and prompt else ""
        return f"avlink {details.get('version', '?')}, seed {details.get('seed', '?')}{words}"


def read_provenance(tags: Mapping[str, str]) -> Provenance | None:
    """Return the provenance in a file's metadata; None if there is none of `avlink finish`."""
    text = next((text for name, text in tags.items() if name.lower() == TAG), None)
    try:
        found = json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        return None
    # The key names the program; other commands of it may use it, too.
    if not isinstance(found, dict) or found.get("command") != _COMMAND:
        return None
    return Provenance(key=str(found.get("key", "")), details=found)


def read_file_provenance(path: Path) -> Provenance | None:
    """Return the provenance of a file; None also for a file that cannot be read."""
    try:
        return read_provenance(avlink.read_tags(path))
    except InputError:
        return None


def describe_model(recipe: SonifyRecipe, session: Session) -> Mapping[str, Any]:
    """Return the tool and the model of a sound, as they are recorded in its provenance."""
    backend = resolve_backend(recipe, session.registry)
    model = getattr(backend.options, "model", None)
    return {
        "tool": "avlink",
        "version": avlink.__version__,
        "backend": backend.name,
        "model": BUILTIN if model == "builtin" else model,
        "model_fingerprint": backend.fingerprint(),
        "recipe": recipe.source.label,
        **({"licence": backend.licence} if backend.licence else {}),
    }
