"""data.json of a prepared folder: what lies there, and what it was made for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from avlink.core.paths import write_text
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.data import media_of
from avlink.training.data.columns import clips_of

_FILE = "data.json"


def note_made(root: Path, recipe: TrainRecipe, **more: Any) -> None:
    """Write down in `root` what lies there, and what it was made for. Raises OutputError."""
    table = read_made(root) | {"format": 1, "data": _asked(recipe), **more}
    if "frames" in more:
        clips = clips_of(recipe.model, media_of(recipe.data))
        table |= {"pictures": clips.picture_words(), "heard": clips.sound_words()}
    write_text(root / _FILE, json.dumps(table, indent=1, sort_keys=True) + "\n")


def read_made(root: Path) -> dict[str, Any]:
    """What was written down of a prepared folder; empty where there is none."""
    try:
        table = json.loads((root / _FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}


def is_ready(recipe: TrainRecipe, root: Path) -> bool:
    """Whether everything that the recipe asks for lies in `root`, so that its sources need not be looked at."""
    return why_unfit(recipe, root) is None and read_made(root).get("data") == _asked(recipe)


def why_unfit(recipe: TrainRecipe, root: Path) -> str | None:
    """Why the clips in `root` cannot be trained on, wherever they came from; None where they can."""
    made, clips = read_made(root), clips_of(recipe.model, media_of(recipe.data))
    if not made:
        return "nothing was prepared there"
    # The foundry's clips have both, under names of their own.
    if made.get("media", "both") not in ("both", clips.media):
        return f"it holds {made['media']} alone, and data.media = '{clips.media}'"
    if "frames" in made and made["frames"] != clips.pictures_file:
        return f"it holds {made['pictures']}, and the model wants {clips.picture_words()}"
    if "sound" in made and made["sound"] != clips.sound_file:
        return f"it holds {made['heard']}, and the model wants {clips.sound_words()}"
    return None if made.get("complete") else "it is not complete"


def _asked(recipe: TrainRecipe) -> Any:
    return recipe.data.model_dump(mode="json", exclude={"prepared"})
