"""Placement of stems on tracks of our own in a copy of a timeline, which is otherwise unchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from avlink.core import clock
from avlink.timeline.hits import hit_metadata, mark_hits
from avlink.timeline.item import KEY, table
from avlink.timeline.markers import Role
from avlink.timeline.metadata import REQUESTS
from avlink.timeline.timebase import frame_rate, origin_s
from avlink.timeline.values import StemPlacement

_RESOLVE, _PREMIERE = "Resolve_OTIO", "PremierePro_OTIO"
_CHANNEL_TYPES = {1: "Mono", 2: "Stereo", 6: "5.1"}


def place_stems(
    timeline: otio.schema.Timeline,
    placements: Sequence[StemPlacement],
    *,
    track_of: Callable[[Role], str] = {"sync": "FOLEY", "ambience": "AMB"}.__getitem__,
    details: dict[str, Any] | None = None,
) -> otio.schema.Timeline:
    """Return a copy of `timeline` with the stems on audio tracks of their roles, which `track_of` names.

    Audio tracks that carry our metadata are replaced where they stand, so a second run changes nothing; no other
    track is touched. Stems that overlap go to further tracks ("FOLEY 2"). `details` is kept with each track.

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
    offset_s = _stack_start_s(copy)
    origin = origin_s(copy)
    languages = _programs(copy)
    names: Counter[str] = Counter()
    for number, lane in enumerate(_lanes(placements)):
        role = lane[0].clip.role
        name = track_of(role)
        names[name] += 1
        name = name if names[name] == 1 else f"{name} {names[name]}"
        track = otio.schema.Track(name=name, kind=otio.schema.TrackKind.Audio)
        channels = max(_channels(placement) for placement in lane)
        track.metadata[KEY] = {**(details or {}), "role": role, "stems": len(lane)}
        track.metadata.update(_track_channels(channels, languages))
        end_s = Fraction(0)
        for placement in lane:
            start_s = placement.clip.heard_start_s + offset_s
            if start_s > end_s:
                track.append(otio.schema.Gap(duration=_time(start_s - end_s, rate)))
            stem = _stem_clip(placement, rate, origin)
            stem.metadata.update(_clip_channels(_channels(placement), languages))
            track.append(stem)
            end_s = start_s + placement.clip.heard_duration_s
        copy.tracks.insert(at + number, track)
    return copy


def activate_take(stem: otio.schema.Clip, take: int) -> bool:
    """Make another take of a stem the active one, in place; return whether that changed it.

    The markers of its hits come with it. A take that does not exist changes nothing. The active take is always the
    default medium, because some programs read no other.
    """
    refs = stem.media_references()
    by_key = {key: int(table(ref.metadata, KEY).get("take", 1)) for key, ref in refs.items()}
    heard = stem.active_media_reference_key
    if by_key[heard] == take or take not in by_key.values():
        return False
    ordered = sorted(refs, key=lambda key: (by_key[key] != take, by_key[key]))
    names = ["DEFAULT_MEDIA", *(f"take_{by_key[key]}" for key in ordered[1:])]
    stem.set_media_references({name: refs[key].deepcopy() for name, key in zip(names, ordered, strict=True)}, names[0])
    mark_hits(stem)
    return True


def _is_own(track: otio.core.Composable) -> bool:
    return isinstance(track, otio.schema.Track) and track.kind == otio.schema.TrackKind.Audio and KEY in track.metadata


def _stack_start_s(timeline: otio.schema.Timeline) -> Fraction:
    """Return the tracks' own time at the start of the timeline: not 0 only when its stack is trimmed."""
    span = timeline.tracks.source_range
    return Fraction(0) if span is None else clock.exact_time(span.start_time.value, span.start_time.rate)


def _lanes(placements: Sequence[StemPlacement]) -> list[list[StemPlacement]]:
    """Return the stems in as many rows as it takes for none to overlap: foley above ambience, lower tracks first."""
    lanes: list[list[StemPlacement]] = []
    ends: list[tuple[Role, Fraction]] = []
    for placement in sorted(placements, key=lambda one: (one.clip.heard_start_s, one.clip.layer)):
        role, start_s, end_s = placement.clip.role, placement.clip.heard_start_s, placement.clip.heard_end_s
        free = (at for at, (its_role, its_end_s) in enumerate(ends) if its_role == role and its_end_s <= start_s)
        at = next(free, len(lanes))
        if at == len(lanes):
            lanes.append([])
            ends.append((role, end_s))
        lanes[at].append(placement)
        ends[at] = (role, end_s)
    return sorted(lanes, key=lambda lane: lane[0].clip.role != "sync")


def _stem_clip(placement: StemPlacement, rate: float, origin: Fraction) -> otio.schema.Clip:
    clip = placement.clip
    # The stem's own timecode: its time reference, so that programs which read the stamp find what the range names.
    start_s, duration_s = origin + clip.heard_start_s, clip.heard_duration_s
    span = otio.opentime.TimeRange(_time(start_s, rate), _time(duration_s, rate))
    refs = {}
    for position, take in enumerate(placement.takes):
        whole_s = take.head_s + duration_s + take.tail_s
        there = otio.opentime.TimeRange(_time(start_s - take.head_s, rate), _time(whole_s, rate))
        ref = otio.schema.ExternalReference(target_url=take.url, available_range=there)
        ref.metadata[KEY] = {"take": take.take, **take.details, **hit_metadata(take.hits)}
        refs["DEFAULT_MEDIA" if position == 0 else f"take_{take.take}"] = ref
    heard = placement.takes[0]
    stem = otio.schema.Clip(name=clip.name, source_range=span)
    stem.set_media_references(refs, "DEFAULT_MEDIA")
    asked = {name: getattr(clip, name) for name in REQUESTS}
    stem.metadata[KEY] = {
        "id": clip.id,
        "clip": clip.name,
        "track": clip.track,
        "start_samples": clock.to_index(clip.heard_start_s, heard.sample_rate),
        "samples": clock.count(clip.heard_start_s, clip.heard_duration_s, heard.sample_rate),
        "sample_rate": heard.sample_rate,
        "channels": _channels(placement),
        **{name: value for name, value in asked.items() if value is not None},
    }
    mark_hits(stem)
    return stem


def _channels(placement: StemPlacement) -> int:
    """Return the number of channels of a stem; one, unless its details tell otherwise."""
    channels = placement.takes[0].details.get("channels", 1)
    return channels if isinstance(channels, int) else 1


def _time(time_s: Fraction, rate: float) -> otio.opentime.RationalTime:
    """Return seconds as a time at a rate as the project writes it; a literal 29.97 means 30000/1001."""
    return otio.opentime.RationalTime(float(time_s * clock.exact_rate(rate)), rate)


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
