"""Models of transformers' kind from the user's folder: looked into first, loaded strictly, never from the hub."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from avlink import BundleError, InputError


def model_type(folder: Path) -> str:
    """What config.json says it is. Raises BundleError where there is none that makes sense."""
    try:
        return str(json.loads((folder / "config.json").read_text("utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError):
        raise BundleError(
            f"'{folder}' holds no model of transformers' kind: it needs config.json, weights and the settings of its "
            "preprocessor; download the whole folder"
        ) from None


def transformers() -> Any:
    """The library, kept from its hub. Raises InputError where it is not installed."""
    from avlink import import_transformers

    try:
        return import_transformers()
    except InputError:
        raise InputError(
            "CLAP, CLIP and MetaCLIP need transformers, which is not installed; pip install 'avlink[metrics]'"
        ) from None


def load_model(kind: Any, folder: Path, what: str, device: str) -> Any:
    """A frozen model of class `kind` in single precision. Raises BundleError where a weight is missing or another."""
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, found = kind.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
            )
    except Exception as error:
        raise BundleError(f"the {what} in '{folder}' cannot be read: {str(error).splitlines()[0]}") from None
    # What the files lack would be left to chance.
    lacking = sorted(map(str, [*found["missing_keys"], *found.get("mismatched_keys", ())]))
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise BundleError(f"'{folder}' is no {what}: it lacks {', '.join(lacking[:3])}{more}")
    return model.eval().requires_grad_(False).to(device)


def load_helper(kind: Any, folder: Path, what: str) -> Any:
    """A tokenizer or preprocessor. Raises BundleError where the folder lacks its files."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return kind.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise BundleError(f"the {what} in '{folder}' cannot be read: {str(error).splitlines()[0]}") from None
