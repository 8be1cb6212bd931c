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
    stems: given.Stems = None,
    recipe: given.RecipeName = "foley",
    settings: given.Settings = None,
    prompt: given.PromptText = None,
    negative: given.Negative = None,
    seed: given.Seed = None,
    takes: given.Takes = None,
    tracks: given.Tracks = None,
    duck: given.Duck = None,
    preview: given.Preview = False,
    production: given.Production = False,
    media_root: given.MediaRoot = None,
    timeline: given.TimelineName = None,
    rate: given.Rate = None,
    skip_missing: given.SkipMissing = False,
    device: given.DeviceName = given.Device.auto,
    force: given.Force = False,
    dry_run: given.DryRun = False,
    as_json: given.AsJson = False,
) -> Answer:
    """Give every clip of a timeline, or a single video, its sound.

    INPUT is a timeline (.otio, .otioz, .edl, .xml, .fcpxml, .aaf) or a video file.

    Of cut.edl, OUT is cut.foley.otio: a copy with one more audio track. The stems lie beside it in cut.stems, as
    Broadcast Wave with the timeline's time. Beside a project of another program (.xml, .fcpxml, .aaf, .edl) the stems
    alone are written in its format, to be imported there; for others go on with `avlink export`.

    Of shot.mp4, shot.foley.wav and shot.foley.mp4 are written; OUT, a .wav or a video, asks for just one of them. The
    picture is copied, not encoded again.

    \b
    Examples:
      avlink sonify cut.edl --media-root /footage --dry-run
      avlink sonify cut.otio --tracks V1 --prompt "footsteps on gravel"
      avlink sonify shot.mp4 -o shot_with_sound.mp4
    """  # noqa: D301
    from avlink.core.recipe import load_recipe
    from avlink.edit.sonify import SonifyRequest
    from avlink.edit.sonify import sonify as run

    named = {
        ("--prompt", "prompt.template"): prompt,
        ("--negative", "prompt.negative"): negative,
        ("--seed", "run.seed"): seed,
        ("--takes", "run.takes"): takes,
        ("--duck", "stems.duck_db"): duck,
        ("--preview", "write.preview"): True if preview or production else None,
        ("--production", "write.preview_production"): True if production else None,
        ("--timeline", "read.timeline"): timeline,
        ("--rate", "read.rate"): rate,
        ("--tracks", "select.tracks"): given.split_names(tracks),
    }
    request = SonifyRequest(
        input=Path(source),
        output=output,
        stems=stems,
        recipe=load_recipe(recipe, "sonify", given.overrides(settings, named)),
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
        command="sonify", payload=payload, blocks=report_blocks(payload, dry_run=dry_run), exit_code=report.exit_code
    )
