"""WebDataset tars: samples by key, read in place.

The key of a member is its path up to the first dot of the file name; the rest is its type. Members are read by offset
and size, and nothing is unpacked under its own name, so that a hostile path in a tar does no harm.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from avlink.core.disk import temporary_file_error
from avlink.core.errors import InputError, MediaError
from avlink.core.recipe.data import WebDatasetData
from avlink.training.data.source_clips import SourceClip, SourceListing, TarMember, read_caption

_VIDEO = ("mp4", "webm", "mkv", "mov")
_CAPTION = ("txt", "json")
_MAX_CAPTION_BYTES = 1 << 20


def read_webdataset(data: WebDatasetData, folder: Path) -> SourceListing:
    """Return the samples of all tars that have a video and a caption. Raises InputError where there is no tar."""
    tars = sorted(path for path in folder.glob(data.tars) if path.is_file())
    if not tars:
        raise InputError(f"there is no tar file in '{folder}' that fits data.tars = '{data.tars}'")
    found = SourceListing()
    for tar in tars:
        _read_tar(tar, tar.relative_to(folder).as_posix(), found)
    return found.limit(data.max_clips, data.held_out, data.crops)


def _read_tar(path: Path, name: str, found: SourceListing) -> None:
    samples: dict[str, dict[str, tuple[TarMember, str]]] = {}
    try:
        # Mode "r:" alone: the members of a compressed tar have no offset.
        with tarfile.open(path, "r:") as tar:
            for info in tar:
                folder, _, file_name = info.name.rpartition("/")
                stem, _, kind = file_name.partition(".")
                kind = kind.lower()
                # The bytes of a sparse member are not in one piece.
                if not info.isreg() or info.issparse() or not stem or kind not in _VIDEO + _CAPTION:
                    continue
                key = f"{folder}/{stem}" if folder else stem
                caption = ""
                if kind in _CAPTION and info.size <= _MAX_CAPTION_BYTES:
                    file = tar.extractfile(info)
                    caption = "" if file is None else file.read().decode("utf-8", "replace")
                member = TarMember(name=info.name, offset=info.offset_data, size=info.size)
                samples.setdefault(key, {})[kind] = (member, caption)
    except (tarfile.TarError, OSError, EOFError) as error:
        # Members before the fault are still used.
        found.add_missing(name, f"the tar cannot be read to its end ({error}); copy it again, uncompressed")
    for key, sample in samples.items():
        _add(path, f"{name}/{key}", sample, found)


def _add(path: Path, label: str, sample: dict[str, tuple[TarMember, str]], found: SourceListing) -> None:
    kind = next((kind for kind in _VIDEO if kind in sample), None)
    if kind is None:
        found.add_missing(label, f"it has no video: none of {', '.join(_VIDEO)}")
        return
    member = sample[kind][0]
    try:
        if "txt" in sample:
            caption, start_s = sample["txt"][1].strip(), Fraction(0)
        elif "json" in sample:
            caption, start_s = read_caption(sample["json"][1])
        else:
            found.add_missing(label, "it has no caption: neither txt nor json")
            return
    except ValueError as error:
        found.add_missing(label, f"its caption cannot be read: {error}")
        return
    found.add(
        "train",
        SourceClip(
            path=path,
            label=f"{label}.{kind}",
            size=member.size,
            caption=caption,
            start_s=start_s,
            member=member,
        ),
    )


@contextmanager
def as_file(clip: SourceClip) -> Iterator[Path]:
    """Yield the file of a clip; a tar's member is copied to a temporary one. Raises MediaError where it is cut off."""
    member = clip.member
    if member is None:
        yield clip.path
        return
    with tempfile.TemporaryDirectory(prefix="avlink-member-") as folder:
        path = Path(folder) / f"clip{Path(member.name).suffix}"
        try:
            with clip.path.open("rb") as tar:
                tar.seek(member.offset)
                content = tar.read(member.size)
        except OSError as error:
            raise MediaError(f"the tar '{clip.path}' cannot be read: {error.strerror}") from error
        if len(content) < member.size:
            raise MediaError(f"the tar '{clip.path}' ends within '{member.name}'; copy it again")
        try:
            path.write_bytes(content)
        except OSError as error:
            raise temporary_file_error(error, "a clip") from error
        yield path
