"""`avlink export`: the sound of a project in a file for another program, beside the project.

What the formats look like is the business of plugins; here the project is read, its media found, and the file put
where it belongs. A file for another program holds the sound only: the user's own project is never written again.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import opentimelineio as otio

from avlink.core.errors import AvlinkError, InputError, PluginError, TimelineError
from avlink.core.events import Listener, Message, ignore
from avlink.core.paths import atomic_write
from avlink.core.recipe.explain import suggest
from avlink.core.recipe.schema import ReadTable
from avlink.edit.cues import tell_words
from avlink.hooks import Registry, TimelineFormat, load_registry
from avlink.timeline.formats.collect import unpack_sound, write_collected
from avlink.timeline.place import KEY
from avlink.timeline.read import TimelineFile, read_timeline
from avlink.timeline.resolve import MediaRoots, find_file, remote_scheme
from avlink.timeline.urls import rebase_urls
from avlink.timeline.write import refuse_overwrite, write_timeline

_WHOLE = ("otio", "otioz", "otiod")
"""Formats that keep everything, so that they take the whole project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What to write: `to` is a format by its name or suffix. Without `output` it goes beside the project."""

    input: Path
    to: str
    output: Path | None = None
    media_root: tuple[Path, ...] = ()
    read: ReadTable = field(default_factory=ReadTable)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written; `notes` are sentences on what the format cannot carry."""

    input: Path
    output: Path
    to: str
    tracks: tuple[str, ...]
    clips: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints, without "format" and "command"."""
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
    output = request.output or file.path.with_name(f"{file.path.stem.removesuffix('.foley')}.foley{suffix}")
    if found != "otiod":
        # That is a folder, and the only output that may not be there already.
        refuse_overwrite(output, inputs=(request.input,))
    if isinstance(found, str):
        notes = _write_whole(file, output, found, request.media_root)
    else:
        timeline = file.timeline.deepcopy()
        tell_words(timeline)
        lost = _find_media(timeline, file, output, MediaRoots(request.media_root))
        notes = [*lost, *write_format(found, timeline, output)]
    for note in notes:
        listener(Message(text=note, level="warning"))
    own = _sound_tracks(file.timeline)
    return ExportReport(
        input=request.input,
        output=output,
        to=name,
        tracks=tuple(track.name for track in own),
        clips=sum(len(list(track.find_clips())) for track in own),
        notes=tuple(notes),
    )


def targets(formats: Mapping[str, TimelineFormat]) -> tuple[str, ...]:
    """Everything that can be asked for: names of formats, and suffixes that mean one of them."""
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


def _write_whole(file: TimelineFile, output: Path, to: str, media_root: tuple[Path, ...]) -> list[str]:
    """The whole project, with its media inside where the format has an inside."""
    if to != "otio":
        return write_collected(file.timeline, output, folder=file.folder, bundle=file.bundle, roots=media_root)
    if file.bundle is not None:
        raise TimelineError(
            f"{file.path} holds its media inside, which .otio cannot; unpack it with --to otiod, or keep .otioz"
        )
    timeline = file.timeline.deepcopy()
    rebase_urls(timeline, file.folder, output.parent)
    write_timeline(timeline, output)
    return []


def _find_media(timeline: otio.schema.Timeline, file: TimelineFile, output: Path, roots: MediaRoots) -> list[str]:
    """Name the media of the sound tracks by whole paths, in place. Returns a sentence on what is not there."""
    folder = file.folder
    if file.bundle is not None:
        folder = unpack_sound(
            file.bundle, _sound_tracks(timeline), output.with_name(f"{output.stem.removesuffix('.foley')}.stems")
        )
    missing = []
    for ref in _references(timeline):
        url = ref.target_url or ""
        if not url or remote_scheme(url) is not None:
            continue
        path = find_file(url, folder, roots)
        if path is None:
            missing.append(url)
        else:
            ref.target_url = str(path.absolute())
    if not missing:
        return []
    names = list(dict.fromkeys(missing))
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [f"media of the sound tracks is missing: {', '.join(names[:3])}{more}; --media-root names folders to search"]


def _references(timeline: otio.schema.Timeline) -> Iterator[otio.schema.ExternalReference]:
    for track in _sound_tracks(timeline):
        for clip in track.find_clips():
            # The values of `media_references()` are the references themselves, not copies.
            for ref in clip.media_references().values():
                if isinstance(ref, otio.schema.ExternalReference):
                    yield ref


def _sound_tracks(timeline: otio.schema.Timeline) -> list[otio.schema.Track]:
    tracks = list(timeline.audio_tracks())
    return [track for track in tracks if KEY in track.metadata] or tracks


def write_format(format_: TimelineFormat, timeline: otio.schema.Timeline, output: Path) -> list[str]:
    """Let a plugin write a file, as a whole or not at all, and return the sentences that it warned with.

    Raises TimelineError for what the format cannot carry, PluginError when it fails otherwise, OutputError.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        with atomic_write(output) as temporary:
            try:
                format_.write(timeline, temporary)
            except (OSError, AvlinkError):
                raise
            except otio.exceptions.OTIOError as error:
                raise TimelineError(f"{format_.suffix} cannot be written: {error}") from error
            except Exception as error:
                raise PluginError(
                    f"timeline format '{format_.name}' failed: {type(error).__name__}: {error}"
                ) from error
    return list(dict.fromkeys(str(warning.message) for warning in said if warning.category is UserWarning))
