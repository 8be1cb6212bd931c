"""Prompts in text files beside the media."""

from __future__ import annotations

from dataclasses import replace

from avlink import InputError, Prompt
from avlink.hooks import ClipSettings, RunClip

_MAX_CHARS = 4000
_NEGATIVE = "negative:"


def prompt_from_file(clip: RunClip, settings: ClipSettings) -> ClipSettings | None:
    """Return the settings with the prompt of the file beside the clip's media; None where there is none.

    The file of door.mp4 is door.prompt.txt. Its lines are the prompt; those that begin with "negative:" say what it
    should not sound like. Words in the project come first. Raises InputError for a file that cannot be used.
    """
    path = clip.media.with_name(f"{clip.media.stem}.prompt.txt")
    if clip.has_own_prompt or not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the prompt in {path} cannot be read: {error}") from None
    if len(text) > _MAX_CHARS:
        raise InputError(f"the prompt in {path} has {len(text)} characters; {_MAX_CHARS} is the most")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    unwanted = [line[len(_NEGATIVE) :].strip() for line in lines if line.lower().startswith(_NEGATIVE)]
    wanted = [line for line in lines if not line.lower().startswith(_NEGATIVE)]
    negative = " ".join(unwanted) if unwanted else settings.prompt.negative
    return replace(settings, prompt=Prompt(text=" ".join(wanted) or settings.prompt.text, negative=negative))
