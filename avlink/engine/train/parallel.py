"""Parallelism of one stage: activation checkpointing, compilation, and FSDP2 or DDP.

The order is torchtitan's: checkpoint activations, then compile, then shard each block, then the root.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from avlink.core.recipe.stages import ParallelTable
from avlink.engine.train.ranks import Ranks, sharing

_WRAPPED = "_checkpoint_wrapped_module."


@runtime_checkable
class Stage(Protocol):
    """One stage of a training: the modules that learn, and their loss."""

    name: str
    trained: dict[str, nn.Module]
    """Modules whose parameters are trained, by component name."""
    frozen: tuple[nn.Module, ...]
    """Parts of them that are not."""
    num_clips: int

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Return named losses of a batch; `total` is minimised. All randomness comes from `generator`."""
        ...

    def validate(self) -> dict[str, float]:
        """Return figures on held-out clips."""
        ...


class _Loss(nn.Module):
    """A stage's loss as the forward pass of a module that holds what it trains: DDP and FSDP hook into `forward`."""

    def __init__(self, stage: Stage, bf16: bool, device: torch.device) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(stage.trained)
        self.stage, self.bf16, self.device = stage, bf16, device

    def forward(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        with self.autocast():
            losses = self.stage.loss(indices, generator)
        # DDP would wait for gradients of losses that are only reported.
        return {name: value if name == "total" else value.detach() for name, value in losses.items()}

    def autocast(self) -> AbstractContextManager[object]:
        # bf16, not fp16: with the exponents of fp32, losses need no scaling.
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()


class Learner:
    """The trained modules of a stage, prepared for the ranks, and its loss on them."""

    def __init__(
        self, stage: Stage, *, frozen_modules: Iterable[nn.Module], parallel: ParallelTable, bf16: bool, ranks: Ranks
    ) -> None:
        """Freeze `frozen_modules`, which condition the loss or pass gradients on; `bf16` stores them in bf16."""
        self.stage, self.ranks = stage, ranks
        for module in stage.trained.values():
            module.requires_grad_(True).train()
        for part in stage.frozen:
            part.requires_grad_(False)
        frozen_modules = [module.requires_grad_(False) for module in frozen_modules]
        if bf16:
            # They have no optimiser step, whose small updates need fp32.
            for module in frozen_modules:
                _to_bf16(module)
        _prepare_blocks([*stage.trained.values(), *frozen_modules], parallel)
        self.loss = _Loss(stage, bf16, ranks.device)
        self.forward: nn.Module = self.loss
        self.sharded = parallel.mode == "fsdp"
        if self.sharded:
            _shard(self.loss, bf16, ranks)
        elif ranks.count > 1:
            # Buffers are constants, so none are broadcast. A step that drops conditions leaves parameters unused.
            # Gradients are views of the buckets that are reduced, which saves a copy of all of them.
            self.forward = DistributedDataParallel(
                self.loss, broadcast_buffers=False, gradient_as_bucket_view=True, find_unused_parameters=True
            )

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """Return the trained parameters as `component.parameter`."""
        return {
            name.replace(_WRAPPED, ""): value
            for name, value in self.loss.parts.named_parameters()
            if value.requires_grad
        }

    def state(self) -> dict[str, Tensor]:
        """Return all weights of the trained components under the same names, frozen ones too."""
        return dict(self.loss.parts.state_dict())

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Load the result of `state`."""
        self.loss.parts.load_state_dict(state)

    @contextmanager
    def sync_gradients(self, last: bool) -> Iterator[None]:
        """Reduce gradients over the ranks in the last micro-batch of a step only; before that they add up locally."""
        if isinstance(self.loss, FSDPModule):
            self.loss.set_requires_gradient_sync(last)
            yield
        elif isinstance(self.forward, DistributedDataParallel) and not last:
            with self.forward.no_sync():
                yield
        else:
            yield

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return the stage's validation figures; all ranks take part: they gather shards, and divide the clips."""
        modules = self.stage.trained.values()
        for module in modules:
            module.eval()
        if isinstance(self.loss, FSDPModule):
            # Validation calls modules directly, past the hook that gathers the root's own parameters.
            self.loss.unshard()
        with self.loss.autocast(), sharing(self.ranks):
            figures = self.stage.validate()
        if isinstance(self.loss, FSDPModule):
            self.loss.reshard()
        for module in modules:
            module.train()
        return figures

    def full_state(self) -> dict[str, dict[str, Tensor]]:
        """Return the unsharded weights of each trained component on the CPU; empty on all ranks but the first."""
        found: dict[str, dict[str, Tensor]] = {}
        for name, module in self.stage.trained.items():
            for key, value in module.state_dict().items():
                # A collective: every rank calls it, only the first one keeps the result.
                full = value.full_tensor() if isinstance(value, DTensor) else value
                if self.ranks.first:
                    found.setdefault(name, {})[key] = full.detach().cpu().contiguous().clone()
        return found


def _block_lists(modules: Iterable[nn.Module]) -> Iterator[nn.ModuleList]:
    """Yield the stacks of blocks of backbones, text encoders and fusions."""
    for module in modules:
        for name, part in module.named_modules():
            if isinstance(part, nn.ModuleList) and name.rpartition(".")[2] == "blocks":
                yield part


def _prepare_blocks(modules: Iterable[nn.Module], parallel: ParallelTable) -> None:
    for blocks in list(_block_lists(modules)):
        for index, block in enumerate(blocks):
            if parallel.activation_checkpointing:
                blocks[index] = checkpoint_wrapper(block)
            if parallel.compile:
                # Block by block, since all blocks of a stack share one compiled graph.
                blocks[index].compile()


def _to_bf16(module: nn.Module) -> None:
    for parameter in module.parameters():
        # Parameters only: buffers, such as the statistics of latents, stay in fp32.
        parameter.data = parameter.data.to(torch.bfloat16)


def _shard(root: _Loss, bf16: bool, ranks: Ranks) -> None:
    """Shard by FSDP2: fp32 master weights and averages, bf16 gathers for blocks, fp32 gradient reduction.

    Autocast decides the type of each operation, as without shards. Parameters outside of blocks are few, and norms with
    weights need them in fp32: both are gathered in fp32.
    """
    # A stream that a block does not refine passes through it as a view. Nothing in the model works in place.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    mesh = init_device_mesh(ranks.device.type, (ranks.count,))
    exact = MixedPrecisionPolicy(cast_forward_inputs=False)
    half = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    for blocks in list(_block_lists(root.parts.values())):
        for index, block in enumerate(blocks):
            policy = half if bf16 and not _has_weighted_norm(block) else exact
            # The backward pass begins with the last block: freeing its parameters would gather them again at once.
            fully_shard(block, mesh=mesh, mp_policy=policy, reshard_after_forward=index + 1 < len(blocks))
    fully_shard(root, mesh=mesh, mp_policy=exact)


def _has_weighted_norm(block: nn.Module) -> bool:
    return any(isinstance(part, nn.LayerNorm | nn.GroupNorm) and part.weight is not None for part in block.modules())
