"""`avlink study` and `avlink study results`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from avlink import JsonOption, write_text
from avlink.hooks import Answer, Lines


class _WithDefault(typer.core.TyperGroup):
    """A group whose command `ask` need not be named: `avlink study DIR_A DIR_B`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # A folder named "results" is therefore written ./results.
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["ask", *args]
        return super().parse_args(ctx, args)


class TaskName(str, Enum):
    """The generated half of the clips."""

    v2a = "v2a"
    a2v = "a2v"
    av = "av"


class ResampledUnits(str, Enum):
    """The units that are drawn anew for the intervals."""

    clips = "clips"
    raters = "raters"
    both = "both"


app = typer.Typer(
    cls=_WithDefault, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)


@app.callback()
def study() -> None:
    """Ask people which of two results they prefer.

    Raters compare the results of methods in pairs, in a browser; `results` counts what they preferred.

    \b
    Examples:
      avlink study ours baseline -o study.db
      avlink study results study.db
    """  # noqa: D301


@app.command()
def ask(
    folders: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DIR...", help="Folders of movies with sound, one for each method; NAME=DIR.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="STUDY", help="The file of the study, which keeps the answers.")
    ] = Path("study.db"),
    task: Annotated[
        TaskName | None,
        typer.Option("--task", help="The generated half: sound, pictures, or both. [default: v2a]", show_default=False),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures", metavar="DIR", help="Movies for methods whose folders hold sounds alone.", show_default=False
        ),
    ] = None,
    sounds: Annotated[
        Path | None,
        typer.Option(
            "--sounds", metavar="DIR", help="Sounds for methods whose folders hold pictures alone.", show_default=False
        ),
    ] = None,
    links: Annotated[
        int,
        typer.Option(
            "--links", min=0, max=1000, metavar="N", help="A link for each of N raters; 0 is one invitation for all."
        ),
    ] = 0,
    recipe: Annotated[
        str, typer.Option("--recipe", "-r", metavar="RECIPE", help="A recipe of kind study: by name, or a .toml file.")
    ] = "study",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="KEY=VALUE",
            help="Change a value of the recipe, such as raters=3; repeatable. All keys: avlink recipes show study.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, metavar="N", help="Its port; 0 is any that is free.")
    ] = 8766,
    url: Annotated[
        str | None,
        typer.Option(
            "--url", metavar="URL", help="The start of all links, if raters reach it elsewhere.", show_default=False
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print events to standard output, one JSON object a line.")
    ] = False,
) -> Lines:
    """Show raters pairs of clips in random order, and keep what they answer.

    Each folder holds the results of one method; files of one name are partners. Which is on the left, and the order of
    pairs, is drawn for each rater; names are never shown. Every answer is on the disk before the page goes on, so it
    can be ended at any time, and a second start goes on; without folders it takes those of the first.

    \b
    Examples:
      avlink study ours baseline -o study.db
      avlink study ours=out/a mmaudio=out/b --pictures clips -o study.db --links 5 --host 0.0.0.0
      avlink study -o study.db
    """  # noqa: D301
    from avlink_study.server import StudyRequest, serve_study

    request = StudyRequest(
        folders=tuple(folders or ()),
        output=output,
        recipe=recipe,
        settings=tuple(settings or ()),
        task=None if task is None else task.value,
        pictures=pictures,
        sounds=sounds,
        links=links,
        host=host,
        port=port,
        url=url,
    )
    return (yield from serve_study(request))


@app.command()
def results(
    path: Annotated[Path, typer.Argument(metavar="STUDY", help="The file of a study.", show_default=False)],
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Also write the table; replaces such a table.", show_default=False),
    ] = None,
    votes: Annotated[
        Path | None,
        typer.Option(
            "--votes", metavar="FILE", help="Also write every answer; replaces such a table.", show_default=False
        ),
    ] = None,
    over: Annotated[
        ResampledUnits, typer.Option("--over", help="Draw these anew for the intervals.")
    ] = ResampledUnits.clips,
    level: Annotated[
        float, typer.Option("--level", min=0.5, max=0.999, metavar="P", help="The confidence of the intervals.")
    ] = 0.95,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="The seed of these draws.")] = 1,
    as_json: JsonOption = False,
) -> Answer:
    """Count what raters preferred: shares with confidence intervals, sign tests, agreement.

    May be asked while the study goes on. The intervals draw other clips, as the answers to one clip hang together and a
    study has many clips but few raters; --over raters or both draws those.

    \b
    Example: avlink study results study.db --csv table.csv
    """  # noqa: D301
    import contextlib

    from avlink_study.database import StudyDatabase
    from avlink_study.report import answer_for, check_replaceable, table_csv, votes_csv
    from avlink_study.table import tabulate
    from avlink_study.votes import read_votes

    with contextlib.closing(StudyDatabase(path, create=False)) as database:
        plan, cast = database.plan(), read_votes(database)
    questions = () if plan is None else plan.questions
    counted = tabulate(cast, questions, clusters=over.value, seed=seed, level=level)
    tables = [(csv, table_csv(counted)), (votes, votes_csv(cast))]
    for file, text in tables:
        if file is not None:
            check_replaceable(file, text)
    for file, text in tables:
        if file is not None:
            write_text(file, text)
    return answer_for(counted, questions, task="v2a" if plan is None else plan.task, name=path.name)
