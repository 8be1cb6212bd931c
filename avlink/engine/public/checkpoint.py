"""The tensors of a public checkpoint under plain names, read without running code that the file may contain."""

from __future__ import annotations

import _codecs
import pickle
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from avlink.core.documents import parse_json
from avlink.core.errors import BundleError
from avlink.core.input_files import check_regular, describe, read_text
from avlink.core.limits import TABLE_BYTES, TABLE_DEPTH

_WRAPPERS = ("state_dict", "generator", "model")
_PREFIXES = ("module.", "_orig_mod.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Tensors by name, and the configuration beside them."""

    path: Path
    tensors: Mapping[str, Tensor]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The JSON configuration beside the file; empty if there is none."""
    latent_scale: float | None = None
    """Latent diffusion's `scale_factor`: latents times it have unit variance."""

    def under(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin with `prefix`, without it."""
        return {key[len(prefix) :]: value for key, value in self.tensors.items() if key.startswith(prefix)}


def read_checkpoint(path: Path, settings: Path | None = None) -> Checkpoint:
    """Read a .safetensors, .ckpt, .pt, .pth or .bin file, or a folder in the format of transformers.

    Weight norm is fused; wrappers such as `state_dict` and prefixes such as `module.` are removed. `settings` names the
    JSON configuration, by default `<file>.json` or `config.json` beside the file.
    Raises BundleError if the file is missing or broken, or would run code when read.
    """
    file = _weights_in(path) if path.is_dir() else path
    check_regular(file, BundleError)
    if not file.is_file():
        raise BundleError(f"there is no checkpoint {path}; give a file of weights, or a folder that holds one")
    found = _unwrapped(_read(file)).items()
    tensors = {_plain(key): value for key, value in found if isinstance(key, str) and isinstance(value, Tensor)}
    if not tensors:
        raise BundleError(f"{file} holds no tensors by name; give the file that holds the weights")
    scale = tensors.pop("scale_factor", None)
    inner = {key.removeprefix("first_stage_model."): value for key, value in tensors.items() if "first_stage" in key}
    beside = settings or next(
        (p for p in (file.with_suffix(".json"), file.parent / "config.json") if p.is_file()), None
    )
    return Checkpoint(
        path=file,
        tensors=fuse_weight_norm(inner or tensors),
        settings={} if beside is None else _settings(beside),
        latent_scale=None if scale is None else float(scale),
    )


def fuse_weight_norm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Replace each pair of weight norm by `weight` = g * v / |v|, per first axis (Salimans and Kingma 2016)."""
    plain: dict[str, Tensor] = {}
    for key, value in tensors.items():
        for length, direction in (
            ("weight_g", "weight_v"),
            ("parametrizations.weight.original0", "parametrizations.weight.original1"),
        ):
            if key.endswith(f".{length}"):
                stem = key.removesuffix(length)
                # In fp32: squares of half precision overflow from 256 on.
                v = tensors[stem + direction].float()
                # Over all axes but the first, also for transposed convolutions, whose first axis counts inputs: torch's
                # default.
                norm = v.flatten(1).norm(dim=1).reshape(-1, *[1] * (v.ndim - 1))
                plain[f"{stem}weight"] = value.float() * v / norm
                break
            if key.endswith(f".{direction}"):
                # Used with its length.
                break
        else:
            plain[key] = value
    return plain


def _read(file: Path) -> Any:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        with _allow_numpy_scalars():
            return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError:
        raise BundleError(
            f"{file} would run code when read ({_unsafe(file)}), and is not; save its state_dict alone, best as "
            "safetensors"
        ) from None
    except Exception as error:
        # Nothing is done here but read the file: whatever a reader raises is the file's.
        raise BundleError(f"{file} is no checkpoint, or broken: {describe(error)}; copy it again") from None


def _unsafe(file: Path) -> str:
    """Return the names that a checkpoint calls when it is read."""
    try:
        return ", ".join(torch.serialization.get_unsafe_globals_in_checkpoint(file)) or "something unknown"
    except Exception:
        # Files of old versions do not tell.
        return "something unknown"


def _allow_numpy_scalars() -> AbstractContextManager[None]:
    """Allow numpy scalars, which some checkpoints hold beside their tensors, under their names in numpy 1 and 2."""
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    allowed: list[Any] = [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        np.dtypes.Float64DType,
        np.dtypes.Int64DType,
        _codecs.encode,
    ]
    return torch.serialization.safe_globals(allowed)


def _unwrapped(found: Any) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        return {}
    # Wrappers may lie in wrappers; a file in which they lead back to themselves holds no tensors.
    for _ in range(TABLE_DEPTH.most):
        inner = next((found[key] for key in _WRAPPERS if isinstance(found.get(key), Mapping)), None)
        if inner is None:
            return found
        found = inner
    return {}


def _plain(key: str) -> str:
    for prefix in _PREFIXES:
        key = key.removeprefix(prefix).replace(f".{prefix}", ".")
    return key


def _weights_in(folder: Path) -> Path:
    names = ("model.safetensors", "diffusion_pytorch_model.safetensors", "pytorch_model.bin")
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise BundleError(f"{folder} holds none of {', '.join(names)}; give the file of weights itself")


def _settings(path: Path) -> dict[str, Any]:
    found = parse_json(read_text(path, TABLE_BYTES, BundleError), f"the configuration {path}", BundleError)
    if not isinstance(found, dict):
        raise BundleError(f"the configuration {path} is no JSON object; give the one that came with the checkpoint")
    return found
