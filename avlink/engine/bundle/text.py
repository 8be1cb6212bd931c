"""The external text encoder inside a bundle: a folder `text` of transformers' kind, whose files have digests too."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from avlink.core.errors import BundleError
from avlink.engine.text.t5 import T5Encoder

_FOLDER = "text"


def save_text(encoder: T5Encoder, bundle: Path) -> dict[str, str]:
    """Write `encoder` into the bundle's folder; returns its files with their digests."""
    hidden, place = bundle / f".{_FOLDER}.part", bundle / _FOLDER
    shutil.rmtree(hidden, ignore_errors=True)
    hidden.mkdir()
    encoder.save(hidden)
    shutil.rmtree(place, ignore_errors=True)
    hidden.rename(place)
    return {path.name: _digest(path) for path in sorted(place.iterdir())}


def load_text(bundle: Path, files: Mapping[str, str] | None, device: str, max_length: int) -> T5Encoder | None:
    """The text encoder of a bundle; None where it has none.

    Raises BundleError for a file that is missing or altered.
    """
    if files is None:
        return None
    for name, digest in files.items():
        path = bundle / _FOLDER / Path(name).name
        if not path.is_file():
            raise BundleError(f"the bundle {bundle} lacks {_FOLDER}/{name}; copy the whole folder again")
        if _digest(path) != digest:
            raise BundleError(
                f"{path} was altered: its digest is not the one in bundle.toml; copy the whole bundle again"
            )
    return T5Encoder(bundle / _FOLDER, max_length=max_length, device=device)


def _digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
