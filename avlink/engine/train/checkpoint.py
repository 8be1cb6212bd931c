"""Checkpoints of a stage: folders of safetensors, written by torch.distributed.checkpoint (DCP).

Each rank writes its shards, and any number of ranks, sharded or not, can resume from them. DCP's own format has a
pickled index. Its safetensors format (HuggingFaceStorageWriter) has none, so nothing is ever unpickled.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from avlink.core.disk import report_full_disk
from avlink.core.errors import InputError
from avlink.core.paths import make_folder
from avlink.engine.train.optim import EMA, Optimiser
from avlink.engine.train.parallel import Learner
from avlink.engine.train.ranks import Ranks

_FORMAT = 1
_KEPT = 2
"""The newest, and the one before it in case the newest is damaged."""
_PARTIAL = ".part"


class Checkpointer:
    """Writes and reads the checkpoints in one folder: complete or not at all, the newest two are kept."""

    def __init__(
        self,
        folder: Path,
        learner: Learner,
        optimiser: Optimiser,
        ema: EMA,
        ranks: Ranks,
        *,
        in_background: bool = False,
    ) -> None:
        """With `in_background` a thread writes while training continues; the next checkpoint waits for it."""
        self.folder, self.learner, self.optimiser, self.ema = folder, learner, optimiser, ema
        self.ranks, self.in_background = ranks, in_background
        self._writing: tuple[Future[Any], Path] | None = None

    def newest(self) -> Path | None:
        """Return the newest complete checkpoint, or None."""
        return max(_complete(self.folder), default=None)

    def save(self, step: int, order: dict[str, int]) -> None:
        """Write everything that the step after `step` depends on; `order` is the state of the clip order.

        Raises DiskFull, also for the checkpoint before if that was written in the background.
        """
        from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
        from torch.distributed.checkpoint.state_dict_saver import async_save, save

        self.finish()
        # Written under a temporary name and renamed: a run that is killed leaves no checkpoint that looks complete.
        partial = self.folder / f"step-{step:09d}{_PARTIAL}"
        self.ranks.on_first(lambda: _begin(partial, {"format": _FORMAT, "step": step, "order": order}))
        state: dict[str, Any] = {f"model.{name}": value for name, value in self.learner.state().items()}
        state |= {f"ema.{name}": value for name, value in self.ema.named.items()}
        state |= {f"optimiser.{name}": value for name, value in self.optimiser.state().items()}
        writer = HuggingFaceStorageWriter(str(partial), save_distributed=True)
        group = self.ranks.save_group
        _silence_dcp()
        if self.in_background:
            future: Any = async_save(state, storage_writer=writer, process_group=group, no_dist=group is None)
            self._writing = (future, partial)
        else:
            with _whole_or_gone(partial):
                save(state, storage_writer=writer, process_group=group, no_dist=group is None)
                self._put(partial)

    def finish(self) -> None:
        """Wait for the checkpoint that is being written, and move it into place."""
        if self._writing is not None:
            future, partial = self._writing
            self._writing = None
            with _whole_or_gone(partial):
                future.result()
                self._put(partial)

    def abandon(self) -> None:
        """End the writing of a checkpoint after an error elsewhere: it is moved into place, or removed."""
        if self._writing is not None and not self.ranks.grouped:
            # Of several ranks the others may be gone, and waiting for them would take days.
            with suppress(Exception):
                self.finish()

    def _put(self, partial: Path) -> None:
        """Rename on the first rank: DCP returns there only after all ranks have written."""

        def put() -> None:
            complete = partial.with_suffix("")
            shutil.rmtree(complete, ignore_errors=True)
            os.replace(partial, complete)
            for old in sorted(_complete(self.folder))[:-_KEPT]:
                shutil.rmtree(old, ignore_errors=True)

        self.ranks.on_first(put)

    def load(self) -> tuple[int, dict[str, int] | None]:
        """Load the newest checkpoint; returns the number of steps done and the state of the clip order, or (0, None).

        Raises InputError if the newest checkpoint cannot be read.
        """
        from safetensors import SafetensorError
        from torch.distributed.checkpoint.api import CheckpointException
        from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
        from torch.distributed.checkpoint.state_dict_loader import load

        newest = self.ranks.on_first(lambda: _remove_partial(self.folder))
        if newest is None:
            return 0, None
        try:
            note = json.loads((newest / "checkpoint.json").read_text("utf-8"))
            reader = HuggingFaceStorageReader(str(newest))
            names = list(reader.read_metadata().state_dict_metadata)
            state: dict[str, Any] = {f"model.{name}": value for name, value in self.learner.state().items()}
            state |= {f"ema.{name}": value for name, value in self.ema.named.items()}
            kept = [name.removeprefix("optimiser.") for name in names if name.startswith("optimiser.")]
            # DCP loads in place, and a fresh optimiser has no state: tensors of the right shapes are made first.
            room = self.optimiser.empty_state(kept)
            state |= {f"optimiser.{name}": value for name, value in room.items()}
            _silence_dcp()
            group = self.ranks.wait_group
            load(state, storage_reader=reader, process_group=group, no_dist=group is None)
            step, order = int(note["step"]), {key: int(value) for key, value in note["order"].items()}
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, CheckpointException) as error:
            raise InputError(
                f"the checkpoint {newest} cannot be read ({str(error).splitlines()[0]}); "
                "remove that folder to go on from the one before it"
            ) from error
        self.learner.load_state({name: state[f"model.{name}"] for name in self.learner.state()})
        self.optimiser.load_state(room)
        return step, order


def _begin(partial: Path, note: dict[str, Any]) -> None:
    shutil.rmtree(partial, ignore_errors=True)
    make_folder(partial)
    with _whole_or_gone(partial):
        (partial / "checkpoint.json").write_text(json.dumps(note), "utf-8")


@contextmanager
def _whole_or_gone(partial: Path) -> Iterator[None]:
    """Remove the folder of a checkpoint if the block fails. Raises DiskFull where that is the reason."""
    try:
        with report_full_disk(partial.parent):
            yield
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _complete(folder: Path) -> list[Path]:
    return [path for path in folder.glob("step-*") if path.suffix != _PARTIAL]


def _remove_partial(folder: Path) -> Path | None:
    """Remove incomplete checkpoints of a killed run; return the newest complete one, or None."""
    for partial in folder.glob(f"step-*{_PARTIAL}"):
        shutil.rmtree(partial, ignore_errors=True)
    return max(_complete(folder), default=None)


def _silence_dcp() -> None:
    # DCP warns of every single process, also from its own thread, where a context manager would not reach.
    warnings.filterwarnings("ignore", message=".*assuming the intent is to (save|load).*")
