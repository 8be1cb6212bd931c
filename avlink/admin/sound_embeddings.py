"""Embeddings of the sound library by extractors of plugins: made after an update, and compared by a search."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avlink.core.errors import InputError, LibraryError, MediaError, RecipeError
from avlink.core.events import Listener
from avlink.core.file_digest import file_identity
from avlink.core.hashing import content_digest
from avlink.core.input_files import check_name, check_regular, faults_of
from avlink.core.recipe import Override, RecipeSource
from avlink.core.recipe.overrides import apply_overrides, parse_override
from avlink.evaluation.extractors import BUILTIN_EXTRACTORS
from avlink.hooks import ReadyExtractor, load_registry, resolve_extractor
from avlink.library.alike import AlikeSound, embedding_of, find_alike
from avlink.library.embed import EmbedReport, SoundEmbedder, Vector, embed_library
from avlink.library.embedding_matrix import load_matrix
from avlink.library.embeddings import EmbeddingExtractor, choose_extractor, drop_old_matrices, last_extractor
from avlink.library.index import LibraryIndex, open_library_index
from avlink.library.search import WantedSounds
from avlink.library.values import Library
from avlink.session import pick_device

_CODE_VERSION = 1
"""Raised when the same file and extractor give another embedding."""


def prepare_embedder(name: str, settings: Sequence[str | Override], device: str) -> SoundEmbedder:
    """Return an extractor for the sounds of libraries; it is loaded on `device` when the first one is described.

    `settings` are overrides such as "extractors.clap.checkpoint=FOLDER"; other options are as they were the last time.

    Raises InputError for an extractor that there is not, that takes no sound, or whose checkpoint is missing, and
    RecipeError for settings that it does not take.
    """
    return _embedder(name, {**_last_options(name), **_given(name, settings)}, device)


def embed_libraries(
    libraries: Sequence[Library], embedder: SoundEmbedder, listener: Listener
) -> tuple[EmbedReport, ...]:
    """Embed the sounds of libraries that have no embedding by this extractor yet; see `embed_library`."""
    with open_library_index() as index:
        reports = tuple(embed_library(index, one, embedder, listener) for one in libraries)
        found = last_extractor(index, embedder.name)
        if found is not None:
            # The next search would do it, and people wait for that.
            load_matrix(index, found)
        drop_old_matrices(index)
    return reports


def search_alike(
    like: Path,
    query: str,
    wanted: WantedSounds,
    *,
    name: str | None = None,
    settings: Sequence[str | Override] = (),
    device: str = "auto",
    limit: int = 20,
) -> tuple[AlikeSound, ...]:
    """Return the sounds most like a file, in a library or not; see `find_alike`.

    `name` chooses the extractor where sounds have embeddings of several. It is loaded for a file that no library has.

    Raises LibraryError where no sound has an embedding, InputError for a file that cannot be used and for what
    `prepare_embedder` refuses.
    """
    if settings and name is None:
        raise InputError(f"-s {_label(settings[0])}: options are those of the extractor that --embed NAME names")
    with open_library_index() as index:
        extractor = choose_extractor(index, name)
        given = _given(extractor.name, settings)
        _check_file(like)
        vector = _vector(index, extractor, like, given, device)
        return find_alike(index, extractor, vector, query, wanted, limit=limit)


def _vector(
    index: LibraryIndex, extractor: EmbeddingExtractor, like: Path, given: Mapping[str, Any], device: str
) -> Vector:
    try:
        identity = file_identity(like)
        known = embedding_of(index, extractor, content_digest(like))
    except OSError as error:
        raise MediaError(f"{like} cannot be read: {error.strerror or error}") from error
    if known is not None:
        return known
    embedder = _embedder(extractor.name, {**extractor.options, **given}, device)
    if embedder.fingerprint != extractor.fingerprint:
        raise LibraryError(
            f"the extractor '{extractor.name}' has another checkpoint or other options than for the sounds of the "
            f"library; make their embeddings anew by `avlink library update --embed {extractor.name}`"
        )
    with faults_of(f"'{like}'", MediaError):
        vector = embedder.embed(like)
    identity.check()
    return vector


def _embedder(name: str, options: Mapping[str, Any], device: str) -> SoundEmbedder:
    ready = _ready(name, options)
    checked = ready.options.model_dump(mode="json", exclude_defaults=True)
    if checked.get("checkpoint"):
        # Kept for runs in other folders.
        checked["checkpoint"] = os.path.abspath(checked["checkpoint"])
    return SoundEmbedder(
        name=name,
        fingerprint=f"{_CODE_VERSION} {ready.fingerprint()}",
        options=checked,
        load=lambda: ready.load(pick_device(device)),
    )


def _ready(name: str, options: Mapping[str, Any]) -> ReadyExtractor:
    ready = BUILTIN_EXTRACTORS.get(name)
    if ready is None:
        registry = load_registry()
        if name not in registry.extractors:
            known = [one for one, offered in registry.extractors.items() if "sound" in offered.takes]
            raise InputError(registry.unknown("extractor", name, [*known, "log-mel"]))
        ready = resolve_extractor(name, options, registry, source=_SOURCE)
    elif options:
        raise RecipeError(f"the extractor '{name}' has no options; leave out -s extractors.{name}")
    if "sound" not in ready.extractor.takes:
        takes = " and ".join(ready.extractor.takes)
        raise InputError(f"the extractor '{name}' describes {takes}, not sound; name one such as clap by --embed")
    if ready.lack is not None:
        raise InputError(ready.lack)
    return ready


_SOURCE = RecipeSource(label="--embed")


def _given(name: str, settings: Sequence[str | Override]) -> dict[str, Any]:
    """Return the options of the extractor that the settings give. Raises RecipeError for those of anything else."""
    parsed = [parse_override(one) if isinstance(one, str) else one for one in settings]
    for one in parsed:
        if one.key.split(".")[:2] != ["extractors", name] or one.key.count(".") < 2:
            raise RecipeError(
                f"{one.label}: only options of the extractor can be set here, such as extractors.{name}.checkpoint=PATH"
            )
    tree, _ = apply_overrides({}, {}, parsed)
    found = tree.get("extractors", {}).get(name, {})
    assert isinstance(found, dict)
    return found


def _last_options(name: str) -> Mapping[str, Any]:
    try:
        with open_library_index() as index:
            last = last_extractor(index, name)
    except LibraryError:
        # The index is not there before the first library is added; what else is wrong with it is told then.
        return {}
    return {} if last is None else last.options


def _check_file(path: Path) -> None:
    check_name(path)
    if path.is_dir():
        raise MediaError(f"'{path}' is a folder; name a sound file by --like")
    check_regular(path)


def _label(setting: str | Override) -> str:
    return setting if isinstance(setting, str) else setting.label
