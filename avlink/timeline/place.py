"""Placement of stems on tracks of our own in a copy of a timeline, which is otherwise unchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from avlink.core import clock
from avlink.timeline.item import KEY, rational_time, stack_start_s, table
from avlink.timeline.item_metadata import item_metadata, renamed, written_name
from avlink.timeline.markers import Role, is_hit
from avlink.timeline.metadata import REQUESTS, take_number
from avlink.timeline.stem_edits import StemEdit, placed_metadata
from avlink.timeline.stem_hits import hit_metadata, mark_hits
from avlink.timeline.timebase import frame_rate, origin_s
from avlink.timeline.values import StemPlacement

_RESOLVE, _PREMIERE = "Resolve_OTIO", "PremierePro_OTIO"
_SAME_TAKE = ("prompt", "negative", "backend", "source_digest", "source_start_s", "source_duration_s", "speed", "hit")
"""The metadata in which the takes of one stem are equal."""
_CHANNEL_TYPES = {1: "Mono", 2: "Stereo", 6: "5.1"}


def place_stems(
    timeline: otio.schema.Timeline,
    placements: Sequence[StemPlacement],
    *,
    track_of: Callable[[Role], str] = {"sync": "FOLEY", "ambience": "AMB"}.__getitem__,
    details: dict[str, Any] | None = None,
    edits: Mapping[tuple[str, str], StemEdit] | None = None,
) -> otio.schema.Timeline:
    """Return a copy of `timeline` with the stems on audio tracks of their roles, which `track_of` names.

    Audio tracks that carry our metadata are replaced where they stand, so a second run changes nothing; no other
    track is touched. Stems that overlap go to further tracks ("FOLEY 2"). `details` is kept with each track.

    `edits` are those that people made to the stems of an earlier run, by clip id and role: each stem lies where they
    moved it and keeps their trims, switches, effects, markers and metadata.

    Where the project carries metadata of Resolve or Premiere, our tracks and clips state their channels as these do.

    Ranges are written at the timeline's frame rate, and at fractions of a frame where a clip of another rate ends
    between two of them: read exactly, they give the sample at which the stem lies, which is also in the metadata.
    """
    copy = timeline.deepcopy()
    own = [index for index, track in enumerate(copy.tracks) if _is_own(track)]
    at = own[0] if own else len(copy.tracks)
    # From behind, because every removal moves the tracks after it.
    for index in reversed(own):
        del copy.tracks[index]
    rate = frame_rate(copy)
    offset_s = stack_start_s(copy)
    origin = origin_s(copy)
    languages = _programs(copy)
    names: Counter[str] = Counter()
    laid = [_laid(placement, (edits or {}).get((placement.clip.id, placement.clip.role))) for placement in placements]
    for number, lane in enumerate(_lanes(laid)):
        role = lane[0].stem.clip.role
        name = track_of(role)
        names[name] += 1
        name = name if names[name] == 1 else f"{name} {names[name]}"
        track = otio.schema.Track(name=name, kind=otio.schema.TrackKind.Audio)
        channels = max(_channels(one.stem) for one in lane)
        track.metadata[KEY] = {**(details or {}), "role": role, "stems": len(lane)}
        track.metadata.update(_track_channels(channels, languages))
        end_s = Fraction(0)
        for one in lane:
            start_s = one.start_s + offset_s
            if start_s > end_s:
                track.append(otio.schema.Gap(duration=rational_time(start_s - end_s, rate)))
            stem = _stem_clip(one.stem, rate, origin)
            stem.metadata.update(_clip_channels(_channels(one.stem), languages))
            if one.edit is not None:
                _edit_stem(stem, one, rate, origin)
                if one.edit.has_takes:
                    _add_takes(stem, one.edit.clip)
            track.append(stem)
            end_s = start_s + one.duration_s
        copy.tracks.insert(at + number, track)
    return copy


def activate_take(stem: otio.schema.Clip, take: int) -> bool:
    """Make another take of a stem the active one, in place; return whether that changed it.

    The markers of its hits come with it. A take that does not exist changes nothing. The active take is always the
    default medium, because some programs read no other.
    """
    refs = stem.media_references()
    by_key = {key: take_number(ref) for key, ref in refs.items()}
    heard = stem.active_media_reference_key
    if by_key[heard] == take or take not in by_key.values():
        return False
    ordered = sorted(refs, key=lambda key: (by_key[key] != take, by_key[key]))
    names = ["DEFAULT_MEDIA", *(f"take_{by_key[key]}" for key in ordered[1:])]
    name = renamed(stem.name, table(stem.metadata, KEY), refs[heard].name, refs[ordered[0]].name)
    if name is not None:
        stem.name = stem.metadata[KEY]["named"] = name
    stem.set_media_references({name: refs[key].deepcopy() for name, key in zip(names, ordered, strict=True)}, names[0])
    mark_hits(stem)
    return True


def _is_own(track: otio.core.Composable) -> bool:
    return isinstance(track, otio.schema.Track) and track.kind == otio.schema.TrackKind.Audio and KEY in track.metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class _Laid:
    """A stem on the timeline: its start, the part of the heard span that is left off before it, and its duration."""

    stem: StemPlacement
    start_s: Fraction
    head_s: Fraction
    duration_s: Fraction
    edit: StemEdit | None


def _laid(stem: StemPlacement, edit: StemEdit | None) -> _Laid:
    """Return a stem where its edit puts it, within the media that its first take has; without one where it is heard."""
    clip, take = stem.clip, stem.takes[0]
    if edit is None or not edit.moves:
        return _Laid(
            stem=stem, start_s=clip.heard_start_s, head_s=Fraction(0), duration_s=clip.heard_duration_s, edit=edit
        )
    head_s = max(edit.head_s, -take.head_s)
    end_s = min(edit.head_s + clip.heard_duration_s + edit.longer_s, clip.heard_duration_s + take.tail_s)
    start_s = clip.heard_start_s + edit.shift_s + (head_s - edit.head_s)
    if end_s <= head_s or start_s < 0:
        # The media is another one now, and nothing is left of the stretch that was chosen.
        return _laid(stem, replace(edit, shift_s=Fraction(0), head_s=Fraction(0), longer_s=Fraction(0)))
    return _Laid(stem=stem, start_s=start_s, head_s=head_s, duration_s=end_s - head_s, edit=edit)


def _edit_stem(stem: otio.schema.Clip, laid: _Laid, rate: float, origin: Fraction) -> None:
    """Apply an edit to a stem that was just made, in place."""
    assert laid.edit is not None, "only edited stems come here"
    before, clip = laid.edit.clip, laid.stem.clip
    if laid.edit.moves:
        begin_s = origin + clip.heard_start_s + laid.head_s
        stem.source_range = otio.opentime.TimeRange(rational_time(begin_s, rate), rational_time(laid.duration_s, rate))
    stem.enabled, stem.color = before.enabled, before.color
    if before.name and before.name != written_name(table(before.metadata, KEY)):
        stem.name = before.name
    stem.effects.extend(effect.deepcopy() for effect in before.effects)
    # Hits belong to the sound. Of the same sound those count that people left, of another one its own.
    same = _sound(before) == _sound(stem)
    own = [] if same else [marker.deepcopy() for marker in stem.markers]
    stem.markers[:] = [*own, *(marker.deepcopy() for marker in before.markers if same or not is_hit(marker))]
    for key in before.metadata:
        if key not in stem.metadata:
            stem.metadata[key] = before.metadata[key]
    notes = {key: value for key, value in table(before.metadata, KEY).items() if key not in stem.metadata[KEY]}
    stem.metadata[KEY].update({key: value for key, value in notes.items() if key not in REQUESTS})


def _add_takes(stem: otio.schema.Clip, before: otio.schema.Clip) -> None:
    """Add the takes of an earlier run that this one did not ask for, in place; one that was heard is heard again.

    Only those of the same media and words are takes of the stem.
    """
    refs, old = stem.media_references(), before.media_references()
    mine = table(stem.media_reference.metadata, KEY)
    here = {take_number(ref) for ref in refs.values()}
    added = {}
    for ref in old.values():
        made = table(ref.metadata, KEY)
        take = made.get("take")
        if isinstance(take, int) and take not in here and all(made.get(name) == mine.get(name) for name in _SAME_TAKE):
            added[f"take_{take}"] = ref.deepcopy()
    if not added:
        return
    stem.set_media_references({**{key: ref.deepcopy() for key, ref in refs.items()}, **added}, "DEFAULT_MEDIA")
    heard = table(before.media_reference.metadata, KEY).get("take")
    if isinstance(heard, int) and f"take_{heard}" in added:
        activate_take(stem, heard)


def _sound(stem: otio.schema.Clip) -> tuple[object, ...]:
    made = table(stem.media_reference.metadata, KEY)
    return (made.get("raw_key"), made.get("stem_key"))


def _lanes(stems: Sequence[_Laid]) -> list[list[_Laid]]:
    """Return the stems in as many rows as it takes for none to overlap: foley above ambience, lower tracks first."""
    lanes: list[list[_Laid]] = []
    ends: list[tuple[Role, Fraction]] = []
    for one in sorted(stems, key=lambda one: (one.start_s, one.stem.clip.layer)):
        role, start_s, end_s = one.stem.clip.role, one.start_s, one.start_s + one.duration_s
        free = (at for at, (its_role, its_end_s) in enumerate(ends) if its_role == role and its_end_s <= start_s)
        at = next(free, len(lanes))
        if at == len(lanes):
            lanes.append([])
            ends.append((role, end_s))
        lanes[at].append(one)
        ends[at] = (role, end_s)
    return sorted(lanes, key=lambda lane: lane[0].stem.clip.role != "sync")


def _stem_clip(placement: StemPlacement, rate: float, origin: Fraction) -> otio.schema.Clip:
    clip = placement.clip
    # The stem's own timecode: its time reference, so that programs which read the stamp find what the range names.
    start_s, duration_s = origin + clip.heard_start_s, clip.heard_duration_s
    span = otio.opentime.TimeRange(rational_time(start_s, rate), rational_time(duration_s, rate))
    refs = {}
    for position, take in enumerate(placement.takes):
        whole_s = take.head_s + duration_s + take.tail_s
        there = otio.opentime.TimeRange(rational_time(start_s - take.head_s, rate), rational_time(whole_s, rate))
        ref = otio.schema.ExternalReference(target_url=take.url, available_range=there)
        ref.name = take.name
        ref.metadata[KEY] = {"take": take.take, **take.details, **hit_metadata(take.hits)}
        refs["DEFAULT_MEDIA" if position == 0 else f"take_{take.take}"] = ref
    heard = placement.takes[0]
    stem = otio.schema.Clip(name=clip.name, source_range=span)
    stem.set_media_references(refs, "DEFAULT_MEDIA")
    asked = {name: value for name in REQUESTS if (value := getattr(clip, name)) is not None}
    whole = placement.whole or clip
    stem.metadata[KEY] = {
        "id": whole.id,
        "clip": whole.name,
        **item_metadata(placement),
        "track": clip.track,
        "role": clip.role,
        "start_samples": clock.to_index(clip.heard_start_s, heard.sample_rate),
        "samples": clock.count(clip.heard_start_s, clip.heard_duration_s, heard.sample_rate),
        "sample_rate": heard.sample_rate,
        "channels": _channels(placement),
        **placed_metadata(clip.heard_start_s, start_s, duration_s),
        # Twice, so that a request that a person changes on the stem is told from the one that it was made with.
        "asked": asked,
        **asked,
    }
    mark_hits(stem)
    return stem


def _channels(placement: StemPlacement) -> int:
    """Return the number of channels of a stem; one, unless its details tell otherwise."""
    channels = placement.takes[0].details.get("channels", 1)
    return channels if isinstance(channels, int) else 1


def _programs(timeline: otio.schema.Timeline) -> tuple[str, ...]:
    """Return the programs whose metadata a timeline carries, on itself, its tracks or their items.

    OTIO has no channels of its own, so every program writes its own metadata for them. Links between clips are left
    out on purpose: a wrong one fuses clips.
    """
    found = {name for owner in _owners(timeline) for name in (_RESOLVE, _PREMIERE) if name in owner.metadata}
    return tuple(sorted(found))


def _track_channels(channels: int, languages: tuple[str, ...]) -> dict[str, Any]:
    """Return the metadata of a sound track with a number of channels, for each of the programs."""
    kind = _CHANNEL_TYPES.get(channels, "Adaptive")
    words: dict[str, Any] = {
        _RESOLVE: {"Audio Type": kind, "Locked": False, "SoloOn": False},
        _PREMIERE: {"AudioChannels": {"ChannelType": kind, "NumberOfChannels": channels}},
    }
    return {name: words[name] for name in languages}


def _clip_channels(channels: int, languages: tuple[str, ...]) -> dict[str, Any]:
    """Return the metadata of a clip that plays all channels of a file in their order, for each of the programs."""
    words: dict[str, Any] = {
        _RESOLVE: {"Channels": [{"Source Channel ID": channel, "Source Track ID": 0} for channel in range(channels)]},
        _PREMIERE: {
            "AudioChannels": {
                "ChannelType": _CHANNEL_TYPES.get(channels, "Adaptive"),
                "SecondaryAssignments": [{"SecondaryChannelIndex": channel} for channel in range(channels)],
            },
            "OriginalChannelGroupIndex": 0,
            "SourceClipIndex": 0,
        },
    }
    return {name: words[name] for name in languages}


def _owners(timeline: otio.schema.Timeline) -> Iterator[Any]:
    yield timeline
    yield timeline.tracks
    for track in timeline.tracks:
        yield track
        # The first items tell: a program that writes its own words writes them everywhere.
        if isinstance(track, otio.schema.Track):
            yield from track[:4]
