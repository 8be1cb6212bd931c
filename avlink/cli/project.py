"""Commands on a project that has stems: `avlink takes`, `avlink export` and `avlink import-cues`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from avlink.cli import options as given
from avlink.cli.console import progress
from avlink.core.answer import DONE, WRONG_INPUT, Answer, Block, Grid

if TYPE_CHECKING:
    from avlink.edit.takes import TakesReport


_HEADS = ("clip", "id", "track", "timecode", "at", "take", "heard", "seed", "stem")


def takes(
    timeline: Annotated[
        Path, typer.Argument(metavar="TIMELINE", help="The output of `avlink sonify --takes N`.", show_default=False)
    ],
    use: Annotated[
        int | None,
        typer.Option("--use", metavar="N", min=1, help="Switch to take N; without it, list takes.", show_default=False),
    ] = None,
    clip: Annotated[
        list[str] | None,
        typer.Option(
            "--clip", metavar="NAME", help="Only stems of this clip, by name or id; repeatable.", show_default=False
        ),
    ] = None,
    output: given.Output = None,
    overwrite: given.OverwriteOption = False,
    as_json: given.JsonOption = False,
) -> Answer:
    """List the takes of all stems, or switch to another take.

    Nothing is generated. A timeline with .foley in its name, as `avlink sonify` writes it, is replaced; for any other
    timeline OUT is a copy with .foley in its name.

    \b
    Examples:
      avlink takes cut.foley.otio
      avlink takes cut.foley.otio --use 2 --clip "door*"
    """  # noqa: D301
    from avlink.core.outputs import Outputs
    from avlink.edit.takes import list_takes, use_take

    clips = tuple(clip or ())
    report = (
        list_takes(timeline, clips)
        if use is None
        else use_take(timeline, use, clips, output, outputs=Outputs(overwrite=overwrite))
    )
    blocks: list[Block] = [_grid(report)]
    if report.output is not None:
        stems = "1 stem" if report.changed == 1 else f"{report.changed} stems"
        blocks.append(f"wrote {report.output} ({stems} switched)")
    return Answer(command="takes", payload=report.to_json(), blocks=blocks)


def _grid(report: TakesReport) -> Grid:
    rows = []
    for stem in report.stems:
        at = "" if stem.timeline_start_s is None else f"{stem.timeline_start_s:.2f} s"
        for take in stem.takes:
            first = take is stem.takes[0]
            where = (stem.clip, stem.id, stem.track, stem.timeline_start_tc or "", at) if first else ("",) * 5
            seed = "" if take.seed is None else str(take.seed)
            heard = "yes" if take.take == stem.heard else ""
            rows.append((*where, str(take.take), heard, seed, PurePosixPath(take.url.replace("\\", "/")).name))
    return Grid(heads=_HEADS, rows=rows)


Project = Annotated[
    Path, typer.Argument(metavar="PROJECT", help="A timeline, usually written by `avlink sonify`.", show_default=False)
]


def export(
    project: Project,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="rpp (Reaper), kdenlive, xml (FCP 7: Premiere, Resolve), fcpxml (Final Cut), aaf (Pro Tools; "
            "experimental), edl, csv (cue sheet), vtt or protools (hits), otio, otioz or otiod.",
            show_default=False,
        ),
    ],
    output: given.Output = None,
    media_root: given.MediaRoot = None,
    skip_missing: given.SkipMissing = False,
    timeline: given.TimelineName = None,
    rate: given.Rate = None,
    overwrite: given.OverwriteOption = False,
    as_json: given.JsonOption = False,
) -> Answer:
    """Write a project's sound for another program.

    The file is written beside the project. It contains the stems, or all sound tracks of a project without stems, and
    the hits that are marked in its pictures (not kdenlive and aaf);
    otio, otioz and otiod contain the whole project, the last two with its media. Where media is missing, all of it is
    listed, the file names it as the project does, and the exit code is 2. AAF is experimental: mono stems are embedded
    as 24-bit sound, and no Pro Tools has opened one yet.
    """
    from avlink.edit.export import ExportRequest
    from avlink.edit.export import export as run

    request = ExportRequest(
        input=project,
        to=to,
        output=output,
        media_root=tuple(media_root or ()),
        overwrite=overwrite,
        read=given.reading(timeline, rate),
        skip_missing=skip_missing,
    )
    with progress() as tell:
        report = run(request, listener=tell)
    kind = "sound track" if report.is_sound else "track"
    tracks = f"{len(report.tracks)} {kind}{'' if len(report.tracks) == 1 else 's'}"
    clips = f"{report.clips} clip{'' if report.clips == 1 else 's'}"
    hits = f"{report.hits} hit{'' if report.hits == 1 else 's'}"
    counts = [*([tracks, clips] if report.tracks or not report.hits else []), *([hits] if report.hits else [])]
    said = f"wrote {report.output} ({', '.join(counts)})"
    exit_code = WRONG_INPUT if report.missing else DONE
    return Answer(command="export", payload=report.to_json(), blocks=[said], exit_code=exit_code)


def import_cues(
    project: Annotated[
        Path, typer.Argument(metavar="PROJECT", help="The timeline that the sheet describes.", show_default=False)
    ],
    cues: Annotated[
        Path,
        typer.Argument(
            metavar="CUES",
            help="The edited cue sheet (.csv), or a file with hits: .vtt, .rpp, .edl, .xml, .fcpxml, .otio, or the "
            "text of Pro Tools (.txt).",
            show_default=False,
        ),
    ],
    output: given.Output = None,
    timeline: given.TimelineName = None,
    rate: given.Rate = None,
    overwrite: given.OverwriteOption = False,
    as_json: given.JsonOption = False,
) -> Answer:
    """Apply an edited cue sheet or list of hits.

    OUT is a copy of PROJECT, by default with ".cues" in its name; PROJECT is never changed. `avlink sonify` of that
    copy uses the values. Of a sheet the columns prompt, negative, seed, gain_db, mode and hits are read; the column id
    identifies the clip, and an empty cell leaves the value to the recipe. Of any other file its hits are read: they
    replace those of the visible clips.
    """
    from avlink.core.outputs import Outputs
    from avlink.edit.cues import import_cues as run

    outputs = Outputs(overwrite=overwrite)
    report = run(project, cues, output, read=given.reading(timeline, rate), outputs=outputs)
    hits = f"{report.hits} hit{'' if report.hits == 1 else 's'} changed"
    clips = f"{report.changed} of {report.clips} clips changed"
    changes = ", ".join([*([clips] if report.clips else []), *([hits] if report.hits or not report.clips else [])])
    blocks: list[Block] = [f"wrote {report.output} ({changes})"]
    if report.outside:
        blocks.append(f"warning: {report.outside} hits of {cues} lie on no clip that is visible, and are left out")
    return Answer(command="import-cues", payload=report.to_json(), blocks=blocks)
