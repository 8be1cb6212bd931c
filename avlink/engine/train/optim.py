"""Optimisation: Muon for weight matrices, AdamW for everything else, one schedule, and averaged weights (EMA)."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from avlink.engine.train.muon import Muon


def computes_in_bf16() -> bool:
    """Return True if this processor multiplies bfloat16 in hardware; emulation is about ten times slower."""
    own = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    if any(getattr(torch.cpu, name, lambda: False)() for name in own):
        return True
    return platform.machine() in ("arm64", "aarch64") and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimConfig:
    """Peak learning rates and their schedule; `decay` is the final fraction of the run, over which they fall to zero.

    `muon_lr=None` trains matrices by AdamW too, as the paper does (appendix C.1).
    """

    # betas, eps and weight_decay are the paper's (appendix C.1). It warms up over 10,000 steps to 3e-4; the defaults
    # here are for much shorter runs.
    lr: float = 1e-3
    muon_lr: float | None = None
    betas: tuple[float, float] = (0.9, 0.99)
    eps: float = 1e-8
    weight_decay: float = 0.01
    warmup_steps: int = 30
    decay: float = 0.4
    clip_norm: float = 1.0


class Optimiser:
    """Muon and AdamW as one optimiser, for whole or sharded parameters; its state is saved under parameter names."""

    def __init__(self, named: Mapping[str, nn.Parameter], config: OptimConfig, steps: int) -> None:
        """Assign matrices to Muon if there is a `muon_lr`; raises ValueError if they are sharded."""
        self.config, self.steps, self.named = config, steps, dict(named)
        self.parameters = list(self.named.values())
        # A step shows few rows of a table: Muon would move all of them (Jordan et al. 2024).
        matrices = [
            p
            for name, p in self.named.items()
            if p.ndim == 2 and min(p.shape) >= 32 and "embedding" not in name and config.muon_lr is not None
        ]
        if matrices and any(isinstance(p, DTensor) for p in matrices):
            raise ValueError("Muon needs whole matrices, not shards")
        # Vectors have no singular values, and in narrow matrices there is little to orthogonalise: AdamW takes them.
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
                # On CPUs the fused kernel is no faster, and it rounds differently.
                fused=rest[0].device.type == "cuda",
            )
            self.parts.append((adam, config.lr))
        if matrices and config.muon_lr is not None:
            dtype = torch.bfloat16 if matrices[0].is_cuda or computes_in_bf16() else torch.float32
            muon = Muon(matrices, lr=config.muon_lr, weight_decay=config.weight_decay, dtype=dtype)
            self.parts.append((muon, config.muon_lr))

    def lr_factor(self, step: int) -> float:
        """Return the schedule at `step`, 0 to 1: linear warm-up, constant, linear decay to zero."""
        # step + 1: the first update must not have a learning rate of zero.
        warm = min(1.0, (step + 1) / max(1, self.config.warmup_steps))
        tail = max(1.0, self.config.decay * self.steps)
        # steps - step, so that the learning rate of the last update is not zero.
        return warm * min(1.0, max(0.0, (self.steps - step) / tail))

    def clip_gradients(self) -> float:
        """Clip the global norm of the gradients; returns the norm before clipping, over all ranks."""
        # Over the gradients of all parameters and ranks; of shards it is a DTensor that still has to be summed up.
        # Muon's gradients count as well: its update has a fixed size, but a spike would fill its momentum.
        norm = nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)

    def step(self, step: int) -> None:
        """Update the parameters with the learning rates of `step`, and drop the gradients."""
        for part, lr in self.parts:
            for group in part.param_groups:
                group["lr"] = lr * self.lr_factor(step)
            part.step()
        self.zero_grad()

    def zero_grad(self) -> None:
        """Drop the gradients."""
        for part, _ in self.parts:
            part.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """Return all state tensors as `parameter/key`; step counts get one axis, since DCP shards no scalars."""
        flat = {}
        for name, parameter in self.named.items():
            for key, value in self._of(parameter).items():
                flat[f"{name}/{key}"] = value.reshape(1) if value.ndim == 0 else value
        return flat

    def empty_state(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Return zeros under those names of `state`, sharded as the parameters are, to load into."""
        room = {}
        for full in names:
            name, _, key = full.rpartition("/")
            parameter = self.named[name]
            # On the CPU and never sharded, unlike the moments.
            room[full] = torch.zeros(1) if key == "step" else torch.zeros_like(parameter.detach())
        return room

    def load_state(self, flat: Mapping[str, Tensor]) -> None:
        """Load the result of `state`."""
        for full, value in flat.items():
            name, _, key = full.rpartition("/")
            parameter = self.named[name]
            if key == "step":
                # Plain AdamW counts on the CPU, fused AdamW on the device of its parameter.
                value = value.reshape(()).to(parameter.device if self._fused(parameter) else "cpu")
            self._of(parameter)[key] = value

    def _of(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        owner = next(part for part, _ in self.parts if any(p is parameter for p in part.param_groups[0]["params"]))
        return owner.state[parameter]

    def _fused(self, parameter: nn.Parameter) -> bool:
        return parameter.device.type == "cuda"


class EMA:
    """Exponential moving average of parameters, whole or sharded as they are.

    The decay is warmed up: with a constant one, the average of a short run would still hold its random start.
    """

    def __init__(self, named: Mapping[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.live = list(named.values())
        # fp32 like the master weights: in bf16 a change of 1 - decay would round to nothing.
        self.shadow = [p.detach().clone() for p in self.live]
        self.named = dict(zip(named, self.shadow, strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        # Reaches a decay of 0.998 at step 4,490; until then the average is over about the last ninth of the steps.
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.shadow, [p.detach() for p in self.live], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange averaged and live values; calling it twice restores both."""
        for shadow, live in zip(self.shadow, self.live, strict=True):
            # Copied in place: shards and optimiser hold references to these tensors.
            kept = live.detach().clone()
            live.copy_(shadow)
            shadow.copy_(kept)
