"""Pairs of generated and true clips of the same name in two folders, decoded on demand."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from avlink.core.documents import parse_json
from avlink.core.errors import InputError, MediaError
from avlink.core.events import Listener, Message, ignore
from avlink.core.file_digest import FileState, changed, check_unchanged, file_state
from avlink.core.frames import ResampledFrames, fit_shorter_side
from avlink.core.input_files import read_text
from avlink.core.limits import TABLE_BYTES
from avlink.core.store import Store
from avlink.core.values import FrameSource, PictureSpec, Waveform
from avlink.media.audio import read_audio
from avlink.media.frames import open_frames
from avlink.media.probe import AudioInfo, MediaInfo, require_video
from avlink.media.probe_cache import cached_probe
from avlink.media.resample import resample

RESAMPLER = "AVLink's Kaiser sinc"
CAPTIONS, MANIFEST = "captions.json", "manifest.csv"
_NO_MEDIA = frozenset({".csv", ".json", ".jsonl", ".md", ".png", ".jpg", ".tsv", ".txt", ".toml", ".npz", ".npy"})
# Damaged files claim rates of thousands of frames a second.
_RATE_LIMITS = (Fraction(1), Fraction(120))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFiles:
    """The files of one clip, at least one; a movie may be both."""

    sound: MediaInfo | None = None
    pictures: MediaInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPair:
    """A generated clip and the true one, with their caption, which may be empty."""

    name: str
    generated: ClipFiles
    reference: ClipFiles
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPairs:
    """Pairs in the order of their names, and the names that only one of the folders has."""

    pairs: tuple[EvaluationPair, ...]
    only_generated: tuple[str, ...] = ()
    only_reference: tuple[str, ...] = ()


def find_pairs(generated: Path, reference: Path, store: Store, *, listener: Listener = ignore) -> EvaluationPairs:
    """Pair the media files of two folders by their paths in them, without suffixes.

    Captions come from `captions.json` (name to text, or to an object with a "caption") or `manifest.csv` (columns
    path, caption) in either folder. Raises InputError where one is no folder, or where no two files have one name.
    """
    for key, folder in (("generated", generated), ("reference", reference)):
        if not folder.is_dir():
            raise InputError(f"{key} '{folder}' is not a folder; name one that holds clips")
    made, true = (_clips(folder, store, listener) for folder in (generated, reference))
    captions = {**_captions(generated), **_captions(reference)}
    both = sorted(made.keys() & true.keys())
    if not both:
        raise InputError(
            f"no clip in '{generated}' ({len(made)} of them) has the name of one in '{reference}' ({len(true)}); "
            "a pair has one name but for the suffix, such as a.wav and a.mp4"
        )
    return EvaluationPairs(
        pairs=tuple(
            EvaluationPair(name=name, generated=made[name], reference=true[name], caption=captions.get(name, ""))
            for name in both
        ),
        only_generated=tuple(sorted(made.keys() - true.keys())),
        only_reference=tuple(sorted(true.keys() - made.keys())),
    )


class DecodedClip:
    """The first `max_s` seconds of a clip, in mono; each medium is decoded on demand, and once.

    Sound is decoded at its own rate and resampled from there, pictures at their own rate and picked from there.
    """

    def __init__(self, files: ClipFiles, store: Store, *, max_s: Fraction) -> None:
        self._files, self._store, self._max_s = files, store, max_s
        self._pictures: dict[int, FrameSource] = {}
        self._resampled: dict[int, Waveform] = {}
        self._states: dict[Path, FileState] = {}

    @property
    def has_sound(self) -> bool:
        """True if the clip has sound."""
        return self._files.sound is not None

    @property
    def has_pictures(self) -> bool:
        """True if the clip has pictures."""
        return self._files.pictures is not None

    def digest(self, medium: str) -> str:
        """Return the digest of the file of the clip's sound or pictures, as it was when it was first asked for.

        Raises MediaError when the file cannot be read, MediaChanged when it is not the one that was listed.
        """
        info = self._file(medium)
        if info.path not in self._states:
            self._states[info.path] = file_state(info.path, self._store)
            if cached_probe(info.path, self._store) != info:
                raise changed(info.path)
        return self._states[info.path].digest

    def check_unchanged(self) -> None:
        """Raise MediaChanged if one of the files has changed since its digest was first asked for."""
        check_unchanged(self._states.values())

    @cached_property
    def sound_end_s(self) -> Fraction:
        """End of the whole file's sound, in seconds from its first picture or sample."""
        info = self._file("sound")
        return _sound_end(info, _audio(info))

    def sound(self, sample_rate: int) -> Waveform:
        """Return the sound in mono. Raises MediaError where it cannot be decoded."""
        if sample_rate not in self._resampled:
            self._resampled[sample_rate] = resample(self._native, sample_rate)
        return self._resampled[sample_rate]

    @cached_property
    def _native(self) -> Waveform:
        info = self._file("sound")
        length_s = min(self._max_s, self.sound_end_s)
        return read_audio(info.path, sample_rate=_audio(info).sample_rate, duration_s=length_s)

    def native_frames(self, side: int) -> FrameSource:
        """Return all pictures at the film's own rate, their shorter side at most `side` pixels. Raises MediaError."""
        if side not in self._pictures:
            info = self._file("pictures")
            video = require_video(info)
            width, height = fit_shorter_side(video.width, video.height, side)
            rate = min(max(video.rate, _RATE_LIMITS[0]), _RATE_LIMITS[1])
            spec = PictureSpec(rate=rate, width=width, height=height)
            length_s = min(self._max_s, info.duration_s)
            self._pictures[side] = open_frames(info.path, start_s=Fraction(0), duration_s=length_s, spec=spec)
        return self._pictures[side]

    def frames(self, rate: Fraction, side: int) -> FrameSource:
        """Return the pictures that are shown at each tick of `rate`."""
        return ResampledFrames(self.native_frames(side), rate=rate)

    def _file(self, medium: str) -> MediaInfo:
        found = self._files.sound if medium == "sound" else self._files.pictures
        if found is None:
            raise MediaError(f"a clip that has no {medium} was asked for it")
        return found


def _audio(info: MediaInfo) -> AudioInfo:
    assert info.audio is not None
    return info.audio


def _sound_end(info: MediaInfo, audio: AudioInfo) -> Fraction:
    if audio.duration_s is None:
        return info.duration_s
    origin_s = audio.start_s if info.video is None else info.video.start_s
    return max(Fraction(1, audio.sample_rate), audio.start_s - origin_s + audio.duration_s)


def _clips(folder: Path, store: Store, listener: Listener) -> dict[str, ClipFiles]:
    found: dict[str, ClipFiles] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if not path.is_file() or path.suffix.lower() in _NO_MEDIA or any(part.startswith(".") for part in inside.parts):
            continue
        try:
            info = cached_probe(path, store)
        except MediaError as error:
            listener(Message(text=f"left out: {error}", level="warning"))
            continue
        name = inside.with_suffix("").as_posix()
        known = found.get(name, ClipFiles())
        sound, pictures = known.sound, known.pictures
        # A separate sound file is preferred to the sound track of a movie of that name.
        if info.audio is not None and (sound is None or (sound.has_video and not info.has_video)):
            sound = info
        if info.video is not None and pictures is None:
            pictures = info
        found[name] = ClipFiles(sound=sound, pictures=pictures)
    return found


def _captions(folder: Path) -> Mapping[str, str]:
    """Return captions by name of a clip. Raises InputError for a file that cannot be read."""
    found: dict[str, str] = {}
    manifest, captions = folder / MANIFEST, folder / CAPTIONS
    try:
        if manifest.is_file():
            with manifest.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    found[_name(row["path"])] = row["caption"] or ""
        if captions.is_file():
            for key, value in parse_json(read_text(captions, TABLE_BYTES), CAPTIONS).items():
                found[_name(key)] = str(value["caption"] if isinstance(value, dict) else value)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"the captions in '{folder}' cannot be read ({type(error).__name__}: {error}); {CAPTIONS} is an object of "
            f"names and texts, {MANIFEST} has the columns path and caption"
        ) from None
    return found


def _name(path: str) -> str:
    """Return a clip's name from its file's, whose suffix may be left out."""
    inside = Path(path)
    # A name such as "take 1.5 final" has no suffix, whatever pathlib says.
    return (inside.with_suffix("") if 2 <= len(inside.suffix) <= 5 else inside).as_posix()
