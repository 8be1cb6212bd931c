"""`avlink library`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avlink.cli import options as given
from avlink.cli.console import progress
from avlink.core.answer import DONE, SOME_FAILED, Answer, Block, Grid

if TYPE_CHECKING:
    from avlink.library.scan import ScanReport
    from avlink.library.values import Sound

_EPILOG = "The environment variable AVLINK_DATA_DIR sets the folder of the index. Sounds are never changed."
app = typer.Typer(help="Add, update and search libraries of sounds.", epilog=_EPILOG, no_args_is_help=True)


class SoundKindChoice(str, Enum):
    """A kind of sound."""

    one_shot = "one-shot"
    hits = "hits"
    loop = "loop"
    bed = "bed"


_NameOption = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="The library's name. [default: its folder's]", show_default=False),
]
_Processes = Annotated[
    int | None,
    typer.Option(
        "--processes", metavar="N", min=1, help="Processes that analyse. [default: one a core]", show_default=False
    ),
]


@app.command()
def add(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of sounds.", show_default=False)],
    name: _NameOption = None,
    processes: _Processes = None,
    as_json: given.JsonOption = False,
) -> Answer:
    """Add a folder of sounds: describe and analyse each file once.

    Reads WAV, Broadcast Wave, AIFF, FLAC, Ogg, Opus, MP3 and M4A. If it is interrupted, avlink library update goes on.

    \b
    Example:
      avlink library add /Volumes/Sounds/Foley --name foley
    """  # noqa: D301
    from avlink.library.libraries import add_library

    with progress() as tell:
        done = add_library(folder, name, tell, processes=processes)
    return _scanned("library add", (done,), done.to_json())


@app.command()
def update(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A library. [default: all]", show_default=False)
    ] = None,
    processes: _Processes = None,
    as_json: given.JsonOption = False,
) -> Answer:
    """Read what is new or changed in a library, or in all that are online."""
    from avlink.library.libraries import update_libraries

    with progress() as tell:
        done = update_libraries(name, tell, processes=processes)
    return _scanned("library update", done, {"libraries": [one.to_json() for one in done]})


@app.command("list")
def list_all(as_json: given.JsonOption = False) -> Answer:
    """List the libraries; those on drives that are not connected are offline."""
    from avlink.library.libraries import list_libraries

    known = list_libraries()
    rows = [
        (one.name, f"{one.sounds:,}", f"{one.faults:,}", "" if one.is_online else "offline", str(one.root))
        for one in known
    ]
    heads = ("library", "sounds", "faulty", "", "folder")
    blocks: list[Block] = [Grid(heads=heads, rows=rows)] if rows else ["no sound library yet: avlink library add DIR"]
    return Answer(command="library list", payload={"libraries": [one.to_json() for one in known]}, blocks=blocks)


@app.command()
def search(
    words: Annotated[list[str], typer.Argument(metavar="WORDS...", help="Words in any order.", show_default=False)],
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
    as_json: given.JsonOption = False,
) -> Answer:
    """Search the libraries for sounds by words.

    Words are looked for in names, folders, descriptions and UCS categories, with the synonyms of UCS.

    \b
    Examples:
      avlink library search door slam wood --kind one-shot
      avlink library search footsteps gravel --category FOOTSTEPS -n 50
    """  # noqa: D301
    from avlink.library.index import open_library_index
    from avlink.library.libraries import sound_state
    from avlink.library.search import WantedSounds, search_sounds

    wanted = WantedSounds(libraries=tuple(library or ()), kinds=tuple(one.value for one in kind or ()), catid=category)
    query = " ".join(words)
    with open_library_index() as index:
        found = search_sounds(index, query, wanted, limit=limit)
    states = [sound_state(one.sound) for one in found]
    rows = [(*_row(one.sound), state) for one, state in zip(found, states, strict=True)]
    heads = ("sound", "library", "kind", "length", "loudness", "hits", "category", "licence", "")
    payload = [
        {**one.sound.to_json(), "rank": one.rank, "matched": list(one.words), "problem": state or None}
        for one, state in zip(found, states, strict=True)
    ]
    blocks: list[Block] = [Grid(heads=heads, rows=rows)] if rows else [f"no sound for '{query}'"]
    return Answer(command="library search", payload={"query": query, "sounds": payload}, blocks=blocks)


@app.command()
def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sound of a library.", show_default=False)],
    as_json: given.JsonOption = False,
) -> Answer:
    """Show what is known of a sound: words, category, analysis, hits, licence and author."""
    from avlink.library.libraries import find_sound, sound_state

    sound = find_sound(file)
    state = sound_state(sound)
    described, analysis = sound.description, sound.analysis
    facts = [
        ("file", str(sound.path)),
        ("library", sound.library),
        ("words", " ".join(sound.words)),
        ("category", f"{described.catid or 'unknown'}{f' (by its {described.catid_from})' if described.catid else ''}"),
        ("licence", described.licence or "not stated"),
        ("author", described.author or "not stated"),
        ("kind", analysis.kind),
        ("format", f"{analysis.sample_rate} Hz, {analysis.channels} channels, {_seconds(float(analysis.length_s))}"),
        ("level", f"{_lufs(sound)}, peak {analysis.peak_db:.1f} dBFS"),
        ("sound", f"brightness {analysis.brightness_hz:,.0f} Hz, noise {analysis.noise:.2f} of 1"),
    ]
    rows = [
        (f"{float(hit.start_s):.3f}", f"{float(hit.transient_s):.5f}", f"{float(hit.end_s):.3f}", f"{hit.peak_db:.1f}")
        for hit in analysis.hits
    ]
    hits = [Grid(heads=("start s", "transient s", "end s", "peak dBFS"), rows=rows)] if rows else []
    blocks: list[Block] = [Grid(heads=("", ""), rows=facts), *hits, *([f"warning: {state}"] if state else [])]
    return Answer(
        command="library info", payload={"sound": {**sound.to_json(), "problem": state or None}}, blocks=blocks
    )


@app.command()
def check(as_json: given.JsonOption = False) -> Answer:
    """Check whether the sounds of all libraries are there, unchanged and usable.

    The exit code is 3 if some are not, or if a library is offline.
    """
    from avlink.library.libraries import check_libraries

    done = check_libraries()
    rows: list[tuple[str, str, str]] = []
    for one in done:
        name = one.library.name
        if not one.library.is_online:
            rows.append((name, str(one.library.root), "offline: connect its drive"))
        rows += [(name, sound, "gone") for sound in one.gone]
        rows += [(name, sound, "changed since it was read") for sound in one.changed]
        rows += [(name, sound, fault) for sound, fault in one.faults]
    good = all(one.is_good for one in done)
    said = (
        "all sounds are there" if good else "avlink library update reads changed sounds and drops those that are gone"
    )
    blocks: list[Block] = [*([Grid(heads=("library", "what", ""), rows=rows)] if rows else []), said]
    payload = {"ok": good, "libraries": [one.to_json() for one in done]}
    return Answer(command="library check", payload=payload, blocks=blocks, exit_code=DONE if good else SOME_FAILED)


@app.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A library.", show_default=False)],
    as_json: given.JsonOption = False,
) -> Answer:
    """Remove a library from the index; its files stay as they are."""
    from avlink.library.libraries import remove_library

    gone = remove_library(name)
    said = f"removed '{gone.name}' from the index; its {gone.sounds:,} sounds stay in {gone.root}"
    return Answer(command="library remove", payload=gone.to_json(), blocks=[said])


def _scanned(command: str, done: tuple[ScanReport, ...], payload: dict[str, object]) -> Answer:
    blocks: list[Block] = []
    for one in done:
        counts = ((one.new, "new"), (one.changed, "changed"), (one.unchanged, "unchanged"), (one.gone, "gone"))
        said = ", ".join(f"{number:,} {word}" for number, word in counts if number) or "no sounds"
        faulty = f"; {len(one.faults):,} cannot be used (avlink library check)" if one.faults else ""
        blocks.append(f"{one.library.name}: {said}{faulty}")
    failed = any(one.faults or one.troubles for one in done)
    return Answer(command=command, payload=payload, blocks=blocks, exit_code=SOME_FAILED if failed else DONE)


def _row(sound: Sound) -> tuple[str, ...]:
    analysis, described = sound.analysis, sound.description
    return (
        sound.name,
        sound.library,
        analysis.kind,
        _seconds(float(analysis.length_s)),
        _lufs(sound),
        f"{len(analysis.hits)}",
        described.catid,
        described.licence,
    )


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _lufs(sound: Sound) -> str:
    lufs = sound.analysis.lufs
    return "no loudness" if lufs is None else f"{lufs:.1f} LUFS"
