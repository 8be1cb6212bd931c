"""Training on a disk that fills up at any point: one sentence, and only whole files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from avlink.core.architecture import AVLinkConfig
from avlink.core.errors import DiskFull
from avlink.core.recipe.stages import ParallelTable
from avlink.engine.bundle import write_bundle
from avlink.engine.train.loop import LoopConfig, train_stage
from avlink.engine.train.optim import OptimConfig
from avlink.training.data.shards import put_shard
from avlink.training.journal import Journal


def test_a_journal_has_whole_lines_only(full_disk: Path) -> None:
    with Journal(full_disk, "audio", 0) as journal, pytest.raises(DiskFull, match="is full"):
        for step in range(10_000):
            journal.write(step, {"total": 0.5, "x" * 200: 1.0}, 1.0)
    text = (full_disk / "audio.jsonl").read_text()
    assert text.endswith("}\n") and len([json.loads(line) for line in text.splitlines()]) > 100


def test_event_files_on_a_full_disk_end_the_training_and_do_not_hang_it(
    full_disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboardX")
    ballast = full_disk / "ballast"
    ballast.write_bytes(bytes(100_000))
    with Journal(full_disk, "audio", 0, tensorboard=True) as journal:
        for step in range(20_000):
            journal.events.add_scalar("loss", 0.5, step)
            journal.events.flush()
            if journal._event_errors:
                break
        # The journal itself has room again, and still tells of the events that were lost.
        ballast.unlink()
        with pytest.raises(DiskFull, match="events for TensorBoard cannot be written"):
            journal.write(1, {"total": 0.5}, 1.0)
    assert "Traceback" not in capfd.readouterr().err


def test_a_shard_is_whole_or_gone(full_disk: Path) -> None:
    with pytest.raises(DiskFull, match=f"'{full_disk}/clips' is full"):
        put_shard(full_disk / "clips", 0, lambda hidden: np.save(hidden / "frames.npy", np.zeros(100_000)))
    assert list((full_disk / "clips").iterdir()) == []


def test_a_bundle_is_whole_or_gone(full_disk: Path) -> None:
    parts: dict[str, nn.Module] = {"vae": nn.Linear(300, 300)}
    words: dict[str, Any] = {"name": "x", "licence": "x", "description": "x", "training": {}}
    with pytest.raises(DiskFull, match=r"weights-01\.safetensors cannot be written"):
        write_bundle(full_disk / "bundle", AVLinkConfig(), parts, dtype=torch.float32, **words)
    assert list(full_disk.iterdir()) == []
    write_bundle(full_disk / "bundle", AVLinkConfig(), {"vae": nn.Linear(9, 9)}, **words)
    assert (full_disk / "bundle" / "bundle.toml").is_file()


class Wide:
    """A stage whose checkpoint takes some 70 kB; `on_step` is called in each step."""

    name = "wide"
    frozen: tuple[nn.Module, ...] = ()
    num_clips = 4

    def __init__(self, on_step: Callable[[], None] = lambda: None) -> None:
        self.part = nn.Linear(64, 64)
        self.trained: dict[str, nn.Module] = {"part": self.part}
        self.on_step = on_step

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        self.on_step()
        return {"total": self.part(torch.ones(len(indices), 64)).square().mean()}

    def validate(self) -> dict[str, float]:
        return {}


@pytest.mark.parametrize("in_background", [False, True])
def test_a_checkpoint_is_whole_or_gone(full_disk: Path, in_background: bool) -> None:
    config = LoopConfig(
        steps=20,
        batch=2,
        optim=OptimConfig(lr=0.01, warmup_steps=1),
        checkpoint_every=2,
        parallel=ParallelTable(async_save=in_background),
    )

    def train(stage: Wide) -> None:
        train_stage(stage, config, full_disk, lambda *_: None, journal=partial(Journal, full_disk, "wide"))

    # The first fits, the second does not: it would lie beside the first.
    with pytest.raises(DiskFull, match=f"'{full_disk}/checkpoints/wide' is full"):
        train(Wide())
    assert [path.name for path in (full_disk / "checkpoints" / "wide").iterdir()] == ["step-000000002"]

    # An error elsewhere, while one is being written: that is then whole, or gone.
    calls: list[None] = []

    def fail() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise ZeroDivisionError

    shutil.rmtree(full_disk / "checkpoints")
    with pytest.raises(ZeroDivisionError):
        train(Wide(fail))
    assert [path.name for path in (full_disk / "checkpoints" / "wide").iterdir()] == ["step-000000002"]
