"""Records of a training run: its recipe with every value, and the machine and software that it ran on."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import tomli_w

from avlink.core.bundles import shipped_bundles
from avlink.core.paths import write_text
from avlink.core.recipe import TrainRecipe

_FOLDER_KEYS = ("folder", "prepared")
"""Keys of [data] that name folders."""
_PACKAGES = ("avlink", "torch", "torchaudio", "numpy", "safetensors", "av", "transformers", "tensorboardX")


def resolve_recipe(recipe: TrainRecipe, out: Path) -> str:
    """Return the recipe with every value, as TOML that `avlink train` reads again from the folder `out`."""
    # TOML has no null.
    values = recipe.model_dump(mode="json", exclude_none=True)
    shipped = (*shipped_bundles(), "builtin")
    values["start_from"] = [
        start if start in shipped else _relative_to(out, recipe, "start_from", start) for start in recipe.starts
    ]
    tables = [("data", values["data"]), *(("data.parts", part) for part in values["data"].get("parts", ()))]
    for key, table in tables:
        for name in [name for name in _FOLDER_KEYS if name in table]:
            table[name] = _relative_to(out, recipe, f"data.{name}" if key == "data" else key, table[name])
    head = "# What this run was told, defaults included: avlink train with this file does the same.\n"
    return head + tomli_w.dumps(values)


def _relative_to(out: Path, recipe: TrainRecipe, key: str, text: str) -> str:
    """Return the folder that `text` names, relative to `out`; an absolute one is kept."""
    if Path(text).expanduser().is_absolute():
        return text
    return Path(os.path.relpath(recipe.source.path(key, text), out)).as_posix()


def record_environment(out: Path, *, ranks: int, device: str) -> None:
    """Add this start to `out`/environment.json, which has one entry per start. Names no user and no host."""
    import torch

    path = out / "environment.json"
    starts: list[dict[str, Any]] = []
    # A missing or broken file must not end a training: it starts a new list.
    with contextlib.suppress(OSError, ValueError):
        starts = json.loads(path.read_text("utf-8"))
    devices = [platform.processor() or platform.machine()]
    if device.startswith("cuda"):
        devices = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    starts.append(
        {
            "command": [_without_home(word) for word in sys.argv],
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "devices": devices,
            "ranks": ranks,
            "packages": _versions(),
            "commit": _commit(Path(__file__).parent),
        }
    )
    write_text(path, json.dumps(starts, indent=1) + "\n")


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _without_home(word: str) -> str:
    # The file may be published with the model.
    return word.replace(str(Path.home()), "~")


def _commit(folder: Path) -> str | None:
    """Return the commit of the checkout that contains `folder`, with a plus for changed files; None without one."""

    def ask(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=10
        )
        return done.stdout.strip()

    try:
        # Fails for an installed package inside another project's checkout.
        ask("ls-files", "--error-unmatch", "environment.py")
        return ask("rev-parse", "HEAD") + ("+" if ask("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None
