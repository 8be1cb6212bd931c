"""`avlink takes`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from avlink.cli import options as given
from avlink.core.answer import Answer, Block, Grid

if TYPE_CHECKING:
    from avlink.edit.takes import TakesReport

_HEADS = ("clip", "id", "track", "at", "take", "heard", "seed", "stem")


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
    from avlink.edit.takes import list_takes, use_take

    clips = tuple(clip or ())
    report = list_takes(timeline, clips) if use is None else use_take(timeline, use, clips, output)
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
            where = (stem.clip, stem.id, stem.track, at) if first else ("",) * 4
            seed = "" if take.seed is None else str(take.seed)
            heard = "yes" if take.take == stem.heard else ""
            rows.append((*where, str(take.take), heard, seed, PurePosixPath(take.url.replace("\\", "/")).name))
    return Grid(heads=_HEADS, rows=rows)
