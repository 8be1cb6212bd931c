"""`avlink sonify` and `avlink visualize`: the two directions of one pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlink.cli import options as given
from avlink.cli.console import progress
from avlink.cli.report import report_blocks
from avlink.core.answer import Answer

if TYPE_CHECKING:
    from avlink.core.events import Listener
    from avlink.edit.report import EditReport


def sonify(
    source: given.Input,
    output: given.Output = None,
    stems: given.Stems = None,
    recipe: given.RecipeOption = "foley",
    settings: given.SettingsOption = None,
    prompt: given.PromptText = None,
    negative: given.Negative = None,
    seed: given.Seed = None,
    takes: given.Takes = None,
    tracks: given.Tracks = None,
    duck: given.Duck = None,
    preview: given.Preview = False,
    production: given.Production = False,
    credits_file: given.Credits = None,
    media_root: given.MediaRoot = None,
    timeline: given.TimelineName = None,
    rate: given.Rate = None,
    skip_missing: given.SkipMissing = False,
    device: given.DeviceOption = given.Device.auto,
    force: given.Force = False,
    overwrite: given.OverwriteOption = False,
    dry_run: given.DryRun = False,
    verbose: given.VerboseOption = False,
    as_json: given.JsonOption = False,
) -> Answer:
    """Generate foley for a timeline or a single video.

    INPUT is a timeline (.otio, .otioz, .edl, .xml, .fcpxml, .aaf) or a video file.

    For cut.edl, OUT is cut.foley.otio: a copy with one more audio track. The stems are written to cut.stems beside it,
    as Broadcast Wave files with the timeline's time. For a project of another program (.xml, .fcpxml, .aaf, .edl) the
    stems alone are also written in its format, to be imported there; `avlink export` writes other formats.

    For shot.mp4, shot.foley.wav and shot.foley.mp4 are written; OUT, a .wav or a video, selects one of them. The
    picture is copied, not encoded again.

    \b
    Examples:
      avlink sonify cut.edl --media-root /footage --dry-run
      avlink sonify cut.otio --tracks V1 --prompt "footsteps on gravel"
      avlink sonify shot.mp4 -o shot_with_sound.mp4
      avlink sonify cut.spotted.otio -r library --credits credits.txt
    """  # noqa: D301
    from avlink.core.recipe import load_recipe
    from avlink.edit import sonify as service

    named = {
        **_clip_keys(prompt, negative, seed, timeline, rate, tracks),
        ("--takes", "run.takes"): takes,
        ("--duck", "stems.duck_db"): duck,
        ("--preview", "write.preview"): True if preview or production else None,
        ("--production", "write.preview_production"): True if production else None,
    }
    request = service.SonifyRequest(
        input=Path(source),
        output=output,
        stems=stems,
        credits=credits_file,
        recipe=load_recipe(recipe, "sonify", given.recipe_overrides(settings, named)),
        **_run_options(
            media_root, device, skip_missing=skip_missing, force=force, overwrite=overwrite, dry_run=dry_run
        ),
    )
    return _run("sonify", lambda tell: service.sonify(request, listener=tell), dry_run=dry_run, verbose=verbose)


def visualize(
    source: given.Input,
    output: given.Output = None,
    recipe: given.RecipeOption = "visualize",
    settings: given.SettingsOption = None,
    prompt: given.PromptText = None,
    negative: given.Negative = None,
    seed: given.Seed = None,
    tracks: given.SoundTracks = None,
    media_root: given.MediaRoot = None,
    timeline: given.TimelineName = None,
    rate: given.Rate = None,
    skip_missing: given.SkipMissing = False,
    device: given.DeviceOption = given.Device.auto,
    force: given.Force = False,
    overwrite: given.OverwriteOption = False,
    dry_run: given.DryRun = False,
    verbose: given.VerboseOption = False,
    as_json: given.JsonOption = False,
) -> Answer:
    """Generate pictures for a timeline or a single sound.

    INPUT is a timeline (.otio, .otioz, .edl, .xml, .fcpxml, .aaf) or a file with sound.

    For cut.otio, OUT is cut.visual.otio: a copy with one more video track, above all others. The pictures are written
    to cut.pictures beside it, as ProRes at the timeline's frame rate and with its timecode. Equal sounds at the same
    time, such as the tracks of a stereo pair, get one picture.

    For drums.wav, OUT is drums.picture.mp4: a video with that sound. OUT may be any movie that holds H.264: .mp4, .mov,
    .mkv and others.

    \b
    Examples:
      avlink visualize cut.otio --tracks A1 --dry-run
      avlink visualize drums.wav -o drums.mp4
    """  # noqa: D301
    from avlink.core.recipe import load_recipe
    from avlink.edit import visualize as service

    named = _clip_keys(prompt, negative, seed, timeline, rate, tracks)
    request = service.VisualizeRequest(
        input=Path(source),
        output=output,
        recipe=load_recipe(recipe, "visualize", given.recipe_overrides(settings, named)),
        **_run_options(
            media_root, device, skip_missing=skip_missing, force=force, overwrite=overwrite, dry_run=dry_run
        ),
    )
    return _run("visualize", lambda tell: service.visualize(request, listener=tell), dry_run=dry_run, verbose=verbose)


def _clip_keys(
    prompt: str | None,
    negative: str | None,
    seed: int | None,
    timeline: str | None,
    rate: str | None,
    tracks: str | None,
) -> dict[tuple[str, str], Any]:
    """Return the options of both directions that set a key of the recipe: (option, key) to value."""
    return {
        ("--prompt", "prompt.template"): prompt,
        ("--negative", "prompt.negative"): negative,
        ("--seed", "run.seed"): seed,
        ("--timeline", "read.timeline"): timeline,
        ("--rate", "read.rate"): rate,
        ("--tracks", "select.tracks"): given.split_names(tracks),
    }


def _run_options(
    media_root: list[Path] | None,
    device: given.Device,
    *,
    skip_missing: bool,
    force: bool,
    overwrite: bool,
    dry_run: bool,
) -> dict[str, Any]:
    """Return the fields of a request that both directions take from the command line as they are."""
    return {
        "media_root": tuple(media_root or ()),
        "skip_missing": skip_missing,
        "stop_if_missing": not skip_missing,
        "device": device.value,
        "force": force,
        "overwrite": overwrite,
        "dry_run": dry_run,
    }


def _run(command: str, run: Callable[[Listener], EditReport], *, dry_run: bool, verbose: bool) -> Answer:
    with progress(verbose=verbose) as tell:
        report = run(tell)
    payload = report.to_json()
    blocks = report_blocks(payload, dry_run=dry_run, made=report.kind)
    return Answer(command=command, payload=payload, blocks=blocks, exit_code=report.exit_code)
