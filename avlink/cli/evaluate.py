"""`avlink evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from avlink.cli import options as given
from avlink.cli.console import progress
from avlink.core.answer import Answer

if TYPE_CHECKING:
    from avlink.core.recipe import EvaluateRecipe


def evaluate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe by name, or a .toml file.")] = "evaluate",
    settings: given.SettingsOption = None,
    device: given.DeviceOption = given.Device.auto,
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
        return _folders(loaded, device.value)
    with progress() as tell:
        report = run(loaded, device=device.value, listener=tell)
    return Answer(command="evaluate", payload=report.to_json(), blocks=report.lines())


def _folders(recipe: EvaluateRecipe, device: str) -> Answer:
    from avlink.evaluation.folders import evaluate_folders
    from avlink.hooks import load_registry
    from avlink.session import pick_device

    with progress() as tell:
        report = evaluate_folders(recipe, load_registry(), device=pick_device(device), listener=tell)
    return Answer(command="evaluate", payload=report.to_json(), blocks=report.lines())
