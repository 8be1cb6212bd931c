"""A stage made ready for its devices: blocks recomputed, compiled and sharded, or whole copies on every rank.

The order is that of large trainings (torchtitan): recompute, then compile, then shard each block, then the rest.
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

from avlink.core.training import ParallelTable
from avlink.engine.train.ranks import Ranks

_WRAPPED = "_checkpoint_wrapped_module."


@runtime_checkable
class Stage(Protocol):
    """One thing to learn."""

    name: str
    trained: dict[str, nn.Module]
    """Modules whose parameters learn, by component name."""
    frozen: tuple[nn.Module, ...]
    """Parts of them that stay as they are."""
    num_clips: int

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Named losses of a batch; `total` is the one to go down. All randomness comes from `generator`."""
        ...

    def validate(self) -> dict[str, float]:
        """Figures on clips that are not trained on."""
        ...


class _Loss(nn.Module):
    """A stage's loss as the forward pass of what it trains: DDP and FSDP hook in there."""

    def __init__(self, stage: Stage, bf16: bool, device: torch.device) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(stage.trained)
        self.stage, self.bf16, self.device = stage, bf16, device

    def forward(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        with self.numbers():
            losses = self.stage.loss(indices, generator)
        # DDP would wait for gradients of what is only looked at.
        return {name: value if name == "total" else value.detach() for name, value in losses.items()}

    def numbers(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()


class Learner:
    """What a stage trains, spread over the ranks, and how its loss is computed there."""

    def __init__(
        self, stage: Stage, *, frozen_modules: Iterable[nn.Module], parallel: ParallelTable, bf16: bool, ranks: Ranks
    ) -> None:
        """Freeze `frozen_modules`, which condition or pass gradients on: they run in half precision."""
        self.stage, self.ranks = stage, ranks
        for module in stage.trained.values():
            module.requires_grad_(True).train()
        for part in stage.frozen:
            part.requires_grad_(False)
        frozen_modules = [module.requires_grad_(False) for module in frozen_modules]
        if bf16:
            for module in frozen_modules:
                _halve(module)
        _ready_blocks([*stage.trained.values(), *frozen_modules], parallel)
        self.loss = _Loss(stage, bf16, ranks.device)
        self.forward: nn.Module = self.loss
        self.sharded = parallel.mode == "fsdp"
        if self.sharded:
            _shard(self.loss, bf16, ranks)
        elif ranks.count > 1:
            self.forward = DistributedDataParallel(
                self.loss, broadcast_buffers=False, gradient_as_bucket_view=True, find_unused_parameters=True
            )

    def named(self) -> dict[str, nn.Parameter]:
        """The parameters that learn, as `component.parameter`."""
        return {
            name.replace(_WRAPPED, ""): value
            for name, value in self.loss.parts.named_parameters()
            if value.requires_grad
        }

    def state(self) -> dict[str, Tensor]:
        """All weights of the trained components under the same names, whether they learn or not."""
        return dict(self.loss.parts.state_dict())

    def restore(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`."""
        self.loss.parts.load_state_dict(state)

    @contextmanager
    def last_only(self, last: bool) -> Iterator[None]:
        """Ranks exchange gradients in the last of a step's micro-batches only."""
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
        """The stage's own judgement: on all ranks alike, since shards are gathered by all of them."""
        modules = self.stage.trained.values()
        for module in modules:
            module.eval()
        if isinstance(self.loss, FSDPModule):
            # Stages reach into modules: what no block holds must be whole before.
            self.loss.unshard()
        with self.loss.numbers():
            figures = self.stage.validate()
        if isinstance(self.loss, FSDPModule):
            self.loss.reshard()
        for module in modules:
            module.train()
        return figures

    def whole(self) -> dict[str, dict[str, Tensor]]:
        """The weights of each trained component, whole and on the CPU; empty on all ranks but the first."""
        found: dict[str, dict[str, Tensor]] = {}
        for name, module in self.stage.trained.items():
            for key, value in module.state_dict().items():
                full = value.full_tensor() if isinstance(value, DTensor) else value
                if self.ranks.first:
                    found.setdefault(name, {})[key] = full.detach().cpu().contiguous().clone()
        return found


def _block_lists(modules: Iterable[nn.Module]) -> Iterator[nn.ModuleList]:
    """The stacks of blocks of backbones, text encoders and fusions."""
    for module in modules:
        for name, part in module.named_modules():
            if isinstance(part, nn.ModuleList) and name.rpartition(".")[2] == "blocks":
                yield part


def _ready_blocks(modules: Iterable[nn.Module], parallel: ParallelTable) -> None:
    for blocks in list(_block_lists(modules)):
        for index, block in enumerate(blocks):
            if parallel.activation_checkpointing:
                blocks[index] = checkpoint_wrapper(block)
            if parallel.compile:
                blocks[index].compile()


def _halve(module: nn.Module) -> None:
    for parameter in module.parameters():
        parameter.data = parameter.data.to(torch.bfloat16)


def _shard(root: _Loss, bf16: bool, ranks: Ranks) -> None:
    """FSDP2: parameters and averages in fp32 shards, gathered in bf16 for blocks, gradients summed up in fp32.

    What is not a product stays under autocast, as without shards. What lies outside of blocks is small, and norms with
    weights want them in fp32: both are gathered as they are.
    """
    # Streams that a block does not renew pass through it as views; nothing in the model works in place.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    mesh = init_device_mesh(ranks.device.type, (ranks.count,))
    exact = MixedPrecisionPolicy(cast_forward_inputs=False)
    half = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    for blocks in list(_block_lists(root.parts.values())):
        for index, block in enumerate(blocks):
            policy = half if bf16 and not _has_weighted_norm(block) else exact
            # The last block's parameters are needed again at once.
            fully_shard(block, mesh=mesh, mp_policy=policy, reshard_after_forward=index + 1 < len(blocks))
    fully_shard(root, mesh=mesh, mp_policy=exact)


def _has_weighted_norm(block: nn.Module) -> bool:
    return any(isinstance(part, nn.LayerNorm | nn.GroupNorm) and part.weight is not None for part in block.modules())
