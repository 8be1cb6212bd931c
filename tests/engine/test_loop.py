"""The training loop on a stage that is small enough to know everything about it."""

from __future__ import annotations

import json
import struct
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from avlink.core.errors import AvlinkError, InputError
from avlink.core.recipe.stages import ParallelTable
from avlink.engine.train import loop
from avlink.engine.train.loop import LoopConfig, OpenJournal, step_generator, train_stage
from avlink.engine.train.optim import OptimConfig
from avlink.training.journal import Journal
from avlink.training.stages.inputs import random_count


class Line:
    """Fits a line to points; may find no number at some steps."""

    name = "line"
    frozen: tuple[nn.Module, ...] = ()
    num_clips = 12

    def __init__(self, bad: tuple[int, ...] = (), noise: float = 0.0) -> None:
        torch.manual_seed(1)
        self.line = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        self.trained: dict[str, nn.Module] = {"line": self.line}
        self.points = torch.randn(12, 3)
        self.bad, self.noise, self.calls = bad, noise, 0
        self.seen: list[list[int]] = []

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        self.seen.append(indices)
        x = self.points[indices]
        y = x.sum(1, keepdim=True) + self.noise * torch.randn(len(indices), 1, generator=generator)
        error = (self.line(x) - y).square().mean()
        step, self.calls = self.calls, self.calls + 1
        extra = error.sqrt() * (float("inf") if step in self.bad else 1.0)
        return {"total": error + (float("nan") * error if step in self.bad else 0.0), "root": extra}

    def validate(self) -> dict[str, float]:
        return {"weight": float(self.line[0].weight.detach().sum())}


def config(steps: int, **more: Any) -> LoopConfig:
    return LoopConfig(steps=steps, batch=4, optim=OptimConfig(lr=0.05, warmup_steps=1), checkpoint_every=2, **more)


def journal(folder: Path, *, tensorboard: bool = False) -> OpenJournal:
    return partial(Journal, folder, "line", tensorboard=tensorboard)


def quiet(stage: str, done: int, total: int, figures: dict[str, float]) -> None:
    pass


def rows(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "line.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in lines]


def test_micro_batches_add_up_to_the_batch(tmp_path: Path) -> None:
    whole, parts = Line(), Line()
    train_stage(whole, config(6), tmp_path / "whole", quiet)
    train_stage(parts, config(6, micro_batch=1), tmp_path / "parts", quiet)
    assert [clip for turn in parts.seen for clip in turn] == [clip for batch in whole.seen for clip in batch]
    for one, other in zip(whole.line.parameters(), parts.line.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_batch_that_ranks_cannot_share_is_refused_in_words() -> None:
    assert config(1, micro_batch=2).micro_batch_size(2) == 2
    assert config(1, micro_batch=64).micro_batch_size(2) == 2
    assert config(1).micro_batch_size(4) == 1
    with pytest.raises(InputError, match=r"batch = 4 cannot be shared out among 3 ranks: make it a multiple of 3"):
        config(1).micro_batch_size(3)
    with pytest.raises(InputError, match="1 rank with micro_batch = 3: make it a multiple of 3"):
        config(1, micro_batch=3).micro_batch_size(1)


def test_every_micro_batch_draws_its_own_noise_and_all_share_what_decides_the_layers() -> None:
    def drawn(step: int, micro: int) -> tuple[float, float]:
        generator = step_generator("video", 7, step, micro)
        common = torch.rand((), generator=generator.common)
        return float(torch.rand((), generator=generator)), float(common)

    assert drawn(3, 1) == drawn(3, 1)
    assert len({drawn(step, micro)[0] for step in range(5) for micro in range(5)}) == 25
    assert len({drawn(step, micro)[1] for step in range(5) for micro in range(5)}) == 5
    shares = [random_count(4, 0.3, step_generator("fusion_v2a", 0, step, step % 3)) for step in range(300)]
    assert set(shares) == {1, 2} and abs(sum(shares) / 1200 - 0.3) < 0.02


@pytest.mark.parametrize("aside", [False, True])
def test_a_run_goes_on_as_if_nothing_had_been(tmp_path: Path, aside: bool) -> None:
    parallel = ParallelTable(async_save=aside)
    undisturbed = config(9, ema=0.9, validate_every=3, parallel=parallel)
    train_stage(Line(noise=0.1), undisturbed, tmp_path / "whole", quiet, journal=journal(tmp_path / "whole"))

    def cut(stage: str, done: int, total: int, figures: dict[str, float]) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_stage(Line(noise=0.1), undisturbed, tmp_path / "cut", cut, journal=journal(tmp_path / "cut"))
    (tmp_path / "cut" / "checkpoints" / "line" / "step-000000008.part").mkdir()
    resumed = Line(noise=0.1)
    train_stage(resumed, undisturbed, tmp_path / "cut", quiet, journal=journal(tmp_path / "cut"))
    assert len(resumed.seen) == (3 if not aside else len(resumed.seen)) < 9
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")
    kept = sorted((tmp_path / "cut" / "checkpoints" / "line").iterdir())
    assert [path.name for path in kept] == ["step-000000008", "step-000000009"]
    # Nothing in there can hold code.
    assert {path.suffix for folder in kept for path in folder.iterdir()} == {".json", ".safetensors"}


def test_a_broken_checkpoint_is_told_in_words(tmp_path: Path) -> None:
    train_stage(Line(), config(2), tmp_path, quiet)
    shard = next((tmp_path / "checkpoints" / "line" / "step-000000002").glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(InputError, match=r"step-000000002 cannot be read .*; remove that folder to go on from the one"):
        train_stage(Line(), config(4), tmp_path, quiet)


def test_a_step_without_a_number_is_told_and_skipped(tmp_path: Path) -> None:
    said: list[str] = []
    stage = Line(bad=(3,))
    before: list[Tensor] = []

    def watch(name: str, done: int, total: int, figures: dict[str, float]) -> None:
        before.append(stage.line[0].weight.detach().clone())

    train_stage(stage, config(6), tmp_path, watch, journal=journal(tmp_path), on_warning=said.append)
    assert said == ["stage 'line', step 4: no finite number in total, root, the gradient; this step changes nothing"]
    assert torch.equal(before[3], before[2]) and not torch.equal(before[4], before[3])
    assert torch.isfinite(stage.line[0].weight).all()
    noted = rows(tmp_path)
    assert noted[3] == {"step": 4, "lr": noted[3]["lr"], "skipped": 1.0}
    assert all(row["total"] > 0 for row in noted if row["step"] != 4)


def test_a_stage_that_finds_no_numbers_stops_in_words_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    stage, said = Line(bad=tuple(range(3, 99))), list[str]()
    with pytest.raises(
        AvlinkError, match=r"'line' stops at step 8: no finite .* 5 steps in a row; the last good"
    ) as told:
        train_stage(stage, config(20), tmp_path, quiet, journal=journal(tmp_path), on_warning=said.append)
    assert len(said) == loop.BAD_STEPS - 1
    assert "step-000000002." in str(told.value)
    resumed = Line()
    train_stage(resumed, config(20), tmp_path, quiet, journal=journal(tmp_path))
    assert [row["step"] for row in rows(tmp_path)] == list(range(1, 21))


def _events(folder: Path) -> list[Any]:
    """Records of event files: length, checksum, content, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.iterdir()):
        content, at = path.read_bytes(), 0
        while at < len(content):
            (length,) = struct.unpack_from("<Q", content, at)
            event = Event()
            event.ParseFromString(content[at + 12 : at + 12 + length])
            found.append(event)
            at += length + 16
    return found


def test_event_files_hold_what_the_lines_hold(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    import numpy as np
    import soundfile
    from PIL import Image

    class Heard(Line):
        def validate(self) -> dict[str, float]:
            (tmp_path / "samples").mkdir(exist_ok=True)
            soundfile.write(tmp_path / "samples" / "a.wav", np.full(160, 0.5, np.float32), 16000)
            Image.new("RGB", (8, 4), "red").save(tmp_path / "samples" / "b.png")
            return super().validate()

    notes = journal(tmp_path, tensorboard=True)
    train_stage(Heard(), config(4, validate_every=4), tmp_path, quiet, journal=notes)
    values: dict[tuple[str, int], Any] = {}
    for event in _events(tmp_path / "tensorboard" / "line"):
        for value in event.summary.value:
            values[value.tag, event.step] = value
    for row in rows(tmp_path):
        for name, number in row.items():
            if name != "step":
                assert values[f"line/{name}", row["step"]].simple_value == pytest.approx(number, rel=1e-4, abs=1e-5)
    assert values["line/samples_per_second", 4].simple_value > 0
    assert values["line/b", 4].image.width == 8
    assert values["line/a", 4].audio.sample_rate == 16000
