"""AVLink gives every clip of an edit its sound.

These are the names that plugins and programs need; all else is imported from where it lives. Nothing heavy is imported
here, and what a name stands for only when it is first used.

    from avlink import SonifyRequest, find_recipe, sonify

    report = sonify(SonifyRequest(input=Path("cut.otio"), recipe=find_recipe("foley", "sonify")))

`open_session` gives surroundings for several runs, which keep the model loaded between them. `check_whole` and
`needed_media` tell whether a file that somebody is still writing is all there.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avlink.app.arrivals import NeededMedia, check_whole, needed_media
    from avlink.app.report import SonifyReport
    from avlink.app.request import SonifyRequest
    from avlink.app.session import Session, open_session
    from avlink.app.sonify import sonify
    from avlink.core.values import SoundSource, Waveform
    from avlink.hooks import Options, find_recipe, hookimpl

__version__ = "0.1.0"
__all__ = [
    "NeededMedia",
    "Options",
    "Session",
    "SonifyReport",
    "SonifyRequest",
    "SoundSource",
    "Waveform",
    "__version__",
    "check_whole",
    "find_recipe",
    "hookimpl",
    "needed_media",
    "open_session",
    "sonify",
]

_LIVES_IN = {
    "NeededMedia": "avlink.app.arrivals",
    "Options": "avlink.hooks",
    "Session": "avlink.app.session",
    "SonifyReport": "avlink.app.report",
    "SonifyRequest": "avlink.app.request",
    "SoundSource": "avlink.core.values",
    "Waveform": "avlink.core.values",
    "check_whole": "avlink.app.arrivals",
    "find_recipe": "avlink.hooks",
    "hookimpl": "avlink.hooks",
    "needed_media": "avlink.app.arrivals",
    "open_session": "avlink.app.session",
    "sonify": "avlink.app.sonify",
}


def __getattr__(name: str) -> Any:
    if name in _LIVES_IN:
        return getattr(import_module(_LIVES_IN[name]), name)
    raise AttributeError(f"module 'avlink' has no attribute {name!r}")
