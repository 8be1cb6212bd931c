"""WebDataset tars: samples by key, read where they lie.

A member's key is its path up to the first dot of its last part; what follows says what it is. Nothing is unpacked by
name: bytes are read by their place.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from avlink.core.errors import InputError, MediaError
from avlink.core.recipe.data import WebDatasetData
from avlink.training.data.entries import Entry, Found, Member
from avlink.training.data.tables import read_caption

_VIDEO = ("mp4", "webm", "mkv", "mov")
_WORDS = ("txt", "json")
_LONGEST_WORDS = 1 << 20


def read_webdataset(data: WebDatasetData, folder: Path) -> Found:
    """The samples of all tars that have a video and a caption.

    Raises InputError where there is no tar.
    """
    tars = sorted(path for path in folder.glob(data.tars) if path.is_file())
    if not tars:
        raise InputError(f"there is no tar file in '{folder}' that fits data.tars = '{data.tars}'")
    found = Found()
    for tar in tars:
        _read_tar(tar, tar.relative_to(folder).as_posix(), found)
    return found.limit(data.max_clips, data.held_out)


def _read_tar(path: Path, shown: str, found: Found) -> None:
    samples: dict[str, dict[str, tuple[Member, str]]] = {}
    try:
        # "r:" alone: in a compressed tar no place is known.
        with tarfile.open(path, "r:") as tar:
            for info in tar:
                folder, _, name = info.name.rpartition("/")
                stem, _, kind = name.partition(".")
                kind = kind.lower()
                if not info.isreg() or info.issparse() or not stem or kind not in _VIDEO + _WORDS:
                    continue
                key = f"{folder}/{stem}" if folder else stem
                words = ""
                if kind in _WORDS and info.size <= _LONGEST_WORDS:
                    file = tar.extractfile(info)
                    words = "" if file is None else file.read().decode("utf-8", "replace")
                member = Member(name=info.name, offset=info.offset_data, size=info.size)
                samples.setdefault(key, {})[kind] = (member, words)
    except (tarfile.TarError, OSError, EOFError) as error:
        found.lack(shown, f"the tar cannot be read to its end ({error}); copy it again, uncompressed")
    for key, sample in samples.items():
        _add(path, f"{shown}/{key}", sample, found)


def _add(path: Path, label: str, sample: dict[str, tuple[Member, str]], found: Found) -> None:
    kind = next((kind for kind in _VIDEO if kind in sample), None)
    if kind is None:
        found.lack(label, f"it has no video: none of {', '.join(_VIDEO)}")
        return
    member = sample[kind][0]
    try:
        if "txt" in sample:
            caption, start_s = sample["txt"][1].strip(), Fraction(0)
        elif "json" in sample:
            caption, start_s = read_caption(sample["json"][1])
        else:
            found.lack(label, "it has no caption: neither txt nor json")
            return
    except ValueError as error:
        found.lack(label, f"its caption cannot be read: {error}")
        return
    found.add(
        "train",
        Entry(
            path=path,
            label=f"{label}.{kind}",
            size=member.size,
            caption=caption,
            start_s=start_s,
            member=member,
        ),
    )


@contextmanager
def as_file(entry: Entry) -> Iterator[Path]:
    """The file of an entry; a tar's member lies in a temporary one meanwhile. Raises MediaError where it is cut off."""
    member = entry.member
    if member is None:
        yield entry.path
        return
    with tempfile.TemporaryDirectory(prefix="avlink-member-") as folder:
        path = Path(folder) / f"clip{Path(member.name).suffix}"
        try:
            with entry.path.open("rb") as tar:
                tar.seek(member.offset)
                content = tar.read(member.size)
        except OSError as error:
            raise MediaError(f"the tar '{entry.path}' cannot be read: {error.strerror}") from error
        if len(content) < member.size:
            raise MediaError(f"the tar '{entry.path}' ends within '{member.name}'; copy it again")
        path.write_bytes(content)
        yield path
