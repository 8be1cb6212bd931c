"""`avlink finish`: from its options to a request, and from the report to an answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import avlink
from avlink import (
    Device,
    DeviceOption,
    InputError,
    JsonOption,
    OverwriteOption,
    RecipeOption,
    SettingsOption,
    VerboseOption,
    recipe_overrides,
)
from avlink.hooks import Answer, Grid, find_recipe
from avlink_genvideo.request import FinishRequest, parse_loudness

if TYPE_CHECKING:
    from avlink_genvideo.report import FinishReport

_COLUMNS = ("video", "status", "prompt", "sound", "result")
_HIGHEST_DBTP, _LOWEST_DBTP = 0.0, -30.0


def finish(
    videos: Annotated[
        list[Path],
        typer.Argument(
            metavar="VIDEO...",
            help="Silent videos, or animated WebP, PNG or GIF; never changed without --in-place.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT", help="The file, or the folder for several.", show_default=False),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", metavar="TEXT", help="The prompt, instead of that in the file.", show_default=False),
    ] = None,
    no_prompt: Annotated[bool, typer.Option("--no-prompt", help="Ignore the prompt in the file.")] = False,
    negative: Annotated[
        str | None,
        typer.Option("--negative", metavar="TEXT", help="What it should not sound like.", show_default=False),
    ] = None,
    loudness: Annotated[
        str,
        typer.Option(
            "--loudness",
            metavar="WHERE",
            help="ebu (-23 LUFS), atsc (-24), netflix (-27), youtube or spotify (-14), apple (-16), none, or a number.",
        ),
    ] = "ebu",
    peak: Annotated[
        float | None,
        typer.Option(
            "--peak",
            metavar="DBTP",
            help="The highest true peak. [default: that of WHERE, mostly -1]",
            show_default=False,
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the sound that the video has.")] = False,
    mix: Annotated[bool, typer.Option("--mix", help="Mix the new sound with that of the video, equally loud.")] = False,
    mono: Annotated[bool, typer.Option("--mono", help="One channel instead of two identical ones.")] = False,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Encode animated images without loss; fewer players show them.")
    ] = False,
    in_place: Annotated[bool, typer.Option("--in-place", help="Write over the video, which is kept as .bak.")] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Another number, another variation.", show_default=False)
    ] = None,
    recipe: RecipeOption = "foley",
    settings: SettingsOption = None,
    device: DeviceOption = Device.auto,
    force: Annotated[bool, typer.Option("--force", help="Finish again what is finished already.")] = False,
    overwrite: OverwriteOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the prompts that are found, and write nothing.")
    ] = False,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> Answer:
    """Give generated videos their sound.

    The prompt is read from the generator's metadata: ComfyUI's graph, the texts of VideoHelperSuite, Wan2GP or WebUI in
    the file, or a .json or .txt beside it. The picture of a video is copied bit for bit and the metadata is kept. The
    result of clip.mp4 is clip.finished.mp4, or OUT/clip.mp4 if OUT is a folder. A finished video is skipped.

    \b
    Examples:
      avlink finish ComfyUI_00001_.mp4
      avlink finish output/*.mp4 output/*.webp -o finished --loudness youtube
      avlink finish clip.webm --prompt "footsteps on gravel" --dry-run
    """  # noqa: D301
    # numpy comes with it, which `avlink finish --help` does not need.
    from avlink_genvideo.run import finish_videos

    if replace and mix:
        raise InputError("--replace and --mix exclude each other: a sound that is there goes, or stays")
    if prompt is not None and no_prompt:
        raise InputError("--prompt and --no-prompt exclude each other")
    lufs, peak_dbtp = parse_loudness(loudness)
    if peak is not None:
        if not _LOWEST_DBTP <= peak <= _HIGHEST_DBTP:
            raise InputError(f"--peak {peak:g}: it is a number of dBTP from {_LOWEST_DBTP:g} to {_HIGHEST_DBTP:g}")
        peak_dbtp = peak
    request = FinishRequest(
        inputs=tuple(dict.fromkeys(videos)),
        recipe=find_recipe(recipe, "sonify", recipe_overrides(settings, {("--seed", "run.seed"): seed})),
        output=output,
        in_place=in_place,
        prompt=prompt,
        use_prompt=not no_prompt,
        negative=negative,
        lufs=lufs,
        peak_dbtp=peak_dbtp,
        channels=1 if mono else 2,
        existing="replace" if replace else "mix" if mix else "refuse",
        lossless=lossless,
        device=device.value,
        force=force,
        overwrite=overwrite,
        dry_run=dry_run,
    )
    with avlink.progress(verbose=verbose) as listener:
        report = finish_videos(request, avlink.open_session(device=device.value, listener=listener))
    return Answer(
        command="finish", payload=report.to_json(), blocks=_blocks(report, dry_run=dry_run), exit_code=report.exit_code
    )


def _blocks(report: FinishReport, *, dry_run: bool) -> list[str | Grid]:
    """Return the report for people: a table, a line for each reason, and the counts."""
    blocks: list[str | Grid] = [Grid(heads=_COLUMNS, rows=report.rows(dry_run=dry_run))]
    blocks += [f"{item.source.name}: {item.status}: {item.reason}" for item in report.items if item.reason]
    counts = ", ".join(f"{count} {status}" for status, count in report.counts.items() if count)
    blocks.append(counts.replace("generated", "to generate") if dry_run else counts)
    if dry_run:
        blocks.append("this was the plan: nothing was written")
    return blocks
