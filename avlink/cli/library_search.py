"""`avlink library search`: sounds by words, and by likeness to a sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avlink.cli import options as given
from avlink.core.answer import Answer, Block, Grid

if TYPE_CHECKING:
    from avlink.library.search import WantedSounds
    from avlink.library.values import Sound

DeviceOption = Annotated[
    given.Device, typer.Option("--device", help="The device of the extractor; auto is the fastest one.")
]
ExtractorSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="An option of the extractor, such as extractors.clap.checkpoint=FOLDER; repeatable.",
        show_default=False,
    ),
]


class SoundKindChoice(str, Enum):
    """A kind of sound."""

    one_shot = "one-shot"
    hits = "hits"
    loop = "loop"
    bed = "bed"


def search(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="WORDS...", help="Words in any order.", show_default=False)
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option("--like", metavar="FILE", help="Find sounds that sound like this one.", show_default=False),
    ] = None,
    library: Annotated[
        list[str] | None,
        typer.Option("--library", metavar="NAME", help="Only in this library; repeatable.", show_default=False),
    ] = None,
    kind: Annotated[
        list[SoundKindChoice] | None,
        typer.Option("--kind", help="Only sounds of this kind; repeatable.", show_default=False),
    ] = None,
    category: Annotated[
        str, typer.Option("--category", metavar="CATID", help="A UCS CatID or category.", show_default=False)
    ] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10000, help="The most sounds to show.")] = 20,
    embed: Annotated[
        str | None,
        typer.Option(
            "--embed",
            metavar="NAME",
            help="The extractor whose embeddings --like compares. [default: the only one]",
            show_default=False,
        ),
    ] = None,
    settings: ExtractorSettings = None,
    device: DeviceOption = given.Device.auto,
    as_json: given.JsonOption = False,
) -> Answer:
    """Search the libraries for sounds by words, or by likeness to a sound.

    Words are looked for in names, folders, descriptions and UCS categories, with the synonyms of UCS. With --like, the
    sounds that have all words are listed by their likeness to FILE, which needs embeddings (avlink library update
    --embed).

    \b
    Examples:
      avlink library search door slam wood --kind one-shot
      avlink library search footsteps gravel --category FOOTSTEPS -n 50
      avlink library search wood --like knock.wav
    """  # noqa: D301
    from avlink.library.search import WantedSounds

    wanted = WantedSounds(libraries=tuple(library or ()), kinds=tuple(one.value for one in kind or ()), catid=category)
    query = " ".join(words or ())
    if like is not None:
        return _alike(like, query, wanted, embed=embed, settings=settings or (), device=device.value, limit=limit)
    _refuse_without_like(words, embed, settings)
    from avlink.library.index import open_library_index
    from avlink.library.search import search_sounds

    with open_library_index() as index:
        found = search_sounds(index, query, wanted, limit=limit)
    payload = [(one.sound, {"rank": one.rank, "matched": list(one.words)}, ()) for one in found]
    return _answer({"query": query}, payload, (), f"no sound for '{query}'")


def _alike(
    like: Path,
    query: str,
    wanted: WantedSounds,
    *,
    embed: str | None,
    settings: Sequence[str],
    device: str,
    limit: int,
) -> Answer:
    from avlink.admin.sound_embeddings import search_alike

    found = search_alike(like, query, wanted, name=embed, settings=settings, device=device, limit=limit)
    rows = [(one.sound, {"similarity": round(one.similarity, 4)}, (f"{one.similarity:.3f}",)) for one in found]
    asked = {"query": query, "like": str(like)}
    return _answer(asked, rows, ("similarity",), "no such sound has an embedding")


def _refuse_without_like(words: list[str] | None, embed: str | None, settings: list[str] | None) -> None:
    from avlink.core.errors import InputError

    if embed is not None or settings:
        option = f"--embed {embed}" if embed is not None else f"-s {(settings or [''])[0]}"
        raise InputError(f"{option} is for sounds that are alike; name one by --like FILE")
    if not words:
        raise InputError("missing argument 'WORDS...'; see `avlink library search --help`")


def _answer(
    asked: Mapping[str, Any],
    found: Sequence[tuple[Sound, Mapping[str, Any], tuple[str, ...]]],
    heads: tuple[str, ...],
    nothing: str,
) -> Answer:
    """Return the answer for sounds, each with more values of its object and more cells of its row."""
    from avlink.library.libraries import sound_state

    states = [sound_state(sound) for sound, _, _ in found]
    rows = [(*_row(sound), *cells, state) for (sound, _, cells), state in zip(found, states, strict=True)]
    payload = [
        {**sound.to_json(), **values, "problem": state or None}
        for (sound, values, _), state in zip(found, states, strict=True)
    ]
    columns = ("sound", "library", "kind", "length", "loudness", "hits", "category", "licence", *heads, "")
    blocks: list[Block] = [Grid(heads=columns, rows=rows)] if rows else [nothing]
    return Answer(command="library search", payload={**asked, "sounds": payload}, blocks=blocks)


def _row(sound: Sound) -> tuple[str, ...]:
    analysis, described = sound.analysis, sound.description
    return (
        sound.name,
        sound.library,
        analysis.kind,
        seconds_text(float(analysis.length_s)),
        loudness_text(sound),
        f"{len(analysis.hits)}",
        described.catid,
        described.licence,
    )


def seconds_text(value: float) -> str:
    """Return seconds as they are shown."""
    return f"{value:.2f} s"


def loudness_text(sound: Sound) -> str:
    """Return the loudness of a sound as it is shown."""
    lufs = sound.analysis.lufs
    return "no loudness" if lufs is None else f"{lufs:.1f} LUFS"
