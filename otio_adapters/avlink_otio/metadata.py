"""What AVLink wrote on objects of a timeline, under its own key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEY = "avlink"


def table(metadata: Any, key: str = KEY) -> Mapping[str, Any]:
    """The dictionary under a key of OTIO metadata; an empty one when there is none."""
    value = metadata.get(key)
    return value if hasattr(value, "get") else {}
