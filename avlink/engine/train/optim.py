"""Muon for the weight matrices, AdamW for everything else, under one schedule."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

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
    betas: tuple[float, float] = (0.9, 0.99)
    eps: float = 1e-8
    weight_decay: float = 0.01
    warmup_steps: int = 30
    decay: float = 0.4
    clip_norm: float = 1.0


class Optimiser:
    """Steps parameters, whole or in shards; its state can be saved and restored exactly, under their names."""

    def __init__(self, named: Mapping[str, nn.Parameter], config: OptimConfig, steps: int) -> None:
        """Raises ValueError for Muon on shards: it needs whole matrices."""
        self.config, self.steps, self.named = config, steps, dict(named)
        self.parameters = list(self.named.values())
        matrices = [p for p in self.parameters if p.ndim == 2 and min(p.shape) >= 32 and config.muon_lr is not None]
        if matrices and any(isinstance(p, DTensor) for p in matrices):
            raise ValueError("Muon needs whole matrices, not shards")
        chosen = {id(p) for p in matrices}
        rest = [p for p in self.parameters if id(p) not in chosen]
        self.parts: list[tuple[torch.optim.Optimizer, float]] = []
        if rest:
            adam = torch.optim.AdamW(
                rest,
                lr=config.lr,
                betas=config.betas,
                eps=config.eps,
                weight_decay=config.weight_decay,
                # On CPUs the plain one is as quick, and what it computes is what it always did.
                fused=rest[0].device.type == "cuda",
            )
            self.parts.append((adam, config.lr))
        if matrices and config.muon_lr is not None:
            dtype = torch.bfloat16 if matrices[0].is_cuda or computes_in_bf16() else torch.float32
            muon = Muon(matrices, lr=config.muon_lr, weight_decay=config.weight_decay, dtype=dtype)
            self.parts.append((muon, config.muon_lr))

    def factor(self, step: int) -> float:
        """The schedule at `step`: linear warm-up, constant, linear decay to zero at the end."""
        warm = min(1.0, (step + 1) / max(1, self.config.warmup_steps))
        tail = max(1.0, self.config.decay * self.steps)
        return warm * min(1.0, max(0.0, (self.steps - step) / tail))

    def clip(self) -> float:
        """Scale gradients down to the largest norm that is allowed; returns the norm before, over all ranks."""
        norm = nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)

    def step(self, step: int) -> None:
        """Apply the gradients at `step` of the schedule, and forget them."""
        for part, lr in self.parts:
            for group in part.param_groups:
                group["lr"] = lr * self.factor(step)
            part.step()
        self.forget()

    def forget(self) -> None:
        """Drop the gradients."""
        for part, _ in self.parts:
            part.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """All state tensors as `parameter/key`; counts have one element."""
        flat = {}
        for name, parameter in self.named.items():
            for key, value in self._of(parameter).items():
                flat[f"{name}/{key}"] = value.reshape(1) if value.ndim == 0 else value
        return flat

    def blank(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Room for what is kept under those names of `state`, sharded as the parameters are."""
        room = {}
        for full in names:
            name, _, key = full.rpartition("/")
            parameter = self.named[name]
            room[full] = torch.zeros(1) if key == "step" else torch.zeros_like(parameter.detach())
        return room

    def restore(self, flat: Mapping[str, Tensor]) -> None:
        """The inverse of `state`."""
        for full, value in flat.items():
            name, _, key = full.rpartition("/")
            parameter = self.named[name]
            if key == "step":
                value = value.reshape(()).to(parameter.device if self._fused(parameter) else "cpu")
            self._of(parameter)[key] = value

    def _of(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        owner = next(part for part, _ in self.parts if any(p is parameter for p in part.param_groups[0]["params"]))
        return owner.state[parameter]

    def _fused(self, parameter: nn.Parameter) -> bool:
        return parameter.device.type == "cuda"


class EMA:
    """Exponential moving average of parameters, whole or in shards as they are.

    It is warmed up, so that a short run is not ruled by its start.
    """

    def __init__(self, named: Mapping[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.live = list(named.values())
        self.shadow = [p.detach().clone() for p in self.live]
        self.named = dict(zip(named, self.shadow, strict=True))

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
