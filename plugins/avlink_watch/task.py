"""Tasks for the worker process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from avlink_watch.layout import FolderLayout
from avlink_watch.ledger import WorkItem
from avlink_watch.recipe import ResolvedRule, WatchRecipe
from avlink_watch.scan import Signature

TaskKind: TypeAlias = Literal["inspect", "fingerprint", "sonify"]
Fault: TypeAlias = Literal["file", "output", "machine", "setup"]
"""The cause of a failure: the file itself, the folder of results, something transient, or the settings."""


@dataclass(slots=True, kw_only=True)
class WorkerTask:
    """A file to inspect (is it complete, which media does it need), to fingerprint (by its content) or to sonify.

    `path` and `signature` are the file's when the task was made, `message` is sent to the worker. `began` is the start
    on the monotonic clock.
    """

    kind: TaskKind
    path: str
    signature: Signature
    rule: ResolvedRule
    message: Mapping[str, Any]
    work: WorkItem | None = None
    began: float = 0.0


def make_message(
    kind: TaskKind, path: str, rule: ResolvedRule, layout: FolderLayout, recipe: WatchRecipe
) -> dict[str, Any]:
    """Return the message of a task, as far as it is common to all kinds."""
    return {
        "kind": kind,
        "path": str(layout.original(path)),
        "recipe": rule.values,
        "label": rule.label,
        # Media that a timeline names by absolute paths of another machine may lie beside the timeline here.
        "media_root": [*recipe.media_root, str(layout.root)],
    }
