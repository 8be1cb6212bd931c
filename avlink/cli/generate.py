"""`avlink generate`: sound, pictures, or both from words, without a timeline."""

from __future__ import annotations

from typing import Annotated

import typer

from avlink.cli import options as given
from avlink.cli.console import progress
from avlink.core.answer import Answer, Grid
from avlink.core.errors import InputError


def generate(
    prompt: Annotated[
        list[str],
        typer.Option(
            "--prompt",
            "-p",
            metavar="TEXT",
            help="The sound or pictures to generate, in English; repeatable.",
            show_default=False,
        ),
    ],
    output: given.Output = None,
    audio: Annotated[bool, typer.Option("--audio", help="Make sound. [default]")] = False,
    video: Annotated[bool, typer.Option("--video", help="Make pictures.")] = False,
    both: Annotated[bool, typer.Option("--both", help="Make pictures with their sound.")] = False,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds", metavar="S", help="The length. [default: that of the model's window]", show_default=False
        ),
    ] = None,
    recipe: given.RecipeOption = "generate",
    settings: given.SettingsOption = None,
    negative: given.Negative = None,
    seed: given.Seed = None,
    takes: given.Takes = None,
    device: given.DeviceOption = given.Device.auto,
    overwrite: given.OverwriteOption = False,
    verbose: given.VerboseOption = False,
    as_json: given.JsonOption = False,
) -> Answer:
    """Generate sound, pictures, or both from a prompt alone.

    Sound is a Broadcast Wave file, everything else a movie. OUT is a file; for several prompts or takes it is a folder.
    By default files are named after their prompts, in the working directory.

    The built-in model makes pictures of shapes at 64x36 pixels: for more name a model of your own.

    \b
    Examples:
      avlink generate --prompt "glass breaking"
      avlink generate --prompt "a dog barks" --prompt "door slam" --takes 3 --seconds 2 -o sounds
      avlink generate --both --prompt "metal" -s bundle=runs/paper/bundle -o metal.mp4
    """  # noqa: D301
    from avlink.core.recipe import load_recipe
    from avlink.edit.generate import GenerateRequest
    from avlink.edit.generate import generate as run

    asked = [makes for makes, wanted in (("audio", audio), ("video", video), ("both", both)) if wanted]
    if len(asked) > 1:
        raise InputError(f"--{asked[0]} and --{asked[1]} exclude each other; --both makes pictures with their sound")
    named = {
        (f"--{asked[0]}" if asked else "", "makes"): asked[0] if asked else None,
        ("--seconds", "seconds"): seconds,
        ("--negative", "negative"): negative,
        ("--seed", "seed"): seed,
        ("--takes", "takes"): takes,
    }
    request = GenerateRequest(
        prompts=tuple(prompt),
        recipe=load_recipe(recipe, "generate", given.recipe_overrides(settings, named)),
        output=output,
        device=device.value,
        overwrite=overwrite,
    )
    with progress(verbose=verbose) as tell:
        report = run(request, listener=tell)
    rows = [(str(file.path), file.prompt, str(file.seed), _level(file.lufs)) for file in report.files]
    grid = Grid(heads=("file", "prompt", "seed", "LUFS"), rows=rows)
    return Answer(command="generate", payload=report.to_json(), blocks=[grid])


def _level(lufs: float | None) -> str:
    return "" if lufs is None else f"{lufs:.1f}"
