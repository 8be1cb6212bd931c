"""What the worker is given to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from avlink_watch.ledger import Work
from avlink_watch.places import Places
from avlink_watch.recipe import WatchRecipe
from avlink_watch.rules import ReadyRule
from avlink_watch.scan import Signature

Do: TypeAlias = Literal["look", "weigh", "sonify"]
Fault: TypeAlias = Literal["file", "place", "machine", "setup"]
"""Whose fault a failure was: the file's own; the place of the results; something that may pass; how things are set."""


@dataclass(slots=True, kw_only=True)
class Task:
    """Something for the worker: to look into a file, to weigh it (to name its content), or to sonify it.

    `path` and `signature` are of the file as it was then, `message` is what the worker is told. `began` is when it was,
    on the monotonic clock.
    """

    do: Do
    path: str
    signature: Signature
    rule: ReadyRule
    message: Mapping[str, Any]
    work: Work | None = None
    began: float = 0.0


def make_message(do: Do, path: str, rule: ReadyRule, places: Places, recipe: WatchRecipe) -> dict[str, Any]:
    """What every task for a file says."""
    return {
        "do": do,
        "path": str(places.original(path)),
        "recipe": rule.values,
        "label": rule.label,
        # What timelines name by whole paths of another machine may lie beside them here.
        "media_root": [*recipe.media_root, str(places.root)],
    }
