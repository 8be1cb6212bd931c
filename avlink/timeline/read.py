"""Read a timeline in any format that OTIO has an adapter for, or say in a sentence why it cannot be read.

Limits are checked before a parser sees the file, and on the timeline once it is read. Adapters print to stdout and log
as they like; both are kept away from ours. What they are known to leave crooked is straightened here, once: the record
times of timelines that OTIO made of EDLs.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from avlink.core.errors import TimelineError
from avlink.core.input_files import check_regular, read_bytes
from avlink.core.limits import PROJECT_BYTES
from avlink.core.recipe.schema import ReadTable
from avlink.timeline.formats.edl import read_edl
from avlink.timeline.formats.fcp7_xml import read_fcp7_xml
from avlink.timeline.formats.fcpxml import read_fcpxml
from avlink.timeline.formats.otio_json import check_otio_json
from avlink.timeline.formats.otioz import read_content
from avlink.timeline.formats.record_times import fix_record_times
from avlink.timeline.formats.xml_document import parse_xml
from avlink.timeline.formats.xml_limits import check_elements, check_xml_text
from avlink.timeline.item import moment_s, shown_time
from avlink.timeline.size import check_timeline_size

_CPP_TYPE = re.compile(r" \(of type '[^']*'\)")
_EXPORTS = {
    ".kdenlive": "Kdenlive exports .otio itself from 25.04 on",
    ".prproj": "Premiere exports .otio itself from 25.6 on, or Final Cut Pro XML",
    ".drp": "Resolve exports .otio itself from 18.5 on",
    ".fcpbundle": "export the project as XML (.fcpxml)",
    ".avp": "Media Composer exports AAF",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineFile:
    """A timeline as it was read.

    Relative media paths count from `folder`. `bundle` is the .otioz it came out of, if it did: then its media is
    inside, see `avlink.timeline.formats.otioz`. `notes` are sentences on what had to be assumed.

    `drop_frame` is what the file itself says of that, and `image_rate` what image sequences without a rate have.
    """

    timeline: otio.schema.Timeline
    path: Path
    folder: Path
    bundle: Path | None = None
    notes: tuple[str, ...] = ()
    drop_frame: bool | None = None
    image_rate: Fraction | None = None


_AS_IT_IS = ReadTable()


def timeline_suffixes() -> frozenset[str]:
    """Return the suffixes, without dots, that belong to timelines, whether or not an adapter for them is installed."""
    known = {suffix.lower() for adapter in otio.plugins.ActiveManifest().adapters for suffix in adapter.suffixes}
    return frozenset(
        known | {"otio", "otioz", "otiod", "edl", "xml", "fcpxml", "fcpxmld", "aaf", "ale", "kdenlive", "mlt", "xges"}
    )


def readable_suffixes() -> tuple[str, ...]:
    """Return the suffixes, without dots, that the installed OTIO adapters read as timelines."""
    found = {"otioz", "otiod", "edl", "fcpxml", "fcpxmld"}
    for adapter in otio.plugins.ActiveManifest().adapters:
        with contextlib.suppress(Exception), _quiet():
            if adapter.has_feature("read"):
                found.update(adapter.suffixes)
    return tuple(sorted(found))


def read_timeline(path: Path, options: ReadTable = _AS_IT_IS) -> TimelineFile:
    """Read a timeline file. The file is never changed, and the result is ours to change.

    `options` supplies what the file lacks: which of its timelines is meant, and its frame rate.

    Raises TimelineError: no such file, no adapter for it, broken, of a newer OTIO, or no timeline.
    """
    if not path.exists():
        raise TimelineError(f"{path} does not exist; give a timeline or a media file")
    check_regular(path, TimelineError)
    suffix = path.suffix.lower().lstrip(".")
    if path.is_dir() and suffix not in {"otiod", "fcpxmld"}:
        raise TimelineError(f"{path} is a folder; give a timeline (.otio, .otioz, .otiod, .edl, .xml, .aaf) in it")
    notes: tuple[str, ...] = ()
    bundle, folder, drop_frame = None, path.parent, None
    if suffix == "otioz":
        bundle = path
        found = _from_json(read_content(path), path)
    elif suffix == "otiod":
        folder = path
        found = _from_json(_text(path / "content.otio"), path)
    elif suffix == "otio":
        found = _from_json(_text(path), path)
    elif suffix == "edl":
        found, notes, drop_frame = _read_edl(path, options)
    elif suffix in {"fcpxml", "fcpxmld", "xml"}:
        folder = path if path.is_dir() else folder
        found = _from_xml(path, options.timeline)
    else:
        found = _read(path)
    timeline = _the_timeline(found, path, options.timeline)
    check_timeline_size(timeline, path)
    notes = (*notes, *_lost_starts(timeline, path))
    fix_record_times(timeline)
    return TimelineFile(
        timeline=timeline,
        path=path,
        folder=folder,
        bundle=bundle,
        notes=notes,
        drop_frame=drop_frame,
        image_rate=options.frames_per_second,
    )


def _lost_starts(timeline: otio.schema.Timeline, path: Path) -> list[str]:
    """Return a sentence for each start of the timeline itself that is no time, and for which 0 is taken."""
    shown = timeline.tracks.source_range
    starts = {
        "its timecode; it counts from 00:00:00:00": timeline.global_start_time,
        "the range that is shown; it is shown from its beginning": None if shown is None else shown.start_time,
    }
    return [
        f"{path.name} states no time ({shown_time(start)}) as the start of {what}"
        for what, start in starts.items()
        if start is not None and moment_s(start) is None
    ]


def _the_timeline(found: object, path: Path, wanted: str) -> otio.schema.Timeline:
    if isinstance(found, otio.schema.Timeline):
        return found
    if isinstance(found, otio.schema.SerializableCollection):
        timelines = list(found.find_children(descended_from_type=otio.schema.Timeline))
        meant = [timeline for timeline in timelines if not wanted or timeline.name == wanted]
        if len(meant) == 1:
            return meant[0].deepcopy()
        if timelines:
            names = ", ".join(timeline.name or "unnamed" for timeline in timelines)
            lack = f", and none is called '{wanted}'" if wanted and not meant else ""
            raise TimelineError(f"{path} holds {len(timelines)} timelines ({names}){lack}; --timeline NAME says which")
        raise TimelineError(f"{path} is a collection without a timeline in it; export a timeline")
    kind = type(found).__name__
    article = "an" if kind[:1] in "AEIOU" else "a"
    raise TimelineError(f"{path} holds {article} {kind}, not a timeline; export the whole timeline")


def _from_json(text: str, path: Path) -> object:
    check_otio_json(text, path)
    try:
        with _quiet():
            return otio.adapters.read_from_string(text, "otio_json")
    except Exception as error:
        raise TimelineError(f"{path} is no OTIO file: {_first_line(error)}") from error


def _read(path: Path, text: str | None = None, **options: object) -> object:
    try:
        with _quiet():
            if text is not None:
                return otio.adapters.read_from_string(text, otio.adapters.from_filepath(str(path)).name, **options)
            return otio.adapters.read_from_file(str(path), **options)
    except otio.exceptions.NoKnownAdapterForExtensionError as error:
        kind = f"{path.suffix} files" if path.suffix else "files without a suffix"
        known = ", ".join(f".{suffix}" for suffix in readable_suffixes())
        how = _EXPORTS.get(path.suffix.lower(), "install one, or export .otio")
        raise TimelineError(f"{path}: no OTIO adapter for {kind} is installed; readable are {known}; {how}") from error
    except otio.exceptions.AdapterDoesntSupportFunctionError as error:
        raise TimelineError(f"{path}: OTIO writes {path.suffix} files but does not read them; export .otio") from error
    except Exception as error:
        # Adapters raise whatever their parsers raise; to the user all of it means the same.
        raise TimelineError(f"{path} cannot be read as {path.suffix}: {_first_line(error)}") from error


def _from_xml(path: Path, wanted: str) -> otio.schema.SerializableCollection:
    # From version 1.10 on, Final Cut exports folders with the document in them.
    document = _xml(path / "Info.fcpxml" if path.is_dir() else path)
    found = otio.schema.SerializableCollection(path.stem)
    try:
        root = parse_xml(document)
        check_elements(root, path)
        # Some programs write either kind with the suffix of the other.
        if root.tag == "fcpxml":
            found.extend(read_fcpxml(root))
        elif root.tag == "xmeml":
            found.extend(read_fcp7_xml(root, wanted=wanted))
        else:
            raise ValueError(f"it begins with <{root.tag}>, and is no FCPXML and no Final Cut Pro 7 XML (<xmeml>)")
    except TimelineError:
        raise
    except (ValueError, LookupError, ArithmeticError, RecursionError) as error:
        raise TimelineError(f"{path} cannot be read as {path.suffix}: {_first_line(error)}") from error
    return found


def _read_edl(path: Path, options: ReadTable) -> tuple[object, tuple[str, ...], bool]:
    try:
        file = read_edl(_bytes(path), rate=options.frames_per_second, title=options.timeline)
    except ValueError as error:
        raise TimelineError(f"{path} cannot be read as .edl: {error}") from error
    notes = [f"{path.name}, {note}" for note in file.notes]
    if file.timebase.guessed:
        notes.insert(
            0,
            f"{path.name} does not say its frame rate; it is read at {file.timebase.rate} frames per second "
            "(--rate says another)",
        )
    found = list(file.timelines)
    whole = found[0] if len(found) == 1 else otio.schema.SerializableCollection(path.stem, found)
    return whole, tuple(notes), file.drop_frame


def _bytes(path: Path) -> bytes:
    return read_bytes(path, PROJECT_BYTES, TimelineError)


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TimelineError(f"{path} is no timeline: it is not text") from error


def _xml(path: Path) -> bytes:
    document = _bytes(path)
    check_xml_text(document, path)
    return document


def _first_line(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deep, or holds itself"
    # A KeyError shows its text as Python would write it. Names of C++ types are no help.
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    lines = [_CPP_TYPE.sub("", line.strip()) for line in text.splitlines() if line.strip()]
    lack = "a field is missing: " if isinstance(error, KeyError) else ""
    return f"{lack}{lines[0].rstrip('.')}" if lines else type(error).__name__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what adapters print and log to themselves: our stdout may be data."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
