"""`avlink export`: the sound of a project in a file for another program, beside the project.

Plugins write the formats; here the project is read, its media found, and the file moved into place. A file for another
program holds the sound only: the user's own project is never written again.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import opentimelineio as otio

from avlink.core.errors import AvlinkError, InputError, PluginError, TimelineError
from avlink.core.events import Listener, Message, ignore
from avlink.core.outputs import Outputs
from avlink.core.paths import Writer, atomic_write
from avlink.core.recipe.explain import suggest
from avlink.core.recipe.schema import ReadTable, SonifyRecipe
from avlink.edit.export_media import ExportMedia
from avlink.edit.project import check_project, media_files
from avlink.edit.result_names import result_base
from avlink.hooks import Registry, TimelineFormat, function_of, load_registry, resolve_run_hooks
from avlink.hooks.diagnostics import describe_call
from avlink.timeline.flat import FlatTimeline, FlatTrack
from avlink.timeline.flatten import flatten_timeline
from avlink.timeline.formats.collect import write_collected
from avlink.timeline.formats.otioz import unpack_sound
from avlink.timeline.metadata import sound_tracks
from avlink.timeline.read import TimelineFile, read_timeline, timeline_suffixes
from avlink.timeline.resolve import MediaRoots
from avlink.timeline.urls import rebase_urls
from avlink.timeline.write import WRITABLE, check_output, refuse_overwrite, write_timeline

_WHOLE = ("otio", "otioz", "otiod")
"""Formats that keep all of a project, and take it as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """A project and the format to write, by its name or suffix. Without `output` the file goes beside the project.

    `skip_missing` leaves out clips whose media is missing; otherwise they are written as the project names them.
    """

    input: Path
    to: str
    output: Path | None = None
    media_root: tuple[Path, ...] = ()
    overwrite: bool = False
    read: ReadTable = field(default_factory=ReadTable)
    skip_missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """The file that was written, the tracks in it, and the number of hits; `notes` say what the format cannot carry.

    `is_sound` unless it holds pictures, as cue sheets do. `missing` is the media in it of which no file was found.
    """

    input: Path
    output: Path
    to: str
    tracks: tuple[str, ...]
    clips: int
    hits: int = 0
    is_sound: bool = True
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints, without "format" and "command"."""
        return {
            "input": str(self.input),
            "output": str(self.output),
            "to": self.to,
            "tracks": list(self.tracks),
            "clips": self.clips,
            "hits": self.hits,
            "notes": list(self.notes),
            "missing": list(self.missing),
        }


def export(request: ExportRequest, registry: Registry | None = None, *, listener: Listener = ignore) -> ExportReport:
    """Write the sound of a project in another format.

    Media that is missing is asked of plugins, told, and in the report.

    Raises InputError for a format that is not there, a project that cannot be read or has nothing for that format,
    and an output place that cannot be written; PluginError when the plugin of the format fails.
    """
    registry = load_registry() if registry is None else registry
    found = _find(request.to, registry.formats)
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
    needs_media = isinstance(found, str) or found.needs_media
    media = ExportMedia(
        _unpacked(file, output) if not isinstance(found, str) else file.folder,
        MediaRoots(request.media_root),
        resolve_run_hooks(SonifyRecipe(), registry, listener=listener),
        request.input,
        skip_missing=request.skip_missing and needs_media,
    )
    if isinstance(found, str):
        notes = _write_whole(file, output, found, media, write)
        written = timeline.sound_tracks
    else:
        chosen = timeline.sound_tracks
        tracks = (media.track(track) if track in chosen else track for track in timeline.tracks)
        timeline = replace(timeline, tracks=tuple(tracks))
        written, notes = write_format(found, timeline, output, write=write)
    notes = [*media.notes, *_told(media, needed=needs_media), *notes]
    for note in notes:
        listener(Message(text=note, level="warning"))
    return ExportReport(
        input=request.input,
        output=output,
        to=name,
        tracks=tuple(track.name for track in written),
        clips=sum(len(track.clips) for track in written),
        hits=len(timeline.hits),
        is_sound=all(track.kind == "audio" for track in written),
        notes=tuple(notes),
        missing=() if request.skip_missing or not needs_media else tuple(media.missing),
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

    The whole of cut.edl is cut.otio, because cut.foley.otio is the name of what `avlink sonify` writes. Hits that have
    no sound yet keep their word: cut.spotted.rpp. Of several projects of one name each keeps its suffix:
    cut.edl.foley.rpp.
    """
    is_foley = path.stem.lower().endswith(".foley")
    is_spotted = path.stem.lower().endswith(".spotted")
    word = "" if whole or is_foley or is_spotted else ".foley"

    def named(base: Path) -> Path:
        return base.with_name(f"{base.name}{word}{suffix}")

    if is_foley or (is_spotted and not whole):
        return named(path.with_name(path.stem))
    stems = (path.with_name(f"{path.stem}.foley{one}") for one in WRITABLE)
    if not whole and any(one.exists() for one in stems):
        return named(path)
    return named(result_base(path, timeline_suffixes(), named, outputs, plain=(".otio",)))


def _unpacked(file: TimelineFile, output: Path) -> Path:
    """Return the folder of a project's relative media; the sound of a bundle is unpacked into one beside `output`."""
    if file.bundle is None:
        return file.folder
    stems = output.with_name(f"{output.stem.removesuffix('.foley')}.stems")
    return unpack_sound(file.bundle, sound_tracks(file.timeline), stems, foreign=True)


def _told(media: ExportMedia, *, needed: bool) -> list[str]:
    """Return a sentence that lists all media that is missing, or none."""
    if not media.missing:
        return []
    files, names = media_files(media.missing), ", ".join(media.missing)
    if media.skip_missing:
        return [f"{files} not found and left out: {names}"]
    hint = "; --media-root names folders to search, and --skip-missing leaves them out" if needed else ""
    return [f"{files} not found: {names}{hint}"]


def _write_whole(file: TimelineFile, output: Path, to: str, media: ExportMedia, write: Writer) -> list[str]:
    """Write the whole project, with its media inside where the format holds media."""
    if to != "otio":
        return write_collected(
            file.timeline, output, folder=file.folder, bundle=file.bundle, find=media.of_reference, write=write
        )
    if file.bundle is not None:
        raise TimelineError(
            f"{file.path} holds its media inside, which .otio cannot; unpack it with --to otiod, or keep .otioz"
        )
    media.check(file.timeline)
    timeline = file.timeline.deepcopy()
    rebase_urls(timeline, file.folder, output.parent)
    write_timeline(timeline, output, write=write)
    return []


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
                    f"timeline format '{format_.name}' failed: {describe_call(error)}; it was writing {output}"
                ) from error
    notes = list(dict.fromkeys(str(warning.message) for warning in said if warning.category is UserWarning))
    return timeline.sound_tracks if written is None else tuple(written), notes
