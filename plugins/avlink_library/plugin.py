"""The backend `library`, which assembles sound from the user's sound libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from avlink import BundleError, RecipeError, digest, hookimpl
from avlink.hooks import Backend, ReadyBackend, ReadySpotter, load_registry, named_spotter
from avlink_library.options import LibraryOptions

if TYPE_CHECKING:
    from avlink import SoundGenerator

_CODE_VERSION = 2
"""Raise it when the same libraries and options give another sound."""

_FALLBACK = "fusion-v2a"


def fingerprint(options: LibraryOptions) -> str:
    """Return a digest of the options, the spotter and the fallback. Raises LibraryError without a library.

    The libraries are not in it: what a clip uses of them is its material.
    """
    from avlink_library.shelf import check_libraries

    check_libraries(options)
    chosen = options.model_dump(exclude={"libraries", "spotter", "spotter_options"})
    fallback = _fallback(options)
    return digest(
        [
            _CODE_VERSION,
            chosen,
            _spotter(options).fingerprint(),
            None if fallback is None else fallback.fingerprint(),
        ]
    )


def load(options: LibraryOptions, device: str) -> SoundGenerator:
    """Return the generator, with its spotter and its fallback."""
    from avlink_library.generator import LibraryGenerator

    fallback = _fallback(options)
    made = None if fallback is None else fallback.load(device)
    return LibraryGenerator(options, _spotter(options).load(device), made)  # type: ignore[arg-type]


@hookimpl
def avlink_backends() -> list[Backend]:
    """Offer the backend."""
    return [
        Backend(
            name="library",
            direction="v2a",
            options=LibraryOptions,
            fingerprint=fingerprint,
            load=load,
            material="avlink_library.shelf:material",
            items="avlink_library.items:items",
        )
    ]


def _spotter(options: LibraryOptions) -> ReadySpotter:
    """Return the spotter of the options. Raises RecipeError for one that is not known, or wrong options of it."""
    registry = load_registry()
    spotter, given = named_spotter(options.spotter or "motion", options.spotter_options, registry)
    try:
        ready = ReadySpotter(spotter=spotter, options=spotter.options.model_validate(given))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise RecipeError(f"backend.options.spotter_options.{key}: {first['msg']}") from None
    if not options.spotter:
        try:
            ready.fingerprint()
        except BundleError:
            without = registry.spotter("motion-peaks")
            return ReadySpotter(spotter=without, options=without.options())
    return ready


def _fallback(options: LibraryOptions) -> ReadyBackend | None:
    if options.fallback == "silence":
        return None
    backend = load_registry().backend(_FALLBACK)
    return ReadyBackend(backend=backend, options=backend.options())
