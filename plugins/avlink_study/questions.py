"""The questions to raters, after the user study of AV-Link (appendix D.5).

The paper names five aspects. For sound that was made for pictures it asks four of them, for pictures that were made for
sound the mirror image of these four (its Table 4 has no video quality in the one case and no audio quality in the
other). Where both were made, all five make sense. The words are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Task: TypeAlias = Literal["v2a", "a2v", "av"]
"""The generated half of the clips: the sound, the pictures, or both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question: its `name` in the database, its `head` of a column, and the `title` and `text` that raters read."""

    name: str
    head: str
    title: str
    text: str


def _audio(text: str) -> Question:
    return Question(name="audio_quality", head="A-Qual.", title="Sound", text=text)


def _video(text: str) -> Question:
    return Question(name="video_quality", head="V-Qual.", title="Picture", text=text)


def _semantic(text: str) -> Question:
    return Question(name="semantic_alignment", head="Sem. Align.", title="Meaning", text=text)


def _temporal(text: str) -> Question:
    return Question(name="temporal_alignment", head="Temp. Align.", title="Timing", text=text)


_SOUND = _audio("Which sound is of better quality? Only listen, and leave the picture aside.")
_PICTURE = _video("Which picture is of better quality? Only look, and leave the sound aside.")
_BOTH = Question(
    name="audio_video_quality",
    head="AV-Qual.",
    title="Picture and sound",
    text="Which of the two is of better quality, picture and sound together?",
)

QUESTIONS: Mapping[Task, tuple[Question, ...]] = {
    "v2a": (
        _SOUND,
        _BOTH,
        _semantic("Which sound is closer in meaning to what is seen?"),
        _temporal("Which sound is better in time with what is seen?"),
    ),
    "a2v": (
        _PICTURE,
        _BOTH,
        _semantic("Which picture is closer in meaning to what is heard?"),
        _temporal("Which picture is better in time with what is heard?"),
    ),
    "av": (
        _SOUND,
        _PICTURE,
        _BOTH,
        _semantic("In which of the two are sound and picture closer in meaning to each other?"),
        _temporal("In which of the two are sound and picture better in time with each other?"),
    ),
}
"""The questions of each task, in the order in which they are asked."""
