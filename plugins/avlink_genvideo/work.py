"""One video under way, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from avlink_genvideo.prompt import FoundPrompt
from avlink_genvideo.request import FinishRequest

if TYPE_CHECKING:
    from avlink import Loudness, Session, SonifyRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedVideo:
    """What became of one video. `prompt` is None where nothing was looked at; levels are measured in the file."""

    source: Path
    output: Path | None
    status: str
    reason: str | None = None
    prompt: FoundPrompt | None = None
    seed: int | None = None
    duration_s: float | None = None
    level: Loudness | None = None
    sample_rate: int | None = None
    channels: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Work:
    """One video under way: what is known of it so far."""

    path: Path
    output: Path
    request: FinishRequest
    session: Session
    notes: list[str] = field(default_factory=list)
    prompt: FoundPrompt = field(default_factory=FoundPrompt)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def recipe(self) -> SonifyRecipe:
        """The recipe with the words of this video."""
        recipe = self.request.recipe
        # Braces would be taken for placeholders of a template.
        text = self.prompt.text.replace("{", "(").replace("}", ")")
        words = recipe.prompt.model_copy(update={"template": text, "negative": self.prompt.negative})
        return recipe.model_copy(update={"prompt": words, "run": recipe.run.model_copy(update={"takes": 1})})
