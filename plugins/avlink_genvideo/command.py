"""`avlink finish`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from avlink.hooks import Answer


class Device(str, Enum):
    """Where the model runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


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
        typer.Option("--prompt", metavar="TEXT", help="Words instead of those in the file.", show_default=False),
    ] = None,
    no_prompt: Annotated[bool, typer.Option("--no-prompt", help="Ignore the words in the file.")] = False,
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
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the new sound in the place of one that is there.")
    ] = False,
    mix: Annotated[
        bool, typer.Option("--mix", help="Put the new sound under one that is there, as loud as that.")
    ] = False,
    mono: Annotated[bool, typer.Option("--mono", help="One channel instead of two alike.")] = False,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Encode animated images without loss; fewer players show them.")
    ] = False,
    in_place: Annotated[bool, typer.Option("--in-place", help="Write over the video itself.")] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Another number, another variation.", show_default=False)
    ] = None,
    recipe: Annotated[
        str, typer.Option("--recipe", "-r", metavar="RECIPE", help="A sonify recipe by name, or a .toml file.")
    ] = "foley",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", "-s", metavar="KEY=VALUE", help="Change a value of the recipe; repeatable.", show_default=False
        ),
    ] = None,
    device: Annotated[
        Device, typer.Option("--device", help="Where the model runs; auto is the fastest there is.")
    ] = Device.auto,
    force: Annotated[bool, typer.Option("--force", help="Finish anew what is finished already.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the prompts that are found, and write nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object to standard output, for scripts.")
    ] = False,
) -> Answer:
    """Give generated videos their sound.

    The words come from where the generator left them: ComfyUI's graph, VideoHelperSuite's, Wan2GP's or WebUI's notes in
    the file, or a .json or .txt beside it. The picture of a video is copied bit for bit and the generator's notes stay.
    Of clip.mp4, clip.finished.mp4 is written, or OUT/clip.mp4 if OUT is a folder. What is finished already is skipped.

    \b
    Examples:
      avlink finish ComfyUI_00001_.mp4
      avlink finish output/*.mp4 output/*.webp -o finished --loudness youtube
      avlink finish clip.webm --prompt "footsteps on gravel" --dry-run
    """  # noqa: D301
    from avlink_genvideo.answer import answer_for

    return answer_for(
        videos=tuple(videos),
        output=output,
        prompt=prompt,
        use_prompt=not no_prompt,
        negative=negative,
        loudness=loudness,
        peak=peak,
        replace=replace,
        mix=mix,
        channels=1 if mono else 2,
        lossless=lossless,
        in_place=in_place,
        seed=seed,
        recipe=recipe,
        settings=tuple(settings or ()),
        device=device.value,
        force=force,
        dry_run=dry_run,
    )
