"""`avlink export` and `avlink import-cues`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avlink.cli import options as given
from avlink.cli.console import progress
from avlink.core.answer import Answer

Project = Annotated[
    Path, typer.Argument(metavar="PROJECT", help="A timeline, best one that `avlink sonify` wrote.", show_default=False)
]


def export(
    project: Project,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="rpp (Reaper), xml (FCP 7: Premiere, Resolve), fcpxml (Final Cut), aaf (Pro Tools; experimental), "
            "edl, csv (cue sheet), otio, otioz or otiod.",
            show_default=False,
        ),
    ],
    output: given.Output = None,
    media_root: given.MediaRoot = None,
    timeline: given.TimelineName = None,
    rate: given.Rate = None,
    as_json: given.JsonOption = False,
) -> Answer:
    """Write a project's sound for another program.

    The file is written beside the project. Of a project with stems these are the stems, of another one all its sound
    tracks; otio, otioz and otiod take the project as a whole, the last two with its media. AAF is experimental: mono
    stems are embedded as 24-bit sound, and no Pro Tools has opened one yet.
    """
    from avlink.edit.export import ExportRequest
    from avlink.edit.export import export as run

    request = ExportRequest(
        input=project, to=to, output=output, media_root=tuple(media_root or ()), read=given.reading(timeline, rate)
    )
    with progress() as tell:
        report = run(request, listener=tell)
    tracks = f"{len(report.tracks)} sound track{'' if len(report.tracks) == 1 else 's'}"
    # A sheet of a project without sound lists its pictures.
    clips = f" ({tracks}, {report.clips} clip{'' if report.clips == 1 else 's'})" if report.tracks else ""
    said = f"wrote {report.output}{clips}"
    return Answer(command="export", payload=report.to_json(), blocks=[said])


def import_cues(
    project: Annotated[
        Path, typer.Argument(metavar="PROJECT", help="The timeline that the sheet was made of.", show_default=False)
    ],
    cues: Annotated[
        Path, typer.Argument(metavar="CUES", help="The edited cue sheet, a .csv file.", show_default=False)
    ],
    output: given.Output = None,
    timeline: given.TimelineName = None,
    rate: given.Rate = None,
    as_json: given.JsonOption = False,
) -> Answer:
    """Put an edited cue sheet into a copy of its project.

    The next `avlink sonify` of that copy follows it. The columns prompt, negative, seed, gain_db and mode count, by the
    column id; an empty cell leaves the choice to the recipe. OUT is PROJECT with ".cues" in its name by default.
    PROJECT is never changed.
    """
    from avlink.edit.cues import import_cues as run

    report = run(project, cues, output, read=given.reading(timeline, rate))
    said = f"wrote {report.output} ({report.changed} of {report.clips} clips changed)"
    return Answer(command="import-cues", payload=report.to_json(), blocks=[said])
