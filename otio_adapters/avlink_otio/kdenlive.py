"""The OTIO adapter `avlink_kdenlive`: a Kdenlive project of a timeline's sound, which is MLT XML.

Kdenlive 20.08 to 22.12 opens this generation of its documents (version 1.04) as it is, later ones convert it, and
`melt` plays it. Clips count from the first frame of their file, as MLT has it: the timecode of stems is not in it, and
the timeline begins at 0. Hits are markers of the clips in the bin, other markers are guides. The format counts frames:
what lies between two is moved to the nearer one, with a warning.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as xml

import opentimelineio as otio

from avlink import FlatClip, FlatMedia, FlatTimeline, FlatTrack, clock
from avlink_otio.files import relative_path
from avlink_otio.frames import frame_of, lanes, on_frames, warn_of_moves
from avlink_otio.sound import flat, sound_of
from avlink_otio.xml_text import document_text

_NAME = "a Kdenlive project"
_DOCUMENT_VERSION = "1.04"
_FOREVER = 2147483647
_INTERNAL = 237
"""Mark of filters and transitions that Kdenlive makes by itself and does not show."""
_SOUND_ONLY = 1
_FIRST_ID = 2
"""Ids of the bin begin here; lower ones are Kdenlive's own."""


def write(timeline: FlatTimeline, path: Path) -> tuple[FlatTrack, ...]:
    """Write the project, and return the tracks in it; media is named relative to its folder."""
    sound = sound_of(timeline)
    path.write_text(project_text(sound, path.absolute().parent), encoding="utf-8", newline="\n")
    return sound.tracks


def write_to_file(input_otio: otio.schema.Timeline, filepath: str) -> None:
    """Write the project as an OTIO adapter."""
    write(flat(input_otio), Path(filepath))


def write_to_string(input_otio: otio.schema.Timeline) -> str:
    """Return the text of the project; media is named as the timeline names it."""
    return project_text(sound_of(flat(input_otio)), None)


def project_text(sound: FlatTimeline, folder: Path | None) -> str:
    """Return a project as text. Without a folder, media is named as it is in the timeline."""
    warn_of_moves(sound, sound.rate, _NAME)
    root = xml.Element("mlt", LC_NUMERIC="C", producer="main_bin", version="7.12.0")
    _profile(root, sound.rate)
    _Project(root, sound, folder).write()
    return document_text(root)


class _Project:
    """Writes one document below `root`: the bin, the tracks, and the timeline that holds them."""

    def __init__(self, root: xml.Element, sound: FlatTimeline, folder: Path | None) -> None:
        self._root, self._sound, self._folder = root, sound, folder
        clips = [clip for track in sound.tracks for clip in track.clips]
        self._files = _lengths(clips, sound.rate)
        # A file has one name in the bin: that of the first clip which plays it.
        self._names = {clip.active_media.url: clip.name for clip in reversed(clips)}
        self._ids = {url: str(number) for number, url in enumerate(self._files, start=_FIRST_ID)}
        self._playing_producers: set[str] = set()
        self._num_tracks = self._num_fades = 0
        self._length = max((on_frames(clip, sound.rate)[1] for clip in clips), default=1)

    def write(self) -> None:
        media = {clip.active_media.url: clip.active_media for track in self._sound.tracks for clip in track.clips}
        for url in self._files:
            self._file(f"bin{self._ids[url]}", media[url], in_bin=True)
        self._bin()
        black = xml.SubElement(self._root, "producer", {"id": "black_track", **_span(self._length)})
        _put(
            black,
            length=_FOREVER,
            eof="continue",
            resource="black",
            mlt_service="color",
            mlt_image_format="rgba",
            **{"kdenlive:playlistid": "black_track", "set.test_audio": 0},
        )
        # The lowest track comes first.
        names = [*reversed(list(self._tracks())), self._track("V1", [], kind="video", muted=False)]
        self._timeline(names)

    def _tracks(self) -> Iterator[str]:
        """Write sound tracks, the highest first, and yield their ids."""
        sound = self._sound
        for track in sound.tracks:
            edges = [on_frames(clip, sound.rate) for clip in track.clips]
            for lane, row in enumerate(lanes(track.clips, edges, _NAME, crossfades="with their fades"), start=1):
                name = track.name if lane == 1 else f"{track.name} {lane}"
                yield self._track(name, row, kind="audio", muted=track.muted)

    def _track(self, name: str, row: Iterable[tuple[FlatClip, int, int]], *, kind: str, muted: bool) -> str:
        """Write a track: two playlists, of which the second is for mixes, in a tractor. Return its id."""
        number, self._num_tracks = self._num_tracks, self._num_tracks + 1
        is_sound = {"kdenlive:audio_track": 1} if kind == "audio" else {}
        clips = [(clip, first, last, self._playing(clip, number)) for clip, first, last in row]
        playlist = xml.SubElement(self._root, "playlist", id=f"playlist{2 * number}")
        _put(playlist, **is_sound)
        at = 0
        for clip, first, last, producer in clips:
            if first > at:
                xml.SubElement(playlist, "blank", length=str(first - at))
            self._entry(playlist, clip, last - first, producer)
            at = last
        _put(xml.SubElement(self._root, "playlist", id=f"playlist{2 * number + 1}"), **is_sound)
        tractor = xml.SubElement(self._root, "tractor", {"id": f"tractor{number}", **_span(self._length)})
        _put(
            tractor,
            **is_sound,
            **{"kdenlive:trackheight": 67, "kdenlive:timeline_active": 1, "kdenlive:collapsed": 0},
            **{"kdenlive:track_name": name},
        )
        hidden = "both" if muted else "video" if kind == "audio" else "audio"
        for playlist_id in (2 * number, 2 * number + 1):
            xml.SubElement(tractor, "track", hide=hidden, producer=f"playlist{playlist_id}")
        return f"tractor{number}"

    def _entry(self, playlist: xml.Element, clip: FlatClip, count: int, producer: str) -> None:
        begin = clock.to_index(clip.active_media.offset_s, self._sound.rate)
        last = begin + count - 1
        entry = xml.SubElement(playlist, "entry", {"producer": producer, "in": str(begin), "out": str(last)})
        _put(entry, **{"kdenlive:id": self._ids[clip.active_media.url]})
        rising = min(count, clock.to_index(clip.fade_in_s, self._sound.rate))
        falling = min(count, clock.to_index(clip.fade_out_s, self._sound.rate))
        if rising:
            self._fade(entry, "fadein", begin, begin + rising - 1, gain=0, end=1)
        if falling:
            self._fade(entry, "fadeout", last - falling + 1, last, gain=1, end=0)

    def _fade(self, entry: xml.Element, name: str, first: int, last: int, *, gain: int, end: int) -> None:
        span = {"in": str(first), "out": str(last)}
        fade = xml.SubElement(entry, "filter", {"id": f"filter{self._num_fades}", **span})
        self._num_fades += 1
        _put(fade, window=75, max_gain="20dB", mlt_service="volume", kdenlive_id=name, gain=gain, end=end)

    def _playing(self, clip: FlatClip, track: int) -> str:
        """Return the producer by which a track plays the file of a clip; one that is muted plays nothing of it.

        Each track has its own: MLT cannot play one producer twice at the same moment.
        """
        media = clip.active_media
        name = f"{'muted' if clip.muted else 'sound'}{self._ids[media.url]}_{track}"
        if name not in self._playing_producers:
            self._playing_producers.add(name)
            self._file(name, media, in_bin=False, muted=clip.muted)
        return name

    def _file(self, name: str, media: FlatMedia, *, in_bin: bool, muted: bool = False) -> None:
        length = self._files[media.url]
        chain = xml.SubElement(self._root, "chain", id=name, out=str(length - 1))
        _put(
            chain,
            length=length,
            eof="pause",
            resource=media.url if self._folder is None else relative_path(media.url, self._folder),
            mlt_service="avformat" if in_bin else "avformat-novalidate",
            seekable=1,
            audio_index=0,
            video_index=-1,
            **{"kdenlive:clipname": self._names[media.url], "kdenlive:folderid": -1},
            **{"kdenlive:id": self._ids[media.url], "kdenlive:clip_type": _SOUND_ONLY},
        )
        if not in_bin:
            _put(chain, **{"set.test_audio": int(muted), "set.test_image": 1})
            return
        if media.hits:
            marks = ((hit.name, frame_of(hit.start_s, self._sound.rate)) for hit in media.hits)
            _put(chain, **{"kdenlive:markers": _marks(marks)})

    def _bin(self) -> None:
        playlist = xml.SubElement(self._root, "playlist", id="main_bin")
        guides = (
            (marker.shown_name, clock.to_index(marker.start_s, self._sound.rate)) for marker in self._sound.markers
        )
        said = {
            "version": _DOCUMENT_VERSION,
            "audioChannels": 2,
            "compositing": 1,
            "enableproxy": 0,
            "position": 0,
            "guides": _marks(guides),
        }
        _put(playlist, **{f"kdenlive:docproperties.{name}": value for name, value in said.items()}, xml_retain=1)
        for url, length in self._files.items():
            xml.SubElement(playlist, "entry", {"producer": f"bin{self._ids[url]}", **_span(length)})

    def _timeline(self, names: list[str]) -> None:
        """Write the tractor of all tracks over a black one, with the sound of each mixed into it."""
        tractor = xml.SubElement(
            self._root, "tractor", {"id": f"tractor{len(names)}", "global_feed": "1", **_span(self._length)}
        )
        for name in ("black_track", *names):
            xml.SubElement(tractor, "track", producer=name)
        # The last track is an empty one for pictures, which Kdenlive composites in a way of its own.
        for number in range(1, len(names)):
            transition = xml.SubElement(tractor, "transition", id=f"transition{number - 1}")
            _put(transition, a_track=0, b_track=number, mlt_service="mix", kdenlive_id="mix", internal_added=_INTERNAL)
            _put(transition, always_active=1, accepts_blanks=1, sum=1)


def _span(length: int) -> dict[str, str]:
    return {"in": "0", "out": str(length - 1)}


def _lengths(clips: Iterable[FlatClip], rate: Fraction) -> dict[str, int]:
    """Return the files that are played with their lengths in frames, which no clip that is played reaches beyond."""
    lengths: dict[str, int] = {}
    for clip in clips:
        media, (first, last) = clip.active_media, on_frames(clip, rate)
        stated = clock.to_index(media.duration_s or media.offset_s + clip.heard_duration_s, rate)
        needed = clock.to_index(media.offset_s, rate) + last - first
        lengths[media.url] = max(lengths.get(media.url, 1), stated, needed)
    return lengths


def _profile(root: xml.Element, rate: Fraction) -> None:
    whole = {
        "description": f"1920x1080 {float(rate):.6g} fps",
        "frame_rate_num": rate.numerator,
        "frame_rate_den": rate.denominator,
        "width": 1920,
        "height": 1080,
        "progressive": 1,
        "sample_aspect_num": 1,
        "sample_aspect_den": 1,
        "display_aspect_num": 16,
        "display_aspect_den": 9,
        "colorspace": 709,
    }
    xml.SubElement(root, "profile", {name: str(value) for name, value in whole.items()})


def _marks(marks: Iterable[tuple[str, int]]) -> str:
    return json.dumps([{"comment": name, "pos": frame, "type": 0} for name, frame in marks], ensure_ascii=False)


def _put(parent: xml.Element, **properties: object) -> None:
    for name, value in properties.items():
        xml.SubElement(parent, "property", name=name).text = str(value)
