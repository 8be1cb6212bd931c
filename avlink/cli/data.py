"""`avlink data`: clips for training out of one's own files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avlink.cli import options as given
from avlink.cli.console import progress
from avlink.core.answer import DONE, SOME_FAILED, Answer, Block, Grid

if TYPE_CHECKING:
    from avlink.core.recipe import TrainRecipe
    from avlink.training.data.check import PreparedReport
    from avlink.training.data.prepared import Partition

_MAX_LISTED = 10
app = typer.Typer(help="Prepare, check and generate clips of data sets.", no_args_is_help=True)


@app.callback()
def data() -> None:
    """Prepare, check and generate clips of data sets."""


@app.command()
def prepare(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A training recipe by name, or a .toml file.")],
    output: given.Output = None,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes", metavar="N", min=1, help="Decode N files in parallel. [default: one per processor]"
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            "--part",
            metavar="K/N",
            help="Prepare only the Kth of N parts, such as 2/8; machines that share OUT take one each. [default: all]",
            show_default=False,
        ),
    ] = None,
    retry_bad: Annotated[bool, typer.Option("--retry-bad", help="Retry files that were set aside.")] = False,
    device: given.DeviceOption = given.Device.auto,
    settings: given.SettingsOption = None,
    as_json: given.JsonOption = False,
) -> Answer:
    """Decode, resample and encode the clips that a recipe trains on, once.

    OUT is data.prepared of the recipe, or runs/RECIPE/clips, where `avlink train RECIPE` finds it. Files that cannot be
    used are listed in OUT/bad.csv, missing files in OUT/missing.csv. With start_from, latents are computed, too, and
    with T5 the captions are encoded. The same command resumes a run that was stopped. After a change of the recipe
    only the affected data is prepared again.

    \b
    Examples:
      avlink data prepare vggsound -s data.folder=/data/vggsound -o /data/prepared
      avlink train vggsound -s data.prepared=/data/prepared
    """  # noqa: D301
    from avlink.core.disk import report_full_disk
    from avlink.core.recipe import load_recipe
    from avlink.training.data.prepare import prepare as run

    loaded = load_recipe(recipe, "train", list(settings or ()))
    out = output or _default_folder(recipe, loaded)
    with report_full_disk(out), progress() as tell:
        done = run(
            loaded,
            out,
            tell,
            processes=processes,
            part=_part(part),
            retry_bad=retry_bad,
            device=_device(device),
        )
    payload = {
        "output": str(out),
        "clips": dict(done.clips),
        "bad": done.bad,
        "missing": done.missing,
        "shards_lacking": done.missing_shards,
        "latents": done.latents,
        "texts": done.texts,
    }
    said = f"prepared {out}: {done.clips['train']} clips to train on, {done.clips['held_out']} held out"
    if done.missing_shards:
        said += f"; {done.missing_shards} shards of other parts are still to be made"
    return Answer(command="data prepare", payload=payload, blocks=[said])


@app.command()
def check(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A training recipe by name, or a .toml file.")],
    output: given.Output = None,
    sample: Annotated[int, typer.Option("--sample", metavar="N", min=0, help="Open N files of each source.")] = 100,
    settings: given.SettingsOption = None,
    as_json: given.JsonOption = False,
) -> Answer:
    """Count the clips of a recipe that are found, missing and prepared, with their hours.

    Durations and faults are measured on a sample. OUT is a prepared folder; its default is that of `avlink data
    prepare`.
    """
    from avlink.core.recipe import load_recipe
    from avlink.training.data.check import check_prepared, check_sources

    loaded = load_recipe(recipe, "train", list(settings or ()))
    out = output or _default_folder(recipe, loaded)
    reports, prepared = check_sources(loaded, sample), check_prepared(loaded, out)
    rows = [
        (
            report.source,
            str(report.folder),
            f"{report.clips['train']:,}",
            f"{report.clips['held_out']:,}",
            f"{len(report.missing):,}",
            f"{report.hours:.1f}",
            f"{report.used_hours:.1f}",
            f"{len(report.faults)} of {report.sampled}",
        )
        for report in reports
    ]
    heads = ("source", "folder", "to train on", "held out", "missing", "hours", "hours used", "cannot be used")
    blocks: list[Block] = [Grid(heads=heads, rows=rows)]
    for report in reports:
        blocks += [f"cannot be used: {path}: {reason}" for path, reason in report.faults[:_MAX_LISTED]]
        blocks += [f"missing: {missing.label}: {missing.reason}" for missing in report.missing[:_MAX_LISTED]]
        if len(report.missing) > _MAX_LISTED:
            blocks.append(f"missing: {len(report.missing) - _MAX_LISTED:,} more; --json lists all")
    if prepared is None:
        blocks.append(f"nothing is prepared in {out}")
    else:
        blocks.append(f"prepared in {out}: {prepared.shards - prepared.missing_shards:,} of {prepared.shards:,} shards")
    payload = {
        "sources": [report.to_json() for report in reports],
        "output": str(out),
        "prepared": None if prepared is None else _record(prepared),
    }
    return Answer(command="data check", payload=payload, blocks=blocks)


def _record(prepared: PreparedReport) -> dict[str, Any]:
    return {"shards": prepared.shards, "lacking": prepared.missing_shards, **prepared.record}


def _default_folder(recipe: str, loaded: TrainRecipe) -> Path:
    prepared = loaded.data.prepared
    if prepared is not None:
        return loaded.source.path("data.prepared", prepared)
    return Path("runs") / Path(recipe).stem / "clips"


def _part(text: str | None) -> Partition:
    from avlink.core.errors import InputError
    from avlink.training.data.prepared import ALL, Partition

    if text is None:
        return ALL
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise InputError(f"--part {text}: it is K/N with K from 1 to N, such as 2/8")
    return Partition(number=int(number), count=int(count))


def _device(device: given.Device) -> str:
    import torch

    if device is not given.Device.auto:
        return device.value
    return "cuda" if torch.cuda.is_available() else "cpu"


@app.command()
def generate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A training recipe by name, or a .toml file.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="The folder to write.", show_default=False)
    ],
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="A bundle by name, or its folder.")] = "builtin",
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Generate pictures for the sounds, instead of sounds for the pictures.")
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            metavar="N",
            min=1,
            help="Steps of the sampler. [default: the model's; pictures 8; --paper 64]",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="The seed of the first clip.")] = 0,
    paper: Annotated[
        bool, typer.Option("--paper", help="Sample as the paper does: 64 even steps, guidance 5.")
    ] = False,
    device: given.DeviceOption = given.Device.auto,
    settings: given.SettingsOption = None,
    as_json: given.JsonOption = False,
) -> Answer:
    """Generate sound or pictures for the held-out clips of a recipe, for `avlink evaluate`.

    OUT/generated has sounds (or movies with --pictures), OUT/reference the true clips under the same names. Captions
    are the prompts. The same command resumes a run that was stopped.

    \b
    Examples, with the 2,048 clips of the paper's tables:
      avlink data generate vggsound -s data.source=vggsound -s data.folder=/data/vggsound -s data.held_out=2048 -o out
      avlink evaluate evaluate_folder -s generated=out/generated -s reference=out/reference
    """  # noqa: D301
    from avlink.core.disk import report_full_disk
    from avlink.core.recipe import load_recipe
    from avlink.core.sampling import PAPER
    from avlink.session import pick_device
    from avlink.training.benchmark_clips import generate_benchmark

    loaded = load_recipe(recipe, "train", list(settings or ()))
    with report_full_disk(output), progress() as tell:
        done = generate_benchmark(
            loaded,
            output,
            bundle=model,
            direction="a2v" if pictures else "v2a",
            sampling=PAPER if paper else None,
            steps=steps,
            seed=seed,
            device=pick_device(device.value),
            listener=tell,
        )
    said = [f"{done.generated} generated, {done.kept} were there, {len(done.failed)} failed"]
    said += [f"avlink evaluate evaluate_folder -s generated={output}/generated -s reference={output}/reference"]
    return Answer(
        command="data generate", payload=done.to_json(), blocks=said, exit_code=SOME_FAILED if done.failed else DONE
    )
