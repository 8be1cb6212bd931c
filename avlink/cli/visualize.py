"""`avlink visualize`."""

from __future__ import annotations

from pathlib import Path

from avlink.cli import options as given
from avlink.cli.answer import Answer
from avlink.cli.console import progress
from avlink.cli.report import report_blocks


def visualize(
    source: given.Input,
    output: given.Output = None,
    recipe: given.RecipeName = "visualize",
    settings: given.Settings = None,
    prompt: given.PromptText = None,
    negative: given.Negative = None,
    seed: given.Seed = None,
    device: given.DeviceName = given.Device.auto,
    force: given.Force = False,
    as_json: given.AsJson = False,
) -> Answer:
    """Make a video for a sound.

    INPUT is a sound file, or a video whose sound is taken. OUT is a video (.mp4, .m4v, .mov or .mkv) with that sound in
    it; of drums.wav it is drums.picture.mp4.

    \b
    Example:
      avlink visualize drums.wav -o drums.mp4
    """  # noqa: D301
    from avlink.app.visualize import VisualizeRequest
    from avlink.app.visualize import visualize as run
    from avlink.core.recipe import load_recipe

    named = {
        ("--prompt", "prompt.template"): prompt,
        ("--negative", "prompt.negative"): negative,
        ("--seed", "run.seed"): seed,
    }
    request = VisualizeRequest(
        input=Path(source),
        output=output,
        recipe=load_recipe(recipe, "visualize", given.overrides(settings, named)),
        device=device.value,
        force=force,
    )
    with progress() as tell:
        report = run(request, listener=tell)
    payload = report.to_json()
    return Answer(command="visualize", payload=payload, blocks=report_blocks(payload), exit_code=report.exit_code)
