"""`avlink spot`: marks for the sounding events in the picture, which people correct in their editing program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avlink.cli import options as given
from avlink.cli.console import progress
from avlink.cli.report import reason_lines
from avlink.cli.spot_learn import learn_answer, refuse_given
from avlink.core.answer import Answer, Block, Grid

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADS = ("clip", "track", "timecode", "hits", "kinds", "status")
_STATES = ("spotted", "cached", "skipped", "failed")


def spot(
    source: Annotated[
        str | None,
        typer.Argument(metavar="INPUT", help="The file to read; it is never changed.", show_default=False),
    ] = None,
    output: given.Output = None,
    recipe: given.RecipeOption = "spot",
    settings: given.SettingsOption = None,
    spotter: Annotated[
        str | None,
        typer.Option(
            "--spotter",
            metavar="NAME",
            help="motion (the built-in networks: motion-stem for drawings, motion-flow for film), motion-peaks (no "
            "weights), one of a plugin, or the folder of one that was learned. [default: that of the recipe, motion]",
            show_default=False,
        ),
    ] = None,
    sensitivity: Annotated[
        float | None,
        typer.Option(
            "--sensitivity",
            metavar="X",
            help="0 finds the clearest events alone, 1 nearly all that moves. [default: that of the recipe, 0.5]",
            show_default=False,
        ),
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            "--min-confidence",
            metavar="X",
            help="The least confidence of a hit that is marked, 0 to 1. [default: that of the recipe, 0]",
            show_default=False,
        ),
    ] = None,
    guide: Annotated[
        str | None,
        typer.Option(
            "--guide",
            metavar="production|FILE",
            help="Mark what is heard in a guide track: the clips' own sound, or a file with the sound of the timeline.",
            show_default=False,
        ),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Also write cut.spotted.mp4, with the hits drawn in and a click at each.")
    ] = False,
    learn: Annotated[
        Path | None,
        typer.Option(
            "--learn",
            metavar="DIR",
            help="Learn a spotter from the clips in DIR, by their own sound or by hits that you corrected, and write "
            "it into the folder OUT. There is no INPUT then.",
            show_default=False,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes",
            metavar="N",
            help="About the most time to learn, on two CPU cores; looking at the clips comes on top. [default: 10]",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", metavar="N", help="The random seed of what is learned. [default: 0]", show_default=False
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --learn: list the clips and their hits, and write nothing.")
    ] = False,
    tracks: given.Tracks = None,
    media_root: given.MediaRoot = None,
    timeline: given.TimelineName = None,
    rate: given.Rate = None,
    skip_missing: given.SkipMissing = False,
    device: given.DeviceOption = given.Device.auto,
    force: Annotated[bool, typer.Option("--force", help="Look again instead of using the cache.")] = False,
    overwrite: given.OverwriteOption = False,
    verbose: given.VerboseOption = False,
    as_json: given.JsonOption = False,
) -> Answer:
    """Mark the sounding events that are seen in clips.

    INPUT is a timeline (.otio, .otioz, .edl, .xml, .fcpxml, .aaf) or a video file.

    For cut.edl, OUT is cut.spotted.otio: a copy whose clips have a marker for each hit, such as "step 0.8", with its
    strength from 0 to 1. Move, delete, add and rename them in your editing program; `avlink sonify` reads what is
    there, and a second run keeps it. For shot.mp4, OUT is shot.spotted.otio, a timeline of one clip.

    \b
    Examples:
      avlink spot cut.otio
      avlink spot cut.edl --media-root /footage --sensitivity 0.7
      avlink spot shot.mp4 --min-confidence 0.5 --json
      avlink spot cut.otio --guide production --preview
      avlink spot --learn footage -o my_spotter
      avlink spot cut.otio --spotter my_spotter
    """  # noqa: D301
    from avlink.core.errors import InputError
    from avlink.core.recipe import load_recipe

    named: dict[tuple[str, str], Any] = {
        ("--spotter", "spotter.name"): spotter,
        ("--sensitivity", "spotter.options.sensitivity"): sensitivity,
        ("--min-confidence", "min_confidence"): min_confidence,
        ("--timeline", "read.timeline"): timeline,
        ("--rate", "read.rate"): rate,
        ("--tracks", "select.tracks"): given.split_names(tracks),
    }
    of_input = {"INPUT": source, "--spotter": spotter, "--sensitivity": sensitivity, "--min-confidence": min_confidence}
    of_input |= {"--guide": guide, "--preview": preview or None, "--force": force or None}
    of_learning = {"--minutes": minutes, "--seed": seed, "--dry-run": dry_run or None}
    if learn is not None:
        refuse_given(of_input, "does not go with --learn, which reads DIR alone")
        loaded = load_recipe(recipe, "spot", given.recipe_overrides(settings, named))
        return learn_answer(
            learn,
            output,
            loaded,
            media_root=tuple(media_root or ()),
            minutes=minutes,
            seed=seed,
            dry_run=dry_run,
            overwrite=overwrite,
            verbose=verbose,
        )
    if source is None:
        raise InputError("missing argument 'INPUT'; see `avlink spot --help`")
    refuse_given(of_learning, "goes with --learn DIR alone")
    from avlink.edit import spot as service

    request = service.SpotRequest(
        input=Path(source),
        output=output,
        recipe=load_recipe(recipe, "spot", given.recipe_overrides(settings, named)),
        media_root=tuple(media_root or ()),
        skip_missing=skip_missing,
        device=device.value,
        force=force,
        overwrite=overwrite,
        guide=guide,
        preview=preview,
    )
    with progress(verbose=verbose) as tell:
        report = service.spot(request, listener=tell)
    payload = report.to_json()
    return Answer(command="spot", payload=payload, blocks=_blocks(payload), exit_code=report.exit_code)


def _blocks(payload: Mapping[str, Any]) -> list[Block]:
    """Return a table of the clips, the reasons of those without hits, the counts, and the output."""
    items = payload["items"]
    blocks: list[Block] = [Grid(heads=_HEADS, rows=[_row(item) for item in items])] if items else []
    blocks += reason_lines(items)
    counts = payload["counts"]
    states = ", ".join(f"{counts[state]} {state}" for state in _STATES if counts[state])
    hits = "1 hit" if payload["hits"] == 1 else f"{payload['hits']} hits"
    blocks.append(f"{hits} ({states})")
    if payload["output"]:
        blocks.append(f"wrote {payload['output']}")
    if payload["preview"]:
        blocks.append(f"wrote {payload['preview']}")
    return blocks


def _row(item: Mapping[str, Any]) -> tuple[str, ...]:
    kinds: dict[str, int] = {}
    for hit in item["hits"]:
        name = hit["words"] or hit["kind"]
        kinds[name] = kinds.get(name, 0) + 1
    said = ", ".join(f"{count} {name}" for name, count in sorted(kinds.items(), key=lambda one: (-one[1], one[0])))
    return (
        item["name"],
        item["track"],
        item["timeline_start_tc"] or "",
        str(len(item["hits"])),
        said,
        item["status"],
    )
