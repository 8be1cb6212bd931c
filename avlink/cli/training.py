"""`avlink train`, `avlink evaluate` and `avlink ablate`: models are trained, measured and compared."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avlink.cli import options as given
from avlink.cli.console import progress
from avlink.core.answer import Answer, Block
from avlink.core.events import ignore

if TYPE_CHECKING:
    from avlink.core.recipe import EvaluateRecipe


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe by name, or a .toml file.")],
    output: given.Output = None,
    stages: Annotated[
        str | None,
        typer.Option(
            "--stages", metavar="A,B", help="Train only these stages of the recipe. [default: all]", show_default=False
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Resume the training in OUT, or fail if there is one.")
    ] = True,
    settings: given.SettingsOption = None,
    as_json: given.JsonOption = False,
) -> Answer:
    """Train a model, stage by stage, and write a bundle.

    OUT is a folder for checkpoints, curves, samples and the bundle, OUT/bundle (default: runs/RECIPE). The same command
    resumes a training that was stopped. On several devices start it with torchrun and set parallel.mode to ddp or fsdp
    (docs/training.md).

    \b
    Examples:
      avlink train foley_tiny
      torchrun --nproc_per_node=8 -m avlink train paper/fusion_v2a -s parallel.mode=fsdp
      avlink sonify cut.otio -s backend.options.model=runs/foley_tiny/bundle
    """  # noqa: D301
    from avlink.core.disk import report_full_disk
    from avlink.core.errors import PeerFailed
    from avlink.core.recipe import load_recipe
    from avlink.training.ranks import report_once, reports_errors
    from avlink.training.train import train as run

    out = output or Path("runs") / Path(recipe).stem
    try:
        with report_once():
            loaded = load_recipe(recipe, "train", list(settings or ()))
        with report_full_disk(out), progress() if reports_errors() else nullcontext(ignore) as tell:
            wrote = run(loaded, out, stages=given.split_names(stages) or (), resume=resume, listener=tell)
    except PeerFailed as error:
        # Of processes that torchrun started together, one says what is wrong; it ends all of them as soon as one ends.
        time.sleep(1.0)
        raise typer.Exit(error.exit_code) from None
    if not reports_errors():
        raise typer.Exit(0)
    # With stages still to train there is no bundle yet, as a message has said.
    bundle = str(wrote) if wrote.is_dir() else None
    blocks: list[Block] = [f"wrote {bundle}"] if bundle else []
    return Answer(command="train", payload={"recipe": recipe, "output": bundle}, blocks=blocks)


def evaluate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe by name, or a .toml file.")] = "evaluate",
    settings: given.SettingsOption = None,
    device: given.DeviceOption = given.Device.auto,
    verbose: given.VerboseOption = False,
    as_json: given.JsonOption = False,
) -> Answer:
    """Measure a model, or generated clips against true ones.

    Measures timing and material of the sounds, beside chance. The default is the built-in model on 128 unseen generated
    clips of each kind, which takes long on a CPU; fewer clips take less.

    With two folders, generated clips of any origin are measured against true ones of the same names. Metrics that need
    a pretrained network take your checkpoint (see the recipe evaluate_folder).

    \b
    Examples:
      avlink evaluate -s clips=16
      avlink evaluate -s bundle=runs/foley_tiny/bundle
      avlink evaluate -s clips=16 -s media_dir=/footage/with_sound
      avlink evaluate -s generated=out -s reference=true
      avlink evaluate -s generated=out -s reference=true -s extractors.vggish.checkpoint=vggish.pth
    """  # noqa: D301
    from avlink.core.recipe import load_recipe
    from avlink.evaluation.evaluate import evaluate as run

    loaded = load_recipe(recipe, "evaluate", list(settings or ()))
    if loaded.generated is not None or loaded.reference is not None:
        return _folders(loaded, device.value, verbose=verbose)
    with progress(verbose=verbose) as tell:
        report = run(loaded, device=device.value, listener=tell)
    return Answer(command="evaluate", payload=report.to_json(), blocks=report.lines())


def _folders(recipe: EvaluateRecipe, device: str, *, verbose: bool) -> Answer:
    from avlink.evaluation.folders import evaluate_folders
    from avlink.hooks import load_registry
    from avlink.session import pick_device

    with progress(verbose=verbose) as tell:
        report = evaluate_folders(recipe, load_registry(), device=pick_device(device), listener=tell)
    return Answer(command="evaluate", payload=report.to_json(), blocks=report.lines())


def ablate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe by name, or a .toml file.")] = "ablate",
    output: given.Output = None,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="A,B", help="Run only these variants. [default: all]", show_default=False),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", metavar="N", min=1, help="Train N variants in parallel, each in a process.")
    ] = 1,
    settings: given.SettingsOption = None,
    device: given.DeviceOption = given.Device.auto,
    as_json: given.JsonOption = False,
) -> Answer:
    """Train variants of a model, and compare them.

    All variants train with equal compute on the same backbones and clips, and are measured on held-out clips.

    OUT is a folder for the shared backbones, one training per variant, table.txt, table.json, table.png and sweep.png
    (default: runs/RECIPE). The same command resumes a run that was stopped. The default recipe trains the paper's
    tables 1 to 3 and figures 3 and 6 at a small size, in hours on two cores.

    \b
    Examples:
      avlink ablate --only fusion,no_reinjection
      avlink ablate -s clips=32 -s compute=steps
    """  # noqa: D301
    from avlink.ablation.ablate import ablate as run
    from avlink.core.disk import report_full_disk
    from avlink.core.recipe import load_recipe

    loaded = load_recipe(recipe, "ablate", list(settings or ()))
    out = output or Path("runs") / Path(recipe).stem
    with report_full_disk(out), progress() as tell:
        names = given.split_names(only) or ()
        report = run(loaded, out, only=names, device=device.value, jobs=jobs, listener=tell)
    return Answer(command="ablate", payload={"output": str(out), **report.to_json()}, blocks=report.lines())
