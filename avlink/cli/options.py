"""Options that several commands share, and the recipe keys that they set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from avlink.core.recipe import Override
    from avlink.core.recipe.schema import ReadTable


class Device(str, Enum):
    """A device to run the model on."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


Input = Annotated[
    str, typer.Argument(metavar="INPUT", help="The file to read; it is never changed.", show_default=False)
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="The file or folder to write; see above for the default.",
        show_default=False,
    ),
]
Stems = Annotated[
    Path | None,
    typer.Option(
        "--stems",
        metavar="DIR",
        help="The folder for the stems of a timeline. [default: OUT's name with .stems, beside OUT]",
        show_default=False,
    ),
]
RecipeOption = Annotated[
    str,
    typer.Option("--recipe", "-r", metavar="RECIPE", help="A recipe by name (avlink recipes list), or a .toml file."),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Change a value of the recipe, such as run.seed=3; repeatable. All keys: avlink recipes show RECIPE.",
        show_default=False,
    ),
]
PromptText = Annotated[
    str | None,
    typer.Option("--prompt", metavar="TEXT", help="The sound or pictures to generate, in English.", show_default=False),
]
Negative = Annotated[
    str | None,
    typer.Option("--negative", metavar="TEXT", help="Sounds or pictures to avoid, in English.", show_default=False),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        help="The random seed of the run. [default: that of the recipe, 0]",
        show_default=False,
    ),
]
Takes = Annotated[
    int | None,
    typer.Option(
        "--takes",
        metavar="N",
        help="Takes per clip, 1 to 99. [default: that of the recipe, 1]",
        show_default=False,
    ),
]
Tracks = Annotated[
    str | None,
    typer.Option(
        "--tracks", metavar="V1,V2", help="Only clips on these video tracks. [default: all]", show_default=False
    ),
]
SoundTracks = Annotated[
    str | None,
    typer.Option(
        "--tracks", metavar="A1,A2", help="Only clips on these sound tracks. [default: all]", show_default=False
    ),
]
Duck = Annotated[
    float | None,
    typer.Option(
        "--duck",
        metavar="DB",
        help="Duck the stems by DB decibels while the project's own sound is heard. [default: no ducking]",
        show_default=False,
    ),
]
Preview = Annotated[
    bool, typer.Option("--preview", help="Also write cut.preview.mp4, a movie of the whole timeline with its stems.")
]
TimelineName = Annotated[
    str | None,
    typer.Option("--timeline", metavar="NAME", help="The timeline to read of a file with several.", show_default=False),
]
Rate = Annotated[
    str | None,
    typer.Option(
        "--rate",
        metavar="FPS",
        help="Frames per second of an EDL, or of image sequences without a rate: 25, 29.97, 30000/1001.",
        show_default=False,
    ),
]
Production = Annotated[bool, typer.Option("--production", help="Like --preview, with the project's own sound as well.")]
Credits = Annotated[
    Path | None,
    typer.Option(
        "--credits",
        metavar="FILE",
        help="Also write a text with the authors and licences of the recordings that were used.",
        show_default=False,
    ),
]
MediaRoot = Annotated[
    list[Path] | None,
    typer.Option(
        "--media-root", metavar="DIR", help="A folder to search for missing media; repeatable.", show_default=False
    ),
]
SkipMissing = Annotated[
    bool, typer.Option("--skip-missing", help="Skip clips with missing media, which is an error otherwise.")
]
DeviceOption = Annotated[Device, typer.Option("--device", help="The device of the model; auto is the fastest one.")]
Force = Annotated[bool, typer.Option("--force", help="Generate again instead of using the cache.")]
OverwriteOption = Annotated[
    bool,
    typer.Option("--overwrite", help="Write over files that AVLink did not write; they are kept as .bak."),
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Also report details, such as damaged entries of the cache.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan, and write nothing.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output, for scripts.")]


def recipe_overrides(
    settings: Sequence[str | Override] | None, named: Mapping[tuple[str, str], Any]
) -> list[str | Override]:
    """Return the overrides of a recipe from the command line: `-s` first, then the options that stand for a key.

    `named` maps (option, key) to a value, or to None for an option that was not given.
    """
    from avlink.core.recipe import Override

    given: list[str | Override] = list(settings or ())
    for (option, key), value in named.items():
        if value is not None:
            given.append(Override(key=key, value=value, label=f"{option} {_shown(value)}"))
    return given


def reading(timeline: str | None, rate: str | None) -> ReadTable:
    """Return the read settings of a command without a recipe. Raises RecipeError for an invalid rate."""
    from avlink.core.errors import RecipeError
    from avlink.core.recipe.schema import ReadTable

    try:
        return ReadTable(timeline=timeline or "", rate=rate)
    except ValueError:
        raise RecipeError(f"--rate {rate}: it is no frame rate; write one such as 25, 29.97 or 30000/1001") from None


def split_names(text: str | None) -> list[str] | None:
    """Return comma-separated names as a list, and None for None."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _shown(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)
