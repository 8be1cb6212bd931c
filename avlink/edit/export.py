"""`avlink export`: the sound of a project in a file for another program, beside the project.

Plugins write the formats; here the project is read, its media found, and the file moved into place. A file for another
program holds the sound only: the user's own project is never written again.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import opentimelineio as otio

from avlink.core.errors import AvlinkError, InputError, MediaError, PluginError, TimelineError
from avlink.core.events import Listener, Message, ignore
from avlink.core.outputs import Outputs
from avlink.core.paths import Writer, atomic_write
from avlink.core.recipe.explain import suggest
from avlink.core.recipe.schema import ReadTable
from avlink.edit.project import check_project
from avlink.edit.result_names import result_base
from avlink.edit.sources import timecode_s
from avlink.hooks import Registry, TimelineFormat, function_of, load_registry
from avlink.media.probe import MediaInfo, probe
from avlink.timeline.flat import FlatClip, FlatMedia, FlatTimeline, FlatTrack
from avlink.timeline.flatten import flatten_timeline
from avlink.timeline.formats.collect import write_collected
from avlink.timeline.formats.otioz import unpack_sound
from avlink.timeline.media_refs import FILM_SUFFIXES, SOUND_SUFFIXES, MediaRef
from avlink.timeline.metadata import sound_tracks
from avlink.timeline.read import TimelineFile, read_timeline, timeline_suffixes
from avlink.timeline.resolve import MediaRoots, media_start, remote_scheme
from avlink.timeline.urls import rebase_urls
from avlink.timeline.write import WRITABLE, check_output, refuse_overwrite, write_timeline

_WHOLE = ("otio", "otioz", "otiod")
"""Formats that keep all of a project, and take it as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """A project and the format to write, by its name or suffix. Without `output` the file goes beside the project."""

    input: Path
    to: str
    output: Path | None = None
    media_root: tuple[Path, ...] = ()
    overwrite: bool = False
    read: ReadTable = field(default_factory=ReadTable)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """The file that was written and the tracks in it; `notes` are sentences on what the format cannot carry.

    `is_sound` unless it holds pictures, as cue sheets do.
    """

    input: Path
    output: Path
    to: str
    tracks: tuple[str, ...]
    clips: int
    is_sound: bool = True
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints, without "format" and "command"."""
        return {
            "input": str(self.input),
            "output": str(self.output),
            "to": self.to,
            "tracks": list(self.tracks),
            "clips": self.clips,
            "notes": list(self.notes),
        }


def export(request: ExportRequest, registry: Registry | None = None, *, listener: Listener = ignore) -> ExportReport:
    """Write the sound of a project in another format.

    Raises InputError for a format that is not there, a project that cannot be read or has nothing for that format,
    and an output place that cannot be written; PluginError when the plugin of the format fails.
    """
    formats = (load_registry() if registry is None else registry).formats
    found = _find(request.to, formats)
    name, suffix = (found, f".{found}") if isinstance(found, str) else (found.name, found.suffix)
    file = read_timeline(request.input, request.read)
    for note in file.notes:
        listener(Message(text=note))
    outputs = Outputs(overwrite=request.overwrite)
    output = request.output or _default_output(file.path, suffix, outputs, whole=isinstance(found, str))
    if found == "otiod":
        check_output(output, inputs=(request.input,))
    else:
        refuse_overwrite(output, inputs=(request.input,))
    check_project(output, outputs)
    write = partial(outputs.write, source=request.input)
    timeline = flatten_timeline(file.timeline, drop_frame=file.drop_frame)
    if isinstance(found, str):
        notes = _write_whole(file, output, found, request.media_root, write)
        written = timeline.sound_tracks
    else:
        timeline, lost = _find_media(timeline, file, output, MediaRoots(request.media_root))
        written, said = write_format(found, timeline, output, write=write)
        notes = [*lost, *said]
    for note in notes:
        listener(Message(text=note, level="warning"))
    return ExportReport(
        input=request.input,
        output=output,
        to=name,
        tracks=tuple(track.name for track in written),
        clips=sum(len(track.clips) for track in written),
        is_sound=all(track.kind == "audio" for track in written),
        notes=tuple(notes),
    )


def targets(formats: Mapping[str, TimelineFormat]) -> tuple[str, ...]:
    """Return all names that `--to` takes: of formats, and suffixes that mean one of them."""
    return tuple(sorted({*_WHOLE, *formats, *(found.suffix.lstrip(".") for found in formats.values())}))


def _find(wanted: str, formats: Mapping[str, TimelineFormat]) -> TimelineFormat | str:
    to = wanted.lower().lstrip(".")
    if to in _WHOLE:
        return to
    by_suffix = {found.suffix.lstrip(".").lower(): found for found in formats.values()}
    found = formats.get(to) or by_suffix.get(to)
    if found is None:
        raise InputError(f"--to {wanted}: there is no such format; {suggest(to, targets(formats))}")
    return found


def _default_output(path: Path, suffix: str, outputs: Outputs, *, whole: bool) -> Path:
    """Return the file beside the project: cut.foley.rpp for cut.foley.otio, and for cut.otio where that is not there.

    The whole of cut.edl is cut.otio, because cut.foley.otio is the name of what `avlink sonify` writes. Of several
    projects of one name each keeps its suffix: cut.edl.foley.rpp.
    """
    is_foley = path.stem.lower().endswith(".foley")
    word = "" if whole or is_foley else ".foley"

    def named(base: Path) -> Path:
        return base.with_name(f"{base.name}{word}{suffix}")

    if is_foley:
        return named(path.with_name(path.stem))
    stems = (path.with_name(f"{path.stem}.foley{one}") for one in WRITABLE)
    if not whole and any(one.exists() for one in stems):
        return named(path)
    return named(result_base(path, timeline_suffixes(), named, outputs, plain=(".otio",)))


def _write_whole(file: TimelineFile, output: Path, to: str, media_root: tuple[Path, ...], write: Writer) -> list[str]:
    """Write the whole project, with its media inside where the format holds media."""
    if to != "otio":
        return write_collected(
            file.timeline, output, folder=file.folder, bundle=file.bundle, roots=media_root, write=write
        )
    if file.bundle is not None:
        raise TimelineError(
            f"{file.path} holds its media inside, which .otio cannot; unpack it with --to otiod, or keep .otioz"
        )
    timeline = file.timeline.deepcopy()
    rebase_urls(timeline, file.folder, output.parent)
    write_timeline(timeline, output, write=write)
    return []


def _find_media(
    timeline: FlatTimeline, file: TimelineFile, output: Path, roots: MediaRoots
) -> tuple[FlatTimeline, list[str]]:
    """Return the timeline with whole paths for the media of its sound tracks, and a sentence on what is missing."""
    folder = file.folder
    if file.bundle is not None:
        stems = output.with_name(f"{output.stem.removesuffix('.foley')}.stems")
        folder = unpack_sound(file.bundle, sound_tracks(file.timeline), stems, foreign=True)
    finder = _MediaFinder(folder, roots)
    chosen = timeline.sound_tracks
    tracks = (finder.track(track) if track in chosen else track for track in timeline.tracks)
    timeline = replace(timeline, tracks=tuple(tracks))
    if not finder.missing:
        return timeline, []
    names = list(finder.missing)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    said = f"media of the sound tracks is missing: {', '.join(names[:3])}{more}; --media-root names folders to search"
    return timeline, [said]


class _MediaFinder:
    """Finds the files of sound clips as `avlink sonify` finds those of pictures. `missing` is what it did not find."""

    def __init__(self, folder: Path, roots: MediaRoots) -> None:
        self.missing: dict[str, None] = {}
        self._folder, self._roots = folder, roots
        self._known: dict[Path, MediaInfo | None] = {}

    def track(self, track: FlatTrack) -> FlatTrack:
        """Return a track whose clips name whole paths."""
        find = self._stem if track.ours else self._clip
        return replace(track, clips=tuple(find(clip) for clip in track.clips))

    def _stem(self, clip: FlatClip) -> FlatClip:
        return replace(clip, media=tuple(self._file(one) or one for one in clip.media))

    def _clip(self, clip: FlatClip) -> FlatClip:
        if not clip.media:
            # EDLs name clips and no files.
            path = self._roots.find_named(clip.name, (*SOUND_SUFFIXES, *FILM_SUFFIXES))
            return clip if path is None else self._playing(clip, path)
        files = [self._file(one) for one in clip.media]
        found = [number for number, file in enumerate(files) if file is not None]
        media = [self._in_file(clip, file) or one for file, one in zip(files, clip.media, strict=True)]
        # Where the active medium has no file, another one plays. Of takes a person chose one, and none replaces it.
        active = clip.active if clip.active in found or not found else found[0]
        return replace(clip, media=tuple(media), active=active)

    def _file(self, media: FlatMedia) -> FlatMedia | None:
        """Return a medium with the whole path of its file; None for one without, which is remembered as missing."""
        if remote_scheme(media.url) is not None:
            return media
        path = self._roots.file(media.url, self._folder)
        if path is None:
            self.missing[media.url] = None
            return None
        return replace(media, url=str(path.absolute()))

    def _in_file(self, clip: FlatClip, media: FlatMedia | None) -> FlatMedia | None:
        """Return a medium whose range the timeline does not state with its offset from the file's first sample."""
        if media is None or media.duration_s is not None or not media.offset_s or remote_scheme(media.url) is not None:
            return media
        moved_s = self._start_s(clip, Path(media.url)) - clip.source_start_s
        return replace(media, offset_s=max(Fraction(0), media.offset_s + moved_s))

    def _playing(self, clip: FlatClip, path: Path) -> FlatClip:
        """Return a clip that names no media with the file that was found by its name."""
        start_s = max(Fraction(0), self._start_s(clip, path))
        lead_s = min(clip.lead_s, start_s)
        media = FlatMedia(name=clip.name, url=str(path.absolute()), offset_s=start_s - lead_s)
        fade_in_s = max(Fraction(0), clip.fade_in_s - (clip.lead_s - lead_s))
        return replace(clip, media=(media,), active=0, lead_s=lead_s, fade_in_s=fade_in_s)

    def _start_s(self, clip: FlatClip, path: Path) -> Fraction:
        """Return where in its file a clip begins, which may be stated as the file's own timecode."""
        if path not in self._known:
            try:
                self._known[path] = probe(path)
            except MediaError:
                self._known[path] = None
        info = self._known[path]
        if info is None:
            return clip.source_start_s
        reference_s = None if info.audio is None else info.audio.time_reference_s
        timecode = reference_s if info.video is None else timecode_s(info.video)
        ref = MediaRef(key="", kind="file")
        return media_start(ref, clip.source_start_s, timecode_s=timecode, file_duration_s=info.duration_s)


def write_format(
    format_: TimelineFormat, timeline: FlatTimeline, output: Path, *, write: Writer = atomic_write
) -> tuple[tuple[FlatTrack, ...], list[str]]:
    """Let a plugin write a file, as a whole or not at all; return the tracks in it and the plugin's warnings.

    Raises TimelineError for what the format cannot carry, PluginError when it fails otherwise, OutputError.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        with write(output) as temporary:
            try:
                written = function_of(format_.write)(timeline, temporary)
            except (OSError, AvlinkError):
                raise
            except otio.exceptions.OTIOError as error:
                raise TimelineError(f"{format_.suffix} cannot be written: {error}") from error
            except Exception as error:
                raise PluginError(
                    f"timeline format '{format_.name}' failed: {type(error).__name__}: {error}"
                ) from error
    notes = list(dict.fromkeys(str(warning.message) for warning in said if warning.category is UserWarning))
    return timeline.sound_tracks if written is None else tuple(written), notes
