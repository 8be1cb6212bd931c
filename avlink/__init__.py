"""AVLink gives every clip of an edit its sound.

These are the names that plugins and programs need; all else is imported from where it lives. Nothing heavy is imported
here, and what a name stands for only when it is first used.

    from avlink import SonifyRequest, find_recipe, sonify

    report = sonify(SonifyRequest(input=Path("cut.otio"), recipe=find_recipe("foley", "sonify")))

`open_session` gives surroundings for several runs, which keep the model loaded between them. `check_whole` and
`needed_media` tell whether a file that somebody is still writing is all there. `sound_for_frames` makes the sound of
pictures in memory, `master` brings a sound to a loudness, `mux_sound` puts it to a movie whose picture stays as it is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avlink.cli.console import progress
    from avlink.core.clock import to_index
    from avlink.core.errors import AvlinkError, InputError, MediaError, OutputError, PlaceError, PluginError, TooShort
    from avlink.core.features import FeatureExtractor, Features, Scene
    from avlink.core.values import (
        Frames,
        FrameSource,
        OnStep,
        PictureGenerator,
        PictureRequest,
        PictureSpec,
        Prompt,
        SoundGenerator,
        SoundRequest,
        SoundSource,
        Waveform,
    )
    from avlink.edit.frames_sound import sound_for_frames
    from avlink.edit.needed_media import NeededMedia, check_whole, needed_media
    from avlink.edit.report import SonifyReport
    from avlink.edit.request import SonifyRequest
    from avlink.edit.sonify import sonify
    from avlink.hooks import Options, find_recipe, hookimpl
    from avlink.media.animation import TimedPicture, write_animation
    from avlink.media.audio import read_audio
    from avlink.media.loudness import Loudness, measure_loudness
    from avlink.media.master import LoudnessTarget, Mastered, master
    from avlink.media.movie import write_video
    from avlink.media.mux import mux_sound, picture_digest, read_tags
    from avlink.media.probe import MediaInfo, probe
    from avlink.media.wave import WaveFile
    from avlink.session import Session, open_session, pick_device

__version__ = "0.1.0"
__all__ = [
    "AvlinkError",
    "FeatureExtractor",
    "Features",
    "FrameSource",
    "Frames",
    "InputError",
    "Loudness",
    "LoudnessTarget",
    "Mastered",
    "MediaError",
    "MediaInfo",
    "NeededMedia",
    "OnStep",
    "Options",
    "OutputError",
    "PictureGenerator",
    "PictureRequest",
    "PictureSpec",
    "PlaceError",
    "PluginError",
    "Prompt",
    "Scene",
    "Session",
    "SonifyReport",
    "SonifyRequest",
    "SoundGenerator",
    "SoundRequest",
    "SoundSource",
    "TimedPicture",
    "TooShort",
    "WaveFile",
    "Waveform",
    "__version__",
    "check_whole",
    "find_recipe",
    "hookimpl",
    "master",
    "measure_loudness",
    "mux_sound",
    "needed_media",
    "open_session",
    "pick_device",
    "picture_digest",
    "probe",
    "progress",
    "read_audio",
    "read_tags",
    "sonify",
    "sound_for_frames",
    "to_index",
    "write_animation",
    "write_video",
]

_LIVES_IN = {
    "AvlinkError": "avlink.core.errors",
    "FeatureExtractor": "avlink.core.features",
    "Features": "avlink.core.features",
    "FrameSource": "avlink.core.values",
    "Frames": "avlink.core.values",
    "InputError": "avlink.core.errors",
    "Loudness": "avlink.media.loudness",
    "LoudnessTarget": "avlink.media.master",
    "Mastered": "avlink.media.master",
    "MediaError": "avlink.core.errors",
    "MediaInfo": "avlink.media.probe",
    "NeededMedia": "avlink.edit.needed_media",
    "OnStep": "avlink.core.values",
    "Options": "avlink.hooks",
    "OutputError": "avlink.core.errors",
    "PictureGenerator": "avlink.core.values",
    "PictureRequest": "avlink.core.values",
    "PictureSpec": "avlink.core.values",
    "PlaceError": "avlink.core.errors",
    "PluginError": "avlink.core.errors",
    "Prompt": "avlink.core.values",
    "Scene": "avlink.core.features",
    "Session": "avlink.session",
    "SonifyReport": "avlink.edit.report",
    "SonifyRequest": "avlink.edit.request",
    "SoundGenerator": "avlink.core.values",
    "SoundRequest": "avlink.core.values",
    "SoundSource": "avlink.core.values",
    "TimedPicture": "avlink.media.animation",
    "TooShort": "avlink.core.errors",
    "WaveFile": "avlink.media.wave",
    "Waveform": "avlink.core.values",
    "check_whole": "avlink.edit.needed_media",
    "find_recipe": "avlink.hooks",
    "hookimpl": "avlink.hooks",
    "master": "avlink.media.master",
    "measure_loudness": "avlink.media.loudness",
    "mux_sound": "avlink.media.mux",
    "needed_media": "avlink.edit.needed_media",
    "open_session": "avlink.session",
    "pick_device": "avlink.session",
    "picture_digest": "avlink.media.mux",
    "probe": "avlink.media.probe",
    "progress": "avlink.cli.console",
    "read_audio": "avlink.media.audio",
    "read_tags": "avlink.media.mux",
    "sonify": "avlink.edit.sonify",
    "sound_for_frames": "avlink.edit.frames_sound",
    "to_index": "avlink.core.clock",
    "write_animation": "avlink.media.animation",
    "write_video": "avlink.media.movie",
}


def __getattr__(name: str) -> Any:
    if name in _LIVES_IN:
        return getattr(import_module(_LIVES_IN[name]), name)
    raise AttributeError(f"module 'avlink' has no attribute {name!r}")
