"""Models in the format of transformers from a folder of the user: checked, loaded strictly, never from the hub."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from avlink import BundleError, InputError


def model_type(folder: Path) -> str:
    """Return the model type of config.json. Raises BundleError if there is no valid one."""
    try:
        return str(json.loads((folder / "config.json").read_text("utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError):
        raise BundleError(
            f"'{folder}' holds no model of transformers' kind: it needs config.json, weights and the settings of its "
            "preprocessor; download the whole folder"
        ) from None


def transformers() -> Any:
    """Return the library in offline mode. Raises InputError if it is not installed."""
    from avlink import import_transformers

    try:
        return import_transformers()
    except InputError:
        raise InputError(
            "CLAP, CLIP and MetaCLIP need transformers, which is not installed; pip install 'avlink[metrics]'"
        ) from None


def load_model(kind: Any, folder: Path, what: str, device: str) -> Any:
    """Return a frozen model of class `kind` in single precision. Raises BundleError if weights are missing or wrong."""
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, found = kind.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
            )
    except Exception as error:
        raise BundleError(f"the {what} in '{folder}' cannot be read: {str(error).splitlines()[0]}") from None
    # transformers initialises missing weights at random and only warns.
    lacking = sorted(map(str, [*found["missing_keys"], *found.get("mismatched_keys", ())]))
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise BundleError(f"'{folder}' is no {what}: it lacks {', '.join(lacking[:3])}{more}")
    return model.eval().requires_grad_(False).to(device)


def load_helper(kind: Any, folder: Path, what: str) -> Any:
    """Return a tokenizer or preprocessor. Raises BundleError if the folder lacks its files."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return kind.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise BundleError(f"the {what} in '{folder}' cannot be read: {str(error).splitlines()[0]}") from None
