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

_TIMEOUT = timedelta(days=3)
"""The longest wait of the ranks for work of the first one alone, such as decoding a data set."""


def reports_errors(environ: Mapping[str, str] = os.environ) -> bool:
    """Return True if this process reports errors before the group exists: one on each machine does."""
    return environ.get("LOCAL_RANK", "0") == "0"


@contextlib.contextmanager
def report_once(environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Raise an error that all processes have alike only in those that report errors; the others raise PeerFailed."""
    try:
        yield
    except AvlinkError as error:
        if reports_errors(environ):
            raise
        raise PeerFailed(error.exit_code) from error


@contextlib.contextmanager
def open_ranks(mode: str, environ: Mapping[str, str] = os.environ) -> Iterator[Ranks]:
    """Open the group that torchrun's variables describe; without them a group of one for FSDP, and none otherwise.

    Computes on CUDA where there is a device for this rank, else on the CPU. An error that ends one rank is raised
    there, and PeerFailed in all others. Raises InputError where several processes train without a parallel mode.
    """
    from avlink.engine.train.ranks import Ranks

    count, index = int(environ.get("WORLD_SIZE", "1")), int(environ.get("RANK", "0"))
    with report_once(environ):
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
    # Checkpoints and waits use gloo also where NCCL carries the gradients.
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=index, world_size=count)
    # Two: a save in the background must not mix its messages with those of the training.
    groups: list[Any] = [dist.new_group(backend="gloo", timeout=_TIMEOUT) for _ in range(2)]
    ranks = Ranks(index=index, count=count, device=device, wait_group=groups[0], save_group=groups[1])
    try:
        yield ranks
    except (Exception, KeyboardInterrupt) as error:
        raise _error_of_rank(error, ranks, store) from error
    # Not after an error: peers that are gone would make it hang.
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
    # torchrun may restart all ranks with the same store: keys of the failed attempt must not be seen.
    return PrefixStore(f"avlink/{environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)


def _error_of_rank(error: BaseException, ranks: Ranks, store: Any) -> BaseException:
    """Return `error` for the first rank that fails, PeerFailed for all others."""
    if ranks.count == 1 or isinstance(error, PeerFailed):
        return error
    code = 130 if isinstance(error, KeyboardInterrupt) else getattr(error, "exit_code", 1)
    try:
        # An atomic counter: exactly one rank sees 1.
        first = int(store.add("failed", 1)) == 1
    except RuntimeError:
        # The store died with the first rank, so nobody else can report.
        first = True
    if not first:
        return PeerFailed(code)
    if isinstance(error, RuntimeError) and _lost_peer(str(error)):
        return AvlinkError(
            f"rank {ranks.index} of {ranks.count} lost another process of this training; "
            "give the command again to go on from the newest checkpoint"
        )
    return error


def _lost_peer(text: str) -> bool:
    """Return True if the message is one of gloo's or NCCL's for a lost peer; neither has an error class for it."""
    words = ("connection closed", "connection reset", "broken pipe", "connect failed", "socket", "timed out", "nccl")
    return any(word in text.lower() for word in words)
