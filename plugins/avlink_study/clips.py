"""The movies that raters see: as they are, or the picture of one file and the sound of another put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avlink import InputError, MediaError, MediaInfo, atomic_write, digest, file_digest, mux_sound, probe, read_audio
from avlink_study.folders import StudyFiles
from avlink_study.plan import Clip, ClipPair

_MP4_PICTURES = frozenset({"h264", "hevc"})
_WEBM_PICTURES = frozenset({"vp8", "vp9", "av1", "libvpx", "libvpx-vp9", "libdav1d", "libaom-av1"})
_PLAYED_SOUNDS = frozenset({"aac", "mp3", "mp3float", "opus", "libopus", "vorbis", "flac"})
_CONVERT = "convert those of all methods alike, to H.264 and AAC in .mp4"
_MUX_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayableClip:
    """A clip, and the file that is sent to browsers."""

    clip: Clip
    path: Path


def prepare(
    material: StudyFiles, pairs: tuple[ClipPair, ...], *, folder: Path
) -> Iterator[tuple[tuple[int, str], PlayableClip]]:
    """Each clip that takes part, by number of its method and stem, checked and if need be put together in `folder`.

    What was put together before is used as it is. Raises MediaError for what cannot be read or played by browsers.
    """
    for method, stem in sorted({(number, pair.stem) for pair in pairs for number in (pair.first, pair.second)}):
        path = material.files[method][stem]
        if material.pictures is not None:
            shown = _joined(material.pictures[stem], path, folder)
        elif material.sounds is not None:
            shown = _joined(path, material.sounds[stem], folder)
        else:
            shown = _as_it_is(path)
        yield (method, stem), shown


def _as_it_is(path: Path) -> PlayableClip:
    info = probe(path)
    if info.video is None or info.audio is None:
        lacks = "sound" if info.audio is None else "picture"
        raise MediaError(f"'{path}' has no {lacks}: raters compare movies with sound (or give --pictures or --sounds)")
    if info.video.codec not in _MP4_PICTURES | _WEBM_PICTURES or info.audio.codec not in _PLAYED_SOUNDS:
        raise MediaError(f"'{path}' is {info.video.codec} with {info.audio.codec}, not for browsers; {_CONVERT}")
    return PlayableClip(clip=Clip(digest=file_digest(path), duration_s=_length_s(info)), path=path.resolve())


def _joined(picture: Path, sound: Path, folder: Path) -> PlayableClip:
    """The picture as it is, with the sound in AAC or Opus: every method's in the same way."""
    name = digest(["study", _MUX_VERSION, file_digest(picture), file_digest(sound)])
    seen, heard = probe(picture), probe(sound)
    if seen.video is None or heard.audio is None:
        bad, lacks = (picture, "picture") if seen.video is None else (sound, "sound")
        raise MediaError(f"'{bad}' has no {lacks}")
    if seen.video.codec not in _MP4_PICTURES | _WEBM_PICTURES:
        raise MediaError(f"'{picture}' is {seen.video.codec}, not for browsers; {_CONVERT}")
    suffix = ".mp4" if seen.video.codec in _MP4_PICTURES else ".webm"
    path = (folder / f"{name}{suffix}").resolve()
    if not path.is_file():
        # A movie that is half there after a kill must not count as made before.
        with atomic_write(path) as whole:
            mux_sound(picture, read_audio(sound, sample_rate=heard.audio.sample_rate, mono=False), whole)
    return PlayableClip(clip=Clip(digest=name, duration_s=_length_s(probe(path))), path=path)


def _length_s(info: MediaInfo) -> float:
    length = info.duration_s
    if info.audio is not None and info.audio.duration_s is not None:
        length = max(length, info.audio.duration_s)
    if length <= 0:
        raise InputError(f"'{info.path}' lasts no time at all")
    return float(length)
