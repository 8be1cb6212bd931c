"""Two folders of clips as pairs: generated and true ones of the same name."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from avlink.core.errors import InputError, MediaError
from avlink.core.events import Listener, Message, ignore
from avlink.core.store import Store
from avlink.media.probe import MediaInfo
from avlink.media.probe_cache import cached_probe

_NO_MEDIA = frozenset({".csv", ".json", ".jsonl", ".md", ".png", ".jpg", ".tsv", ".txt", ".toml", ".npz", ".npy"})
CAPTIONS, MANIFEST = "captions.json", "manifest.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFiles:
    """The files of one clip; a movie may be both. At least one is there."""

    sound: MediaInfo | None = None
    pictures: MediaInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A generated clip and the true one, with the words for it; `caption` is "" where there are none."""

    name: str
    generated: ClipFiles
    reference: ClipFiles
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs in the order of their names, and the names that only one of the folders has."""

    pairs: tuple[Pair, ...]
    only_generated: tuple[str, ...] = ()
    only_reference: tuple[str, ...] = ()


def find_pairs(generated: Path, reference: Path, store: Store, *, listener: Listener = ignore) -> Pairs:
    """Pair the media files of two folders by their places in them, without suffixes.

    Words come from `captions.json` (name to text, or to an object with a "caption") or `manifest.csv` (columns path,
    caption) in either folder. Raises InputError for what is no folder, and where no two files go together.
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
    return Pairs(
        pairs=tuple(
            Pair(name=name, generated=made[name], reference=true[name], caption=captions.get(name, "")) for name in both
        ),
        only_generated=tuple(sorted(made.keys() - true.keys())),
        only_reference=tuple(sorted(true.keys() - made.keys())),
    )


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
        # A file of sound alone says more of the sound than a movie beside it.
        if info.audio is not None and (sound is None or (sound.has_video and not info.has_video)):
            sound = info
        if info.video is not None and pictures is None:
            pictures = info
        found[name] = ClipFiles(sound=sound, pictures=pictures)
    return found


def _captions(folder: Path) -> Mapping[str, str]:
    """Words by name of a clip. Raises InputError for a file of them that makes no sense."""
    found: dict[str, str] = {}
    manifest, captions = folder / MANIFEST, folder / CAPTIONS
    try:
        if manifest.is_file():
            with manifest.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    found[_name(row["path"])] = row["caption"] or ""
        if captions.is_file():
            for key, value in json.loads(captions.read_text("utf-8")).items():
                found[_name(key)] = str(value["caption"] if isinstance(value, dict) else value)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"the captions in '{folder}' cannot be read ({type(error).__name__}: {error}); {CAPTIONS} is an object of "
            f"names and texts, {MANIFEST} has the columns path and caption"
        ) from None
    return found


def _name(path: str) -> str:
    """A clip's name from its file's, whose last suffix may be left out."""
    inside = Path(path)
    return (inside.with_suffix("") if 2 <= len(inside.suffix) <= 5 else inside).as_posix()
