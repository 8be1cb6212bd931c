"""Project files: the folder of their media, messages on a plan, and writing a timeline back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import opentimelineio as otio

from avlink.core.errors import InputError, TimelineError
from avlink.core.events import Message
from avlink.core.file_digest import file_state
from avlink.core.outputs import Outputs
from avlink.core.paths import Writer
from avlink.core.store import mark_used
from avlink.core.text import first_reasons
from avlink.edit.result_names import result_base
from avlink.session import Session
from avlink.timeline.formats.collect import write_collected
from avlink.timeline.formats.otioz import (
    CONTENT,
    member_names,
    open_bundle,
    stays_inside,
    unpack_media,
    unpack_sound,
    write_bundle,
)
from avlink.timeline.read import TimelineFile, timeline_suffixes
from avlink.timeline.urls import rebase_urls, url_style, write_url
from avlink.timeline.values import Skip
from avlink.timeline.write import BUNDLES, write_timeline


class Planned(Protocol):
    """A plan of any kind: clips with work to do, clips without, and sentences for people."""

    @property
    def jobs(self) -> Sequence[object]:
        """The work, in timeline order."""
        ...

    @property
    def skips(self) -> Sequence[Skip]:
        """The clips that are left out."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """Sentences on what had to be assumed."""
        ...


def check_roots(folders: Iterable[Path]) -> None:
    """Raise InputError for a media root that is no folder."""
    for root in folders:
        if not root.is_dir():
            raise InputError(f"{root} is no folder; --media-root names folders in which media is searched")


def check_holds(file: TimelineFile, output: Path) -> None:
    """Raise TimelineError for media that lies inside of a bundle and would be left there."""
    if file.bundle is not None and output.suffix.lower() not in BUNDLES:
        raise TimelineError(
            f"{output} cannot be the output: {file.path} holds its media inside, which becomes .otioz again, or .otiod"
        )


def check_project(output: Path, outputs: Outputs) -> None:
    """Raise OutputError for a project file or folder that AVLink did not write, or that was changed since."""
    outputs.check(content_file(output))


def content_file(project: Path) -> Path:
    """Return the file that holds a project: itself, or the timeline in the folder that it is."""
    return project / CONTENT if project.is_dir() else project


def media_folder(file: TimelineFile, session: Session, *, sound: bool = False) -> Path:
    """Return the folder that relative media paths start from.

    For a bundle this is a folder of the cache, into which its pictures, or its `sound`, are unpacked.

    Raises TimelineError for a broken bundle, MediaChanged for one that is replaced meanwhile.
    """
    if file.bundle is None:
        return file.folder
    state = file_state(file.bundle, session.store)
    folder = session.cache / "bundles" / state.digest
    if sound:
        unpack_sound(file.bundle, file.timeline.audio_tracks(), folder)
    else:
        unpack_media(file.bundle, file.timeline, folder)
    state.check()
    mark_used(folder)
    return folder


def default_output(file: TimelineFile, word: str, base: Path | None, outputs: Outputs) -> Path:
    """Return `<name>.<word>.otio` beside the file that was read, or `<base>.<word>.otio`.

    Of several timelines of one name, each but an .otio keeps its suffix in the name: cut.edl.foley.otio.
    """
    # Media inside a bundle has no path that another project could name.
    suffix = ".otioz" if file.bundle is not None else ".otio"

    def named(base: Path) -> Path:
        return base.with_name(f"{base.name}.{word}{suffix}")

    return named(base or result_base(file.path, timeline_suffixes(), named, outputs, plain=(".otio", ".otioz")))


def tell_plan(file: TimelineFile, plan: Planned, session: Session, *, stop_if_missing: bool = False) -> None:
    """Send the notes of a file and its plan, and the media that is missing or unusable, once each.

    With `stop_if_missing`, `refuse_missing` names missing media.
    """
    for note in (*file.notes, *plan.notes):
        session.tell(Message(text=note))
    missing = dict.fromkeys(skip.source or skip.name for skip in plan.skips if skip.failed and skip.missing)
    unusable = dict.fromkeys(skip.source or skip.name for skip in plan.skips if skip.failed and not skip.missing)
    left_out = dict.fromkeys(skip.source or skip.name for skip in plan.skips if skip.missing and not skip.failed)
    shown = {
        "not found": {} if stop_if_missing else missing,
        "cannot be used": unusable,
        "not found and left out": left_out,
    }
    for words, lost in shown.items():
        if lost:
            session.tell(Message(text=f"{media_files(lost)} {words}: {', '.join(lost)}", level="warning"))


def refuse_missing(file: TimelineFile, plan: Planned) -> None:
    """Raise TimelineError that names all missing media of a plan."""
    missing = dict.fromkeys(skip.source or skip.name for skip in plan.skips if skip.failed and skip.missing)
    if missing:
        raise TimelineError(
            f"{file.path}: {media_files(missing)} not found: {', '.join(missing)}; --media-root names folders to "
            "search, and --skip-missing goes on without"
        )


def media_files(names: Mapping[str, None]) -> str:
    """Return a number of media files in words."""
    return "1 media file" if len(names) == 1 else f"{len(names)} media files"


def refuse_nothing(source: Path, plan: Planned, *, what: str) -> None:
    """Raise TimelineError, with the reasons, for a plan in which no clip can be given `what`."""
    if plan.jobs:
        return
    reasons = dict.fromkeys(f"{skip.name}: {skip.reason}" for skip in plan.skips)
    raise TimelineError(f"no clip of {source} can be given {what}: {first_reasons(reasons)}")


def name_files(paths: Iterable[Path], timeline_file: TimelineFile, output: Path) -> dict[Path, str]:
    """Return the URLs of files of ours in the timeline `output`: in the style of its own URLs, or inside a bundle."""
    if _keeps_members(timeline_file, output):
        return {path: f"media/{path.name}" for path in paths}
    if output.suffix.lower() in BUNDLES:
        # The bundle copies them from where they are.
        return {path: str(path.absolute()) for path in paths}
    style = url_style(timeline_file.timeline)
    return {path: write_url(path, style, output.parent) for path in paths}


def moved_to(file: TimelineFile, output: Path) -> otio.schema.Timeline:
    """Return a copy of a timeline whose relative media paths start from the folder of `output`."""
    timeline = file.timeline.deepcopy()
    if output.suffix.lower() not in BUNDLES:
        rebase_urls(timeline, file.folder, output.parent)
    return timeline


def write_back(
    placed: otio.schema.Timeline,
    file: TimelineFile,
    output: Path,
    names: Mapping[Path, str],
    *,
    roots: Sequence[Path] = (),
    write: Writer,
) -> list[str]:
    """Write a timeline with files of ours, whose URLs are `names`, as a whole or not at all, through `write`.

    A bundle takes all of its media along. Returns a warning for each that stays outside. Raises OutputError.
    """
    if _keeps_members(file, output):
        media = {name: path for path, name in names.items()}
        write_bundle(placed, output, old=file.bundle, media=media, write=write)
        return []
    if output.suffix.lower() in BUNDLES:
        return write_collected(placed, output, folder=file.folder, bundle=file.bundle, roots=roots, write=write)
    write_timeline(placed, output, write=write)
    return []


def take_media_along(
    tracks: Sequence[otio.schema.Track], file: TimelineFile, output: Path, session: Session
) -> dict[Path, str]:
    """Find the media of tracks that come from the bundle at `output`, which a new one replaces, in place.

    Returns the files that the new bundle must hold by the names that the tracks have for them; other media has its
    whole path in the tracks. Raises TimelineError and OutputError for a bundle that cannot be unpacked.
    """
    suffix = output.suffix.lower()
    if not tracks or suffix not in BUNDLES:
        return {}
    folder = output
    if suffix == ".otioz":
        state = file_state(output, session.store)
        folder = unpack_sound(output, tracks, session.cache / "bundles" / state.digest)
        mark_used(folder)
    inside = _members(file) if _keeps_members(file, output) else None
    found: dict[Path, str] = {}
    for ref in (ref for track in tracks for clip in track.find_clips() for ref in clip.media_references().values()):
        names = [name for name in member_names(getattr(ref, "target_url", None) or "") if stays_inside(name)]
        name = next((name for name in names if (folder / name).is_file()), None)
        if name is None:
            continue
        if inside is None:
            ref.target_url = str((folder / name).absolute())
        elif name not in inside:
            found[folder / name] = name
    return found


def _members(file: TimelineFile) -> frozenset[str]:
    if file.bundle is None:
        return frozenset()
    with open_bundle(file.bundle) as archive:
        return frozenset(archive.namelist())


def _keeps_members(file: TimelineFile, output: Path) -> bool:
    """Return whether a zip bundle becomes a zip bundle: its members are then copied as they are."""
    return file.bundle is not None and output.suffix.lower() == ".otioz"
