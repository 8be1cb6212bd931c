"""The extractor whose features a model reads in place of the video backbone's, and the features of prepared clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from avlink.core.recipe import RecipeSource
from avlink.hooks import ReadyExtractor, load_registry
from avlink.hooks.extractors import resolve_for_pictures

if TYPE_CHECKING:
    from avlink.core.architecture import AVLinkConfig


def extractor_of(
    config: AVLinkConfig, options: Mapping[str, Mapping[str, Any]], source: RecipeSource | None = None
) -> ReadyExtractor | None:
    """What the model's fusion reads, with the recipe's options for it; None where that is the video backbone.

    Raises RecipeError for an extractor that no plugin offers, or options that it does not take.
    """
    wanted = config.fusion.extracted
    if wanted is None:
        return None
    given = options.get(wanted.name, {})
    return resolve_for_pictures(wanted.name, given, wanted.fps, load_registry(), source=source)
