"""Locating and fingerprinting model bundles, without torch and without reading weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlink.core.errors import BundleError

if TYPE_CHECKING:
    from avlink.core.recipe.schema import RecipeSource
    from avlink.core.sampling import SampleConfig

BUILTIN = "foley48"
"""Name of the bundle that ships with AVLink; recipes may also call it "builtin"."""

_SHIPPED = Path(__file__).resolve().parent.parent / "bundles"


def shipped_bundles() -> tuple[str, ...]:
    """Return the names of the bundles inside this installation."""
    return tuple(sorted(path.parent.name for path in _SHIPPED.glob("*/bundle.toml")))


def find_bundle(name: str) -> Path:
    """Return the folder of a bundle, given a shipped bundle's name or a path.

    Raises BundleError, which names the shipped bundles, if there is none.
    """
    known = BUILTIN if name == "builtin" else name
    if (_SHIPPED / known / "bundle.toml").is_file() and "/" not in known:
        return _SHIPPED / known
    folder = Path(name).expanduser()
    if (folder / "bundle.toml").is_file():
        return folder
    shipped = ", ".join(shipped_bundles()) or "none"
    raise BundleError(
        f"there is no model '{name}': neither a shipped one ({shipped}) nor a folder with a bundle.toml; "
        "name one of these, or the folder of a bundle that you trained"
    )


def bundle_fingerprint(folder: Path) -> str:
    """Return a digest of a bundle's configuration and of its weights' digests: a part of every cache key.

    Raises BundleError if the bundle cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name in ("bundle.toml", "tensors.json"):
        try:
            digest.update((folder / name).read_bytes())
        except OSError as error:
            raise BundleError(
                f"the bundle {folder} cannot be read: {name}: {error.strerror}; copy the whole folder again"
            ) from None
    return digest.hexdigest()


def bundle_table(folder: Path) -> dict[str, Any]:
    """Return the tables of a bundle's `bundle.toml`. Raises BundleError if there is none, or it cannot be read."""
    from avlink.core.documents import parse_toml
    from avlink.core.input_files import read_text
    from avlink.core.limits import RECIPE_BYTES

    path = folder / "bundle.toml"
    if not path.exists():
        raise BundleError(f"there is no bundle in {folder}: it has no bundle.toml")
    return parse_toml(read_text(path, RECIPE_BYTES, BundleError), path, BundleError)


def bundle_sound(folder: Path) -> SampleConfig:
    """Return the settings that a bundle makes sound for pictures with. Raises BundleError if it cannot be read."""
    from avlink.core.recipe.history import sound_of

    return sound_of(bundle_table(folder).get("training", {}))


def bundle_of(source: RecipeSource, key: str, name: str) -> str:
    """Return the bundle `name`, the value of a recipe's `key`: a shipped one, or a folder relative to the recipe."""
    return name if name in ("builtin", *shipped_bundles()) else str(source.path(key, name))
