"""Three-way merge of a project: the input now, the project that an earlier run wrote, and what people changed in that.

The base of the merge is a record in the metadata of our first track: digests of the tracks and of the requests of the
clips as they were written. Where only people changed something, their version counts; where the input changed as well,
the input counts and a sentence says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any, Literal
from urllib.parse import unquote

import opentimelineio as otio

from avlink.core.hashing import digest
from avlink.timeline.item import KEY, item_at, plain, rational_time, seconds, stack_start_s, table
from avlink.timeline.markers import is_hit
from avlink.timeline.media_paths import base_name
from avlink.timeline.metadata import REQUESTS, is_ours, own_tracks, set_requests
from avlink.timeline.stem_edits import requests_on_stem, stems_in_place
from avlink.timeline.walk import list_clips

_RECORD = "input"
"""The key of the record in the metadata of our first track."""

_DIGEST_IN_NAME = re.compile(r"_[0-9a-f]{10}(?=\.|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRecord:
    """Digests of an input: of its tracks, as (kind, name, digest), and of the requests of its clips by id.

    `bundled` in a bundle, which gives all media places of their own: its names alone are in the digests there.
    """

    tracks: tuple[tuple[str, str, str], ...] = ()
    requests: Mapping[str, str]
    bundled: bool = False

    def to_metadata(self) -> dict[str, Any]:
        """Return the record as metadata."""
        tracks = [list(track) for track in self.tracks]
        return {"tracks": tracks, "requests": dict(self.requests), **({"bundled": True} if self.bundled else {})}


def read_record(timeline: otio.schema.Timeline) -> MergeRecord | None:
    """Return the record of a project that AVLink wrote; None where there is none, or not in one piece."""
    for track in timeline.tracks:
        said = plain(table(table(track.metadata, KEY), _RECORD)) if isinstance(track, otio.schema.Track) else {}
        if not said:
            continue
        try:
            tracks = tuple((str(kind), str(name), str(its)) for kind, name, its in said["tracks"])
            requests = {str(id): str(its) for id, its in said["requests"].items()}
            return MergeRecord(tracks=tracks, requests=requests, bundled=said.get("bundled") is True)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
    return None


def write_record(timeline: otio.schema.Timeline, requests: Mapping[str, str], *, bundled: bool = False) -> MergeRecord:
    """Write the record of a project with our tracks into the first of them, in place, and return it."""
    record = MergeRecord(tracks=track_digests(timeline, bundled=bundled), requests=requests, bundled=bundled)
    first = own_tracks(timeline)[0]
    first.metadata[KEY][_RECORD] = record.to_metadata()
    return record


def track_digests(timeline: otio.schema.Timeline, *, bundled: bool = False) -> tuple[tuple[str, str, str], ...]:
    """Return kind, name and digest of each track that is not ours. Equal names of a kind are numbered."""
    return tuple((*name, _digest(track, bundled=bundled)) for name, track in _foreign(timeline))


def request_digests(
    timeline: otio.schema.Timeline, addresses: Mapping[str, tuple[int, ...]] | None = None
) -> dict[str, str]:
    """Return the digests of the requests and markers of all picture clips by id; `addresses` saves a walk."""
    there = clip_addresses(timeline) if addresses is None else addresses
    return {id: _asked(item_at(timeline, address)) for id, address in there.items()}


def clip_addresses(timeline: otio.schema.Timeline) -> dict[str, tuple[int, ...]]:
    """Return the addresses of all picture clips by id."""
    return {item.id: item.address for item in list_clips(timeline)}


def merge_requests(
    timeline: otio.schema.Timeline,
    edited: otio.schema.Timeline,
    record: MergeRecord,
    addresses: Mapping[str, tuple[int, ...]] | None = None,
) -> tuple[list[str], list[str]]:
    """Copy requests and markers that people changed in `edited` to the clips of `timeline`, in place.

    A request that was changed on a stem counts as one of its clip; `addresses` of `timeline` save a walk. Returns the
    names of clips that were changed, and of clips whose input changed as well, which stay as the input has them.
    """
    here, there = clip_addresses(timeline) if addresses is None else addresses, clip_addresses(edited)
    changed: list[str] = []
    refused: list[str] = []
    for id, address in there.items():
        base = record.requests.get(id)
        if base is None or id not in here:
            continue
        theirs, ours = item_at(edited, address), item_at(timeline, here[id])
        if _asked(theirs) in (base, _asked(ours)):
            continue
        if _asked(ours) != base:
            refused.append(ours.name)
            continue
        set_requests(ours, {name: table(theirs.metadata, KEY).get(name) for name in REQUESTS})
        ours.markers[:] = [marker.deepcopy() for marker in islice(theirs.markers, len(theirs.markers))]
        changed.append(ours.name)
    for id, wanted in _asked_on_stems(edited):
        if id in here:
            clip = item_at(timeline, here[id])
            set_requests(clip, wanted)
            changed.append(clip.name)
    return list(dict.fromkeys(changed)), list(dict.fromkeys(refused))


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedTrack:
    """A track that was taken from an edited project: added or changed there, or with clips laid on one of ours.

    `name` has a number where others of its kind have the same.
    """

    track: otio.schema.Track
    name: str
    how: Literal["added", "changed", "laid"]


def merge_tracks(
    timeline: otio.schema.Timeline, edited: otio.schema.Timeline, record: MergeRecord
) -> tuple[list[MergedTrack], list[str]]:
    """Take tracks that people added to `edited`, and sound tracks that they changed, into `timeline`, in place.

    Returns the tracks that were taken, and sentences on what was not: pictures, which the sound was made for, tracks
    that the input changed as well, and tracks that people removed.
    """
    base = {(kind, name): its for kind, name, its in record.tracks}
    ours, theirs = dict(_foreign(timeline)), dict(_foreign(edited))
    mine = {key: _digest(track, bundled=record.bundled) for key, track in ours.items()}
    taken: list[MergedTrack] = []
    refused: list[str] = []
    for key, track in theirs.items():
        kind, name = key
        its = _digest(track, bundled=record.bundled)
        if key not in base and key not in ours:
            timeline.tracks.append(track.deepcopy())
            taken.append(MergedTrack(track=timeline.tracks[-1], name=name, how="added"))
        elif key in base and its != base[key] and key in ours:
            if kind == otio.schema.TrackKind.Audio and mine[key] == base[key]:
                at = next(at for at, one in enumerate(timeline.tracks) if one is ours[key])
                timeline.tracks[at] = track.deepcopy()
                taken.append(MergedTrack(track=timeline.tracks[at], name=name, how="changed"))
            elif its != mine[key]:
                refused.append(f"track {name} was changed")
    refused += [f"track {key[1]} was removed" for key in base if key in ours and key not in theirs]
    for track in _strangers(edited):
        timeline.tracks.append(track)
        taken.append(MergedTrack(track=track, name=track.name, how="laid"))
    return taken, refused


def _foreign(timeline: otio.schema.Timeline) -> Iterator[tuple[tuple[str, str], otio.schema.Track]]:
    seen: dict[tuple[str, str], int] = {}
    for track in timeline.tracks:
        if not isinstance(track, otio.schema.Track) or is_ours(track):
            continue
        key = (track.kind, track.name)
        seen[key] = seen.get(key, 0) + 1
        yield (key if seen[key] == 1 else (track.kind, f"{track.name} ({seen[key]})")), track


def _digest(track: otio.schema.Track, *, bundled: bool) -> str:
    # Requests and markers of clips are merged one by one, and are no change of the track. As JSON, because copying a
    # track and asking OTIO for its parts takes three times as long.
    content = _content(track)
    for item in _items(content):
        item.pop("markers", None)
        for ref in (item.get("media_references") or {}).values() if bundled else ():
            if isinstance(ref, dict) and ref.get("target_url"):
                ref["target_url"] = _file_name(ref["target_url"])
        said = item.get("metadata", {}).get(KEY)
        if isinstance(said, dict):
            rest = {name: value for name, value in said.items() if name not in REQUESTS}
            item["metadata"] = {**item["metadata"], KEY: rest} if rest else _without(item["metadata"], KEY)
    return digest(["track", json.dumps(content, sort_keys=True)])


def _file_name(url: str) -> str:
    """Return the name of a file whatever its folder, without the digest that bundles add to one of two equal names."""
    return _DIGEST_IN_NAME.sub("", base_name(unquote(url)))


def _items(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for child in content.get("children") or ():
        yield child
        yield from _items(child)


def _without(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != key}


def _asked(clip: otio.core.Item) -> str:
    said = table(clip.metadata, KEY)
    requests = {name: plain(said[name]) for name in REQUESTS if name in said}
    markers = [_content(marker) for marker in islice(clip.markers, len(clip.markers)) if not is_hit(marker)]
    plain_requests = {
        name: _rounded(repr(value)) if isinstance(value, float) else value for name, value in requests.items()
    }
    return digest(["asked", json.dumps([plain_requests, markers], sort_keys=True)])[:16]


def _content(item: otio.core.SerializableObject) -> dict[str, Any]:
    """Return an object as plain values, its floats as text: OTIO may read another last digit than it wrote."""
    content: dict[str, Any] = json.loads(item.to_json_string(indent=-1), parse_float=_rounded)
    return content


def _rounded(number: str) -> str:
    return f"{float(number):.12g}"


def _asked_on_stems(edited: otio.schema.Timeline) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the requests that people changed on stems, by clip id."""
    for _, stem, _ in stems_in_place(edited):
        said = table(stem.metadata, KEY)
        before, now = said.get("asked"), requests_on_stem(stem)
        if "id" in said and hasattr(before, "items") and plain(before) != now:
            wanted = {name: now.get(name) for name in REQUESTS if now.get(name) != plain(before).get(name)}
            yield str(said["id"]), wanted


def _strangers(edited: otio.schema.Timeline) -> list[otio.schema.Track]:
    """Return tracks with the clips that people laid on our sound tracks, at their places."""
    found: dict[str, otio.schema.Track] = {}
    ends: dict[str, Fraction] = {}
    offset_s = stack_start_s(edited)
    for track, clip, start_s in stems_in_place(edited):
        if "id" in table(clip.metadata, KEY):
            continue
        own = found.setdefault(track.name, otio.schema.Track(name=f"{track.name} edits", kind=track.kind))
        duration = clip.trimmed_range().duration
        gap_s = start_s + offset_s - ends.get(track.name, Fraction(0))
        if gap_s > 0:
            own.append(otio.schema.Gap(duration=rational_time(gap_s, duration.rate)))
        own.append(clip.deepcopy())
        ends[track.name] = start_s + offset_s + (seconds(duration) or Fraction(0))
    return list(found.values())
