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
    from avlink.core import clock, errors
    from avlink.core.bundles import BUILTIN, bundle_fingerprint, find_bundle
    from avlink.core.clock import exact_rate, to_index
    from avlink.core.errors import (
        AvlinkError,
        BundleError,
        ExecutorError,
        InputError,
        MediaError,
        OutputError,
        PluginError,
        RecipeError,
        TooShort,
    )
    from avlink.core.events import Event, JobDone, JobFailed, JobStarted, Listener, Message, PlanReady, StepDone
    from avlink.core.features import Content, FeatureExtractor, Features, Scene
    from avlink.core.hashing import derive_seed, digest, file_digest, fraction_text
    from avlink.core.paths import TEMPORARY_PREFIX, atomic_write, cache_dir, make_folder, sweep_leftovers, write_text
    from avlink.core.picture import SpooledPictures
    from avlink.core.recipe import Override, SonifyRecipe, VisualizeRecipe, check_values, overrides_of, report
    from avlink.core.signals import asked_to_end
    from avlink.core.sound import AmplifiedSound, FittedSound, SpooledSound, read_blocks, read_whole
    from avlink.core.store import Store
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
    from avlink.engine.bundle import A2V, V2A, load_system, read_bundle
    from avlink.engine.public.checkpoint import read_checkpoint
    from avlink.engine.sampling import PictureSampler, SampleConfig, SoundSampler
    from avlink.engine.text.t5 import import_transformers
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
    from avlink.timeline.flat import FlatClip, FlatMedia, FlatTimeline, FlatTrack
    from avlink.timeline.flatten import flatten_timeline
    from avlink.timeline.markers import Marker
    from avlink.timeline.timecode import nominal_rate, timecode_of_frames

__version__ = "0.1.0"
__all__ = [
    "A2V",
    "BUILTIN",
    "TEMPORARY_PREFIX",
    "V2A",
    "AmplifiedSound",
    "AvlinkError",
    "BundleError",
    "Content",
    "Event",
    "ExecutorError",
    "FeatureExtractor",
    "Features",
    "FittedSound",
    "FlatClip",
    "FlatMedia",
    "FlatTimeline",
    "FlatTrack",
    "FrameSource",
    "Frames",
    "InputError",
    "JobDone",
    "JobFailed",
    "JobStarted",
    "Listener",
    "Loudness",
    "LoudnessTarget",
    "Marker",
    "Mastered",
    "MediaError",
    "MediaInfo",
    "Message",
    "NeededMedia",
    "OnStep",
    "Options",
    "OutputError",
    "Override",
    "PictureGenerator",
    "PictureRequest",
    "PictureSampler",
    "PictureSpec",
    "PlanReady",
    "PluginError",
    "Prompt",
    "RecipeError",
    "SampleConfig",
    "Scene",
    "Session",
    "SonifyRecipe",
    "SonifyReport",
    "SonifyRequest",
    "SoundGenerator",
    "SoundRequest",
    "SoundSampler",
    "SoundSource",
    "SpooledPictures",
    "SpooledSound",
    "StepDone",
    "Store",
    "TimedPicture",
    "TooShort",
    "VisualizeRecipe",
    "WaveFile",
    "Waveform",
    "__version__",
    "asked_to_end",
    "atomic_write",
    "bundle_fingerprint",
    "cache_dir",
    "check_values",
    "check_whole",
    "clock",
    "derive_seed",
    "digest",
    "errors",
    "exact_rate",
    "file_digest",
    "find_bundle",
    "find_recipe",
    "flatten_timeline",
    "fraction_text",
    "hookimpl",
    "import_transformers",
    "load_system",
    "make_folder",
    "master",
    "measure_loudness",
    "mux_sound",
    "needed_media",
    "nominal_rate",
    "open_session",
    "overrides_of",
    "pick_device",
    "picture_digest",
    "probe",
    "progress",
    "read_audio",
    "read_blocks",
    "read_bundle",
    "read_checkpoint",
    "read_tags",
    "read_whole",
    "report",
    "sonify",
    "sound_for_frames",
    "sweep_leftovers",
    "timecode_of_frames",
    "to_index",
    "write_animation",
    "write_text",
    "write_video",
]

_LIVES_IN = {
    "A2V": "avlink.engine.bundle",
    "AmplifiedSound": "avlink.core.sound",
    "AvlinkError": "avlink.core.errors",
    "BUILTIN": "avlink.core.bundles",
    "BundleError": "avlink.core.errors",
    "Content": "avlink.core.features",
    "Event": "avlink.core.events",
    "ExecutorError": "avlink.core.errors",
    "FeatureExtractor": "avlink.core.features",
    "Features": "avlink.core.features",
    "FittedSound": "avlink.core.sound",
    "FlatClip": "avlink.timeline.flat",
    "FlatMedia": "avlink.timeline.flat",
    "FlatTimeline": "avlink.timeline.flat",
    "FlatTrack": "avlink.timeline.flat",
    "FrameSource": "avlink.core.values",
    "Frames": "avlink.core.values",
    "InputError": "avlink.core.errors",
    "JobDone": "avlink.core.events",
    "JobFailed": "avlink.core.events",
    "JobStarted": "avlink.core.events",
    "Listener": "avlink.core.events",
    "Loudness": "avlink.media.loudness",
    "LoudnessTarget": "avlink.media.master",
    "Marker": "avlink.timeline.markers",
    "Mastered": "avlink.media.master",
    "MediaError": "avlink.core.errors",
    "MediaInfo": "avlink.media.probe",
    "Message": "avlink.core.events",
    "NeededMedia": "avlink.edit.needed_media",
    "OnStep": "avlink.core.values",
    "Options": "avlink.hooks",
    "OutputError": "avlink.core.errors",
    "Override": "avlink.core.recipe",
    "PictureGenerator": "avlink.core.values",
    "PictureRequest": "avlink.core.values",
    "PictureSampler": "avlink.engine.sampling",
    "PictureSpec": "avlink.core.values",
    "PlanReady": "avlink.core.events",
    "PluginError": "avlink.core.errors",
    "Prompt": "avlink.core.values",
    "RecipeError": "avlink.core.errors",
    "SampleConfig": "avlink.engine.sampling",
    "Scene": "avlink.core.features",
    "Session": "avlink.session",
    "SonifyRecipe": "avlink.core.recipe",
    "SonifyReport": "avlink.edit.report",
    "SonifyRequest": "avlink.edit.request",
    "SoundGenerator": "avlink.core.values",
    "SoundRequest": "avlink.core.values",
    "SoundSampler": "avlink.engine.sampling",
    "SoundSource": "avlink.core.values",
    "SpooledPictures": "avlink.core.picture",
    "SpooledSound": "avlink.core.sound",
    "StepDone": "avlink.core.events",
    "Store": "avlink.core.store",
    "TEMPORARY_PREFIX": "avlink.core.paths",
    "TimedPicture": "avlink.media.animation",
    "TooShort": "avlink.core.errors",
    "V2A": "avlink.engine.bundle",
    "VisualizeRecipe": "avlink.core.recipe",
    "WaveFile": "avlink.media.wave",
    "Waveform": "avlink.core.values",
    "asked_to_end": "avlink.core.signals",
    "atomic_write": "avlink.core.paths",
    "bundle_fingerprint": "avlink.core.bundles",
    "cache_dir": "avlink.core.paths",
    "check_values": "avlink.core.recipe",
    "check_whole": "avlink.edit.needed_media",
    "clock": "avlink.core",
    "derive_seed": "avlink.core.hashing",
    "digest": "avlink.core.hashing",
    "errors": "avlink.core",
    "exact_rate": "avlink.core.clock",
    "file_digest": "avlink.core.hashing",
    "find_bundle": "avlink.core.bundles",
    "find_recipe": "avlink.hooks",
    "flatten_timeline": "avlink.timeline.flatten",
    "fraction_text": "avlink.core.hashing",
    "hookimpl": "avlink.hooks",
    "import_transformers": "avlink.engine.text.t5",
    "load_system": "avlink.engine.bundle",
    "make_folder": "avlink.core.paths",
    "master": "avlink.media.master",
    "measure_loudness": "avlink.media.loudness",
    "mux_sound": "avlink.media.mux",
    "needed_media": "avlink.edit.needed_media",
    "nominal_rate": "avlink.timeline.timecode",
    "open_session": "avlink.session",
    "overrides_of": "avlink.core.recipe",
    "pick_device": "avlink.session",
    "picture_digest": "avlink.media.mux",
    "probe": "avlink.media.probe",
    "progress": "avlink.cli.console",
    "read_audio": "avlink.media.audio",
    "read_blocks": "avlink.core.sound",
    "read_bundle": "avlink.engine.bundle",
    "read_checkpoint": "avlink.engine.public.checkpoint",
    "read_tags": "avlink.media.mux",
    "read_whole": "avlink.core.sound",
    "report": "avlink.core.recipe",
    "sonify": "avlink.edit.sonify",
    "sound_for_frames": "avlink.edit.frames_sound",
    "sweep_leftovers": "avlink.core.paths",
    "timecode_of_frames": "avlink.timeline.timecode",
    "to_index": "avlink.core.clock",
    "write_animation": "avlink.media.animation",
    "write_text": "avlink.core.paths",
    "write_video": "avlink.media.movie",
}


def __getattr__(name: str) -> Any:
    if name not in _LIVES_IN:
        raise AttributeError(f"module 'avlink' has no attribute {name!r}")
    # A module such as `clock` is an attribute of its package only once it was imported.
    place = _LIVES_IN[name]
    if place == "avlink.core":
        return import_module(f"{place}.{name}")
    return getattr(import_module(place), name)
