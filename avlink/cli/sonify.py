"""`avlink sonify`."""

from __future__ import annotations

from pathlib import Path

from avlink.cli import options as given
from avlink.cli.answer import Answer
from avlink.cli.console import progress
from avlink.cli.report import report_blocks


def sonify(
    source: given.Input,
    output: given.Output = None,
    recipe: given.RecipeName = "foley",
    settings: given.Settings = None,
    prompt: given.PromptText = None,
    negative: given.Negative = None,
    seed: given.Seed = None,
    takes: given.Takes = None,
    tracks: given.Tracks = None,
    media_root: given.MediaRoot = None,
    skip_missing: given.SkipMissing = False,
    device: given.DeviceName = given.Device.auto,
    force: given.Force = False,
    dry_run: given.DryRun = False,
    as_json: given.AsJson = False,
) -> Answer:
    """Give every clip its sound.

    INPUT is a timeline in any format that OpenTimelineIO reads, or a media file. Of a timeline, a copy with new audio
    tracks is written beside it, and the stems in a folder; of a media file, a WAV and the video with the sound in it.
    The input is never changed.
    """
    from avlink.app.sonify import SonifyRequest
    from avlink.app.sonify import sonify as run
    from avlink.core.recipe import load_recipe

    named = {
        ("--prompt", "prompt.template"): prompt,
        ("--negative", "prompt.negative"): negative,
        ("--seed", "run.seed"): seed,
        ("--takes", "run.takes"): takes,
        ("--tracks", "select.tracks"): given.split_names(tracks),
    }
    request = SonifyRequest(
        input=Path(source),
        output=output,
        recipe=load_recipe(recipe, "sonify", given.overrides(settings, named)),
        media_root=tuple(media_root or ()),
        skip_missing=skip_missing,
        device=device.value,
        force=force,
        dry_run=dry_run,
    )
    with progress() as tell:
        report = run(request, listener=tell)
    payload = report.to_json()
    return Answer(
        command="sonify", payload=payload, blocks=report_blocks(payload, dry_run=dry_run), exit_code=report.exit_code
    )
