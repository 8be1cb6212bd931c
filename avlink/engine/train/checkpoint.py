"""Checkpoints of a stage: one safetensors file and nothing else; the newest whole one counts."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from avlink.engine.train.optim import EMA, Optimiser


def save(path: Path, modules: dict[str, nn.Module], optimiser: Optimiser, ema: EMA, step: int) -> None:
    """Write everything that the next step depends on; moved into place, so that a kill leaves the old one."""
    tensors: dict[str, torch.Tensor] = {}
    for name, module in modules.items():
        tensors |= {f"model.{name}.{key}": value for key, value in module.state_dict().items()}
    tensors |= {f"optimiser.{key}": value for key, value in optimiser.state().items()}
    tensors |= {f"ema.{index}": value for index, value in enumerate(ema.shadow)}
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    save_file(plain, hidden, metadata={"step": str(step)})
    os.replace(hidden, path)


def load(path: Path, modules: dict[str, nn.Module], optimiser: Optimiser, ema: EMA) -> int:
    """Restore what `save` wrote and return the number of steps done; 0 without a checkpoint."""
    if not path.is_file():
        return 0
    with safe_open(path, framework="pt") as file:
        step = int(file.metadata()["step"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, module in modules.items():
        prefix = f"model.{name}."
        state = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        module.load_state_dict(state)
    optimiser.restore({k.removeprefix("optimiser."): v for k, v in tensors.items() if k.startswith("optimiser.")})
    for index, shadow in enumerate(ema.shadow):
        shadow.copy_(tensors[f"ema.{index}"])
    return step
