"""Muon for the weight matrices, AdamW for everything else, under one schedule."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from avlink.engine.train.muon import Muon


def computes_in_bf16() -> bool:
    """Whether this machine's processor multiplies bfloat16 itself. Those that imitate it take ten times as long."""
    own = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    if any(getattr(torch.cpu, name, lambda: False)() for name in own):
        return True
    return platform.machine() in ("arm64", "aarch64") and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimConfig:
    """Learning rates at their peak; `decay` is the last part of the run over which they fall to zero linearly."""

    lr: float = 1e-3
    muon_lr: float | None = None
    weight_decay: float = 0.01
    warmup_steps: int = 30
    decay: float = 0.4
    clip_norm: float = 1.0


class Optimiser:
    """Steps parameters; its state can be saved and restored exactly."""

    def __init__(self, modules: Iterable[nn.Module], config: OptimConfig, steps: int) -> None:
        self.config, self.steps = config, steps
        self.parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        matrices = [p for p in self.parameters if p.ndim == 2 and min(p.shape) >= 32 and config.muon_lr is not None]
        chosen = {id(p) for p in matrices}
        rest = [p for p in self.parameters if id(p) not in chosen]
        self.parts: list[tuple[torch.optim.Optimizer, float]] = [
            (torch.optim.AdamW(rest, lr=config.lr, betas=(0.9, 0.99), weight_decay=config.weight_decay), config.lr)
        ]
        if matrices and config.muon_lr is not None:
            dtype = torch.bfloat16 if matrices[0].is_cuda or computes_in_bf16() else torch.float32
            muon = Muon(matrices, lr=config.muon_lr, weight_decay=config.weight_decay, dtype=dtype)
            self.parts.append((muon, config.muon_lr))

    def factor(self, step: int) -> float:
        """The schedule at `step`: linear warm-up, constant, linear decay to zero at the end."""
        warm = min(1.0, (step + 1) / max(1, self.config.warmup_steps))
        tail = max(1.0, self.config.decay * self.steps)
        return warm * min(1.0, max(0.0, (self.steps - step) / tail))

    def update(self, loss: torch.Tensor, step: int) -> float:
        """One step down `loss`; returns the gradient's norm before clipping."""
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        for part, lr in self.parts:
            for group in part.param_groups:
                group["lr"] = lr * self.factor(step)
            part.step()
            part.zero_grad(set_to_none=True)
        return float(norm)

    def state(self) -> dict[str, torch.Tensor]:
        """All state tensors under flat names."""
        flat = {}
        for number, (part, _) in enumerate(self.parts):
            for index, values in part.state_dict()["state"].items():
                for key, value in values.items():
                    flat[f"{number}.{index}.{key}"] = torch.as_tensor(value)
        return flat

    def restore(self, flat: dict[str, torch.Tensor]) -> None:
        """The inverse of `state`."""
        for number, (part, _) in enumerate(self.parts):
            whole = part.state_dict()
            state: dict[int, dict[str, torch.Tensor]] = {}
            for name, value in flat.items():
                owner, index, key = name.split(".")
                if int(owner) == number:
                    state.setdefault(int(index), {})[key] = value
            part.load_state_dict({"state": state, "param_groups": whole["param_groups"]})


class EMA:
    """Exponential moving average of parameters, warmed up so that a short run is not ruled by its start."""

    def __init__(self, modules: Iterable[nn.Module], decay: float) -> None:
        self.decay = decay
        self.live = [p for module in modules for p in module.parameters() if p.requires_grad]
        self.shadow = [p.detach().clone() for p in self.live]

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.shadow, [p.detach() for p in self.live], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the averaged and the live values; twice is no change."""
        for shadow, live in zip(self.shadow, self.live, strict=True):
            kept = live.detach().clone()
            live.copy_(shadow)
            shadow.copy_(kept)
