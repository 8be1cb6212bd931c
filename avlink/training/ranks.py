"""The processes of one training: started by torchrun, or this one alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from avlink.core.errors import AvlinkError, InputError, PeerFailed

if TYPE_CHECKING:
    import torch

    from avlink.engine.train.ranks import Ranks

_PATIENCE = timedelta(days=3)
"""How long ranks wait for what the first one does alone, such as decoding a data set."""


def speaks(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process tells what is wrong before the ranks know each other: one on each machine does."""
    return environ.get("LOCAL_RANK", "0") == "0"


@contextlib.contextmanager
def said_once(environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """What fails in all processes alike is told by those that speak; the others raise PeerFailed."""
    try:
        yield
    except AvlinkError as error:
        if speaks(environ):
            raise
        raise PeerFailed(error.exit_code) from error


@contextlib.contextmanager
def open_ranks(mode: str, environ: Mapping[str, str] = os.environ) -> Iterator[Ranks]:
    """The group that torchrun's variables tell of; without them a group of one for FSDP, and none otherwise.

    Computes on CUDA where there is a device for this rank, else on the CPU. Whatever ends one rank is told by one, in
    its own words; all others raise PeerFailed. Raises InputError where several processes have no way to share.
    """
    from avlink.engine.train.ranks import Ranks

    count, index = int(environ.get("WORLD_SIZE", "1")), int(environ.get("RANK", "0"))
    with said_once(environ):
        if count > 1 and mode == "none":
            raise InputError(
                f"{count} processes train together, but the recipe says parallel.mode = 'none'; "
                "add -s parallel.mode=ddp or -s parallel.mode=fsdp"
            )
    device = _device(int(environ.get("LOCAL_RANK", "0")))
    if count == 1 and mode != "fsdp":
        yield Ranks(device=device)
        return
    import torch.distributed as dist

    store = _store(count, index, environ)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=index, world_size=count)
    groups: list[Any] = [dist.new_group(backend="gloo", timeout=_PATIENCE) for _ in range(2)]
    ranks = Ranks(index=index, count=count, device=device, wait_group=groups[0], save_group=groups[1])
    try:
        yield ranks
    except (Exception, KeyboardInterrupt) as error:
        raise _one_voice(error, ranks, store) from error
    dist.destroy_process_group()


def _device(local: int) -> torch.device:
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    if local >= torch.cuda.device_count():
        raise InputError(
            f"this is process {local + 1} on a machine of {torch.cuda.device_count()} GPUs; "
            "start as many with --nproc_per_node as there are"
        )
    device = torch.device("cuda", local)
    torch.cuda.set_device(device)
    return device


def _store(count: int, index: int, environ: Mapping[str, str]) -> Any:
    from torch._C._distributed_c10d import HashStore, PrefixStore, TCPStore

    if "MASTER_ADDR" not in environ:
        return HashStore()
    server = environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True" and index == 0
    store = TCPStore(environ["MASTER_ADDR"], int(environ["MASTER_PORT"]), count, is_master=server)
    # torchrun may start all ranks again with the same store.
    return PrefixStore(f"avlink/{environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)


def _one_voice(error: BaseException, ranks: Ranks, store: Any) -> BaseException:
    """`error` for the first rank that comes with one, PeerFailed for all others."""
    if ranks.count == 1 or isinstance(error, PeerFailed):
        return error
    code = 130 if isinstance(error, KeyboardInterrupt) else getattr(error, "exit_code", 1)
    try:
        first = int(store.add("failed", 1)) == 1
    except RuntimeError:
        first = True
    if not first:
        return PeerFailed(code)
    if isinstance(error, RuntimeError) and _is_loss(str(error)):
        return AvlinkError(
            f"rank {ranks.index} of {ranks.count} lost another process of this training; "
            "give the command again to go on from the newest checkpoint"
        )
    return error


def _is_loss(text: str) -> bool:
    """Whether gloo or NCCL says that a peer is gone."""
    words = ("connection closed", "connection reset", "broken pipe", "connect failed", "socket", "timed out", "nccl")
    return any(word in text.lower() for word in words)
