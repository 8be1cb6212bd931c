"""Checkpoints of a stage: folders of safetensors by torch.distributed.checkpoint; the newest whole one counts.

Each rank writes its shards, and any number of ranks, with or without shards, can go on from them. DCP's own format has
a pickled index; its safetensors format (HuggingFaceStorageWriter) has none, so nothing is ever unpickled.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from avlink.core.errors import InputError
from avlink.engine.train.optim import EMA, Optimiser
from avlink.engine.train.parallel import Learner
from avlink.engine.train.ranks import Ranks

_FORMAT = 1
_KEPT = 2
_HALF = ".part"


class Checkpointer:
    """The checkpoints in one folder: written whole or not at all, the newest two kept."""

    def __init__(
        self, folder: Path, learner: Learner, optimiser: Optimiser, ema: EMA, ranks: Ranks, *, aside: bool = False
    ) -> None:
        """With `aside` a checkpoint is written by a thread while training goes on; the next one waits for it."""
        self.folder, self.learner, self.optimiser, self.ema = folder, learner, optimiser, ema
        self.ranks, self.aside = ranks, aside
        self._writing: tuple[Future[Any], Path] | None = None

    def newest(self) -> Path | None:
        """The newest whole checkpoint; None without one."""
        return max(_whole(self.folder), default=None)

    def save(self, step: int, order: dict[str, int]) -> None:
        """Keep everything that the step after `step` depends on; `order` is where the row of clips stands."""
        from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
        from torch.distributed.checkpoint.state_dict_saver import async_save, save

        self.finish()
        half = self.folder / f"step-{step:09d}{_HALF}"
        self.ranks.on_first(lambda: _begin(half, {"format": _FORMAT, "step": step, "order": order}))
        state: dict[str, Any] = {f"model.{name}": value for name, value in self.learner.state().items()}
        state |= {f"ema.{name}": value for name, value in self.ema.named.items()}
        state |= {f"optimiser.{name}": value for name, value in self.optimiser.state().items()}
        writer = HuggingFaceStorageWriter(str(half), save_distributed=True)
        group = self.ranks.save_group
        _hush()
        if self.aside:
            future: Any = async_save(state, storage_writer=writer, process_group=group, no_dist=group is None)
            self._writing = (future, half)
        else:
            save(state, storage_writer=writer, process_group=group, no_dist=group is None)
            self._put(half)

    def finish(self) -> None:
        """Wait for what is being written, and put it in place."""
        if self._writing is not None:
            future, half = self._writing
            self._writing = None
            future.result()
            self._put(half)

    def _put(self, half: Path) -> None:
        """DCP is done on the first rank when all ranks have written."""

        def put() -> None:
            whole = half.with_suffix("")
            shutil.rmtree(whole, ignore_errors=True)
            os.replace(half, whole)
            for old in sorted(_whole(self.folder))[:-_KEPT]:
                shutil.rmtree(old, ignore_errors=True)

        self.ranks.on_first(put)

    def load(self) -> tuple[int, dict[str, int] | None]:
        """Restore what `save` kept last: the number of steps done and the place in the row of clips, or (0, None).

        Raises InputError where the newest checkpoint cannot be read.
        """
        from safetensors import SafetensorError
        from torch.distributed.checkpoint.api import CheckpointException
        from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
        from torch.distributed.checkpoint.state_dict_loader import load

        newest = self.ranks.on_first(lambda: _sweep(self.folder))
        if newest is None:
            return 0, None
        try:
            note = json.loads((newest / "checkpoint.json").read_text("utf-8"))
            reader = HuggingFaceStorageReader(str(newest))
            names = list(reader.read_metadata().state_dict_metadata)
            state: dict[str, Any] = {f"model.{name}": value for name, value in self.learner.state().items()}
            state |= {f"ema.{name}": value for name, value in self.ema.named.items()}
            kept = [name.removeprefix("optimiser.") for name in names if name.startswith("optimiser.")]
            room = self.optimiser.blank(kept)
            state |= {f"optimiser.{name}": value for name, value in room.items()}
            _hush()
            group = self.ranks.wait_group
            load(state, storage_reader=reader, process_group=group, no_dist=group is None)
            step, order = int(note["step"]), {key: int(value) for key, value in note["order"].items()}
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, CheckpointException) as error:
            raise InputError(
                f"the checkpoint {newest} cannot be read ({str(error).splitlines()[0]}); "
                "remove that folder to go on from the one before it"
            ) from error
        self.learner.restore({name: state[f"model.{name}"] for name in self.learner.state()})
        self.optimiser.restore(room)
        return step, order


def _begin(half: Path, note: dict[str, Any]) -> None:
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    (half / "checkpoint.json").write_text(json.dumps(note), "utf-8")


def _whole(folder: Path) -> list[Path]:
    return [path for path in folder.glob("step-*") if path.suffix != _HALF]


def _sweep(folder: Path) -> Path | None:
    """Remove what a killed run left half-written; the newest whole checkpoint."""
    for half in folder.glob(f"step-*{_HALF}"):
        shutil.rmtree(half, ignore_errors=True)
    return max(_whole(folder), default=None)


def _hush() -> None:
    # DCP says that one process is one process, from whatever thread it works in.
    warnings.filterwarnings("ignore", message=".*assuming the intent is to (save|load).*")
