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
    tracks: given.SoundTracks = None,
    media_root: given.MediaRoot = None,
    timeline: given.TimelineName = None,
    rate: given.Rate = None,
    skip_missing: given.SkipMissing = False,
    device: given.DeviceName = given.Device.auto,
    force: given.Force = False,
    dry_run: given.DryRun = False,
    as_json: given.AsJson = False,
) -> Answer:
    """Make pictures for the sounds of a timeline, or a single one.

    INPUT is a timeline (.otio, .otioz, .edl, .xml, .fcpxml, .aaf) or a file with sound.

    Of cut.otio, OUT is cut.visual.otio: a copy with one more video track, above all others. The pictures lie beside it
    in cut.pictures, as ProRes at the timeline's frame rate and with its timecode. A sound that is there twice at one
    place, as the tracks of a stereo pair are, gets one picture.

    Of drums.wav, OUT is drums.picture.mp4: a video (or .m4v, .mov, .mkv) with that sound in it.

    \b
    Examples:
      avlink visualize cut.otio --tracks A1 --dry-run
      avlink visualize drums.wav -o drums.mp4
    """  # noqa: D301
    from avlink.core.recipe import load_recipe
    from avlink.edit.visualize import VisualizeRequest
    from avlink.edit.visualize import visualize as run

    named = {
        ("--prompt", "prompt.template"): prompt,
        ("--negative", "prompt.negative"): negative,
        ("--seed", "run.seed"): seed,
        ("--timeline", "read.timeline"): timeline,
        ("--rate", "read.rate"): rate,
        ("--tracks", "select.tracks"): given.split_names(tracks),
    }
    request = VisualizeRequest(
        input=Path(source),
        output=output,
        recipe=load_recipe(recipe, "visualize", given.overrides(settings, named)),
        media_root=tuple(media_root or ()),
        skip_missing=skip_missing,
        stop_if_missing=not skip_missing,
        device=device.value,
        force=force,
        dry_run=dry_run,
    )
    with progress() as tell:
        report = run(request, listener=tell)
    payload = report.to_json()
    return Answer(
        command="visualize",
        payload=payload,
        blocks=report_blocks(payload, dry_run=dry_run, made="pictures"),
        exit_code=report.exit_code,
    )
