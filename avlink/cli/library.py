"""`avlink library`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avlink.cli import options as given
from avlink.cli.console import progress
from avlink.cli.library_search import DeviceOption, ExtractorSettings, loudness_text, search, seconds_text
from avlink.core.answer import DONE, SOME_FAILED, Answer, Block, Grid

if TYPE_CHECKING:
    from avlink.core.events import Listener
    from avlink.library.embed import EmbedReport, SoundEmbedder
    from avlink.library.scan import ScanReport

_EPILOG = "The environment variable AVLINK_DATA_DIR sets the folder of the index. Sounds are never changed."
app = typer.Typer(help="Add, update and search libraries of sounds.", epilog=_EPILOG, no_args_is_help=True)


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
_Embed = Annotated[
    str | None,
    typer.Option(
        "--embed", metavar="NAME", help="Also embed new sounds by this extractor, such as clap.", show_default=False
    ),
]


@app.command()
def add(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of sounds.", show_default=False)],
    name: _NameOption = None,
    processes: _Processes = None,
    embed: _Embed = None,
    settings: ExtractorSettings = None,
    device: DeviceOption = given.Device.auto,
    as_json: given.JsonOption = False,
) -> Answer:
    """Add a folder of sounds: describe and analyse each file once.

    Reads WAV, Broadcast Wave, AIFF, FLAC, Ogg, Opus, MP3 and M4A. If it is interrupted, avlink library update goes on.

    \b
    Examples:
      avlink library add /Volumes/Sounds/Foley --name foley
      avlink library add sounds --embed clap -s extractors.clap.checkpoint=clap-htsat-fused
    """  # noqa: D301
    from avlink.library.libraries import add_library

    embedder = _embedder(embed, settings, device)
    with progress() as tell:
        done = (add_library(folder, name, tell, processes=processes),)
        embedded = _embedded(done, embedder, tell)
    return _scanned("library add", done, embedded, _payloads(done, embedded)[0])


@app.command()
def update(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A library. [default: all]", show_default=False)
    ] = None,
    processes: _Processes = None,
    embed: _Embed = None,
    settings: ExtractorSettings = None,
    device: DeviceOption = given.Device.auto,
    as_json: given.JsonOption = False,
) -> Answer:
    """Read what is new or changed in a library, or in all that are online.

    With --embed, sounds that have no embedding by the extractor get one; its options are kept for the next time.
    """
    from avlink.library.libraries import update_libraries

    embedder = _embedder(embed, settings, device)
    with progress() as tell:
        done = update_libraries(name, tell, processes=processes)
        embedded = _embedded(done, embedder, tell)
    return _scanned("library update", done, embedded, {"libraries": _payloads(done, embedded)})


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


app.command()(search)


@app.command()
def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sound of a library.", show_default=False)],
    as_json: given.JsonOption = False,
) -> Answer:
    """Show what is known of a sound: words, category, analysis, hits, licence and author."""
    from avlink.library.libraries import embedded_by, find_sound, sound_state

    sound = find_sound(file)
    embedded = embedded_by(sound)
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
        (
            "format",
            f"{analysis.sample_rate} Hz, {analysis.channels} channels, {seconds_text(float(analysis.length_s))}",
        ),
        ("level", f"{loudness_text(sound)}, peak {analysis.peak_db:.1f} dBFS"),
        ("sound", f"brightness {analysis.brightness_hz:,.0f} Hz, noise {analysis.noise:.2f} of 1"),
        ("embeddings", ", ".join(embedded) or "none"),
    ]
    rows = [
        (f"{float(hit.start_s):.3f}", f"{float(hit.transient_s):.5f}", f"{float(hit.end_s):.3f}", f"{hit.peak_db:.1f}")
        for hit in analysis.hits
    ]
    hits = [Grid(heads=("start s", "transient s", "end s", "peak dBFS"), rows=rows)] if rows else []
    blocks: list[Block] = [Grid(heads=("", ""), rows=facts), *hits, *([f"warning: {state}"] if state else [])]
    payload = {**sound.to_json(), "embeddings": list(embedded), "problem": state or None}
    return Answer(command="library info", payload={"sound": payload}, blocks=blocks)


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


def _embedder(name: str | None, settings: list[str] | None, device: given.Device) -> SoundEmbedder | None:
    """Return the extractor of --embed, checked before anything is read; None without one."""
    if name is None:
        if settings:
            from avlink.core.errors import InputError

            raise InputError(f"-s {settings[0]}: options are those of the extractor that --embed NAME names")
        return None
    from avlink.admin.sound_embeddings import prepare_embedder

    return prepare_embedder(name, settings or (), device.value)


def _embedded(done: tuple[ScanReport, ...], embedder: SoundEmbedder | None, tell: Listener) -> tuple[EmbedReport, ...]:
    if embedder is None:
        return ()
    from avlink.admin.sound_embeddings import embed_libraries

    return embed_libraries([one.library for one in done], embedder, tell)


def _payloads(done: tuple[ScanReport, ...], embedded: tuple[EmbedReport, ...]) -> list[dict[str, object]]:
    payloads: list[dict[str, object]] = [one.to_json() for one in done]
    for payload, report in zip(payloads, embedded, strict=False):
        payload["embeddings"] = report.to_json()
    return payloads


def _scanned(
    command: str, done: tuple[ScanReport, ...], embedded: tuple[EmbedReport, ...], payload: dict[str, object]
) -> Answer:
    blocks: list[Block] = []
    for one in done:
        counts = ((one.new, "new"), (one.changed, "changed"), (one.unchanged, "unchanged"), (one.gone, "gone"))
        said = ", ".join(f"{number:,} {word}" for number, word in counts if number) or "no sounds"
        faulty = f"; {len(one.faults):,} cannot be used (avlink library check)" if one.faults else ""
        blocks.append(f"{one.library.name}: {said}{faulty}")
    for made in embedded:
        lacking = f"; {len(made.faults):,} have none" if made.faults else ""
        blocks.append(
            f"{made.library.name}: {made.new:,} new embeddings by {made.extractor}, {made.sounds:,} sounds have "
            f"one{lacking}"
        )
    failed = any(one.faults or one.troubles for one in done) or any(made.faults for made in embedded)
    return Answer(command=command, payload=payload, blocks=blocks, exit_code=SOME_FAILED if failed else DONE)
