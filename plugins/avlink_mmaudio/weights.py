"""MMAudio's weights on the user's disk: the files of each variant, found and checked.

Names, places and MD5 sums are those of MMAudio's own README and `mmaudio/utils/download_utils.py`. MMAudio takes
CLIP and the 44.1 kHz vocoder from the cache of Hugging Face's library, which names files by their content.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from avlink import BundleError, Store, cache_dir, digest

Variant: TypeAlias = Literal["small_16k", "small_44k", "medium_44k", "large_44k", "large_44k_v2"]

CLIP = "apple/DFN5B-CLIP-ViT-H-14-384"
VOCODER = "nvidia/bigvgan_v2_44khz_128band_512x"

_MODELS = "https://huggingface.co/hkchengrex/MMAudio/resolve/main/weights"
_RELEASE = "https://github.com/hkchengrex/MMAudio/releases/download/v0.1"
_MD5 = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A file that MMAudio published: its path in the folder, its URL, its MD5, its size in words."""

    place: str
    url: str
    md5: str
    size: str


def _net(variant: Variant, md5: str, size: str) -> Published:
    name = f"mmaudio_{variant}.pth"
    return Published(place=f"weights/{name}", url=f"{_MODELS}/{name}", md5=md5, size=size)


def _release(name: str, md5: str, size: str) -> Published:
    return Published(place=f"ext_weights/{name}", url=f"{_RELEASE}/{name}", md5=md5, size=size)


NETS: Mapping[Variant, Published] = {
    "small_16k": _net("small_16k", "af93cde404179f58e3919ac085b8033b", "601 MB"),
    "small_44k": _net("small_44k", "babd74c884783d13701ea2820a5f5b6d", "601 MB"),
    "medium_44k": _net("medium_44k", "5a56b6665e45a1e65ada534defa903d0", "2.4 GB"),
    "large_44k": _net("large_44k", "fed96c325a6785b85ce75ae1aafd2673", "3.9 GB"),
    "large_44k_v2": _net("large_44k_v2", "01ad4464f049b2d7efdaa4c1a59b8dfe", "3.9 GB"),
}
SYNC = _release("synchformer_state_dict.pth", "5b2f5594b0730f70e41e549b7c94390c", "907 MB")
VAES = {
    "16k": _release("v1-16.pth", "69f56803f59a549a1a507c93859fd4d7", "655 MB"),
    "44k": _release("v1-44.pth", "fab020275fa44c6589820ce025191600", "1.2 GB"),
}
VOCODER_16K = _release("best_netG.pt", "eeaf372a38a9c31c362120aba2dde292", "429 MB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The files of a variant, which exist and are intact; `vocoder` is that of 16 kHz, None if the hub has it."""

    variant: Variant
    net: Path
    vae: Path
    sync: Path
    vocoder: Path | None
    hub: Path
    hub_files: tuple[Path, ...]

    def digests(self) -> list[str]:
        """Return digests of all files, in a fixed order."""
        own = [file for file in (self.net, self.vae, self.sync, self.vocoder) if file is not None]
        return [*(md5_of(file) for file in own), *(_kept_as(file) for file in self.hub_files)]


def find_weights(folder: str, hub: str, variant: Variant, *, published: bool) -> Weights:
    """Return the files of a variant. Those that MMAudio published are checked by MD5, which is kept in the cache.

    Raises BundleError that names the first file that is missing or differs, and its URL.
    """
    if not folder:
        raise BundleError(
            "MMAudio's weights do not come with AVLink: get them as MMAudio's README says, and name their folder in "
            "backend.options.weights"
        )
    root, kind = Path(folder).expanduser(), "16k" if variant.endswith("16k") else "44k"
    if not root.is_dir():
        raise BundleError(f"backend.options.weights: there is no folder '{root}'; name the one of MMAudio's weights")
    needed = [NETS[variant], VAES[kind], SYNC, *([VOCODER_16K] if kind == "16k" else [])]
    # All files are searched before any is hashed, so that a missing one is reported at once.
    files = [_find(root, file) for file in needed]
    cache = Path(hub).expanduser() if hub else hub_folder()
    hub_files = [*_in_hub(cache, CLIP, "open_clip_config.json", "open_clip_pytorch_model.bin")]
    if kind == "44k":
        hub_files += _in_hub(cache, VOCODER, "config.json", "bigvgan_generator.pt")
    if published:
        for file, path in zip(needed, files, strict=True):
            _check(file, path)
    return Weights(
        variant=variant,
        net=files[0],
        vae=files[1],
        sync=files[2],
        vocoder=files[3] if kind == "16k" else None,
        hub=cache,
        hub_files=tuple(hub_files),
    )


def md5_of(path: Path, store: Store | None = None) -> str:
    """Return the MD5 of a file; a file of the same path, size, time and inode is read once on this machine."""
    store = Store(cache_dir()) if store is None else store
    try:
        path = path.resolve()
        stat = path.stat()
        key = digest(["md5", str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino])
        known = store.get_text(key)
        if known is not None and _MD5.fullmatch(known):
            return known
        content = hashlib.md5(usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                content.update(chunk)
    except OSError as error:
        raise BundleError(f"the weights '{path}' cannot be read: {error.strerror or error}") from None
    store.put_text(key, ".txt", content.hexdigest())
    return content.hexdigest()


def _find(root: Path, file: Published) -> Path:
    for path in (root / file.place, root / Path(file.place).name):
        if path.is_file():
            return path
    raise BundleError(f"MMAudio's weights lack '{root / file.place}' ({file.size}); get it from {file.url}")


def _check(file: Published, path: Path) -> None:
    found = md5_of(path)
    if found != file.md5:
        raise BundleError(
            f"'{path}' ({path.stat().st_size} bytes) is not what MMAudio published ({file.size}): its MD5 is {found} "
            f"instead of {file.md5}; get it again from {file.url}, or say backend.options.published=false for weights "
            "of your own"
        )


def _in_hub(cache: Path, repository: str, *names: str) -> Iterator[Path]:
    """Yield files of a repository in a cache of Hugging Face's library, at its downloaded revision of `main`."""
    place = cache / f"models--{repository.replace('/', '--')}"
    try:
        state = (place / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        state = ""
    for name in names:
        path = place / "snapshots" / state / name
        if not state or not path.is_file():
            raise BundleError(
                f"MMAudio needs {repository}, of which '{name}' is not in '{cache}'; get it with "
                f"`hf download {repository} {' '.join(names)}`, or name another cache in backend.options.hub"
            )
        yield path


def _kept_as(path: Path) -> str:
    """Return a digest of a file of the hub's cache. Large ones are named by their SHA-256 there, others are read."""
    name = path.resolve().name
    return name if _SHA256.fullmatch(name) else md5_of(path)


def hub_folder() -> Path:
    """Return the cache folder of Hugging Face's library, by the environment variables that it reads."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(name):
            return Path(os.environ[name]).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "huggingface" / "hub"
