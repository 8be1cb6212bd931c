"""A stage under every way to spread it, in one process: shards of a group of one, recomputed blocks, half precision."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from avlink.core.errors import InputError, PeerFailed
from avlink.core.recipe.stages import ParallelTable
from avlink.engine.system import System
from avlink.engine.train.loop import LoopConfig, train_stage
from avlink.engine.train.optim import OptimConfig, Optimiser
from avlink.engine.train.ranks import Ranks
from avlink.training.data.clips import ClipLabels, ClipStore
from avlink.training.ranks import open_ranks, report_once
from avlink.training.stages.fusion import FusionStage

sys.path.insert(0, str(Path(__file__).parent))
from tiny import TINY


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    root, random = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    frames = random.integers(0, 255, (4, 124, 36, 64, 3), dtype=np.uint8)
    notes = [ClipLabels(caption=f"clip {k}", events=((0.5 + k, "wood", 1.0),)) for k in range(4)]
    ClipStore.write_shard(root, 0, frames, random.normal(size=(4, 82560)).astype(np.float32) * 0.1, notes)
    return ClipStore(root)


@pytest.fixture(scope="module")
def alone() -> Iterator[Ranks]:
    """A group of one, which shards need."""
    with open_ranks("fsdp", {}) as ranks:
        yield ranks


def _system() -> System:
    torch.manual_seed(0)
    system = System(TINY).requires_grad_(False)
    # A fresh fusion changes nothing, and nothing flows back through a fresh backbone.
    with torch.no_grad():
        for parameter in system.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05)
    return system


def _trained(
    clips: ClipStore, folder: Path, table: ParallelTable, ranks: Ranks, *, bf16: bool = False
) -> tuple[list[float], dict[str, Tensor], System]:
    system = _system()
    latents = torch.randn(4, 516, 4, generator=torch.Generator().manual_seed(3))
    stage = FusionStage(system, clips, latents, name="fusion_v2a", tasks=("v2a",))
    told: list[float] = []
    config = LoopConfig(
        steps=2, batch=4, micro_batch=2, optim=OptimConfig(lr=1e-3, warmup_steps=1), parallel=table, bf16=bf16
    )
    around = [part for part in (system.audio, system.video, system.audio_text, system.video_text) if part is not None]
    learner = train_stage(
        stage, config, folder, lambda *step: told.append(step[3]["total"]), frozen_modules=around, ranks=ranks
    )
    return told, learner.full_state()["fusion_v2a"], system


def test_shards_and_recomputed_blocks_change_nothing(clips: ClipStore, alone: Ranks, tmp_path: Path) -> None:
    plain, weights, _ = _trained(clips, tmp_path / "plain", ParallelTable(), Ranks())
    table = ParallelTable(mode="fsdp", activation_checkpointing=True)
    sharded, same, system = _trained(clips, tmp_path / "fsdp", table, alone)
    assert sharded == pytest.approx(plain, rel=1e-5)
    assert any(isinstance(p, DTensor) for p in system.fusion_v2a.parameters())
    assert same.keys() == weights.keys() == System(TINY).fusion_v2a.state_dict().keys()
    for key, value in weights.items():
        torch.testing.assert_close(same[key], value, rtol=1e-4, atol=1e-5)


def test_half_precision_keeps_whole_masters_and_halves_what_is_frozen(
    clips: ClipStore, alone: Ranks, tmp_path: Path
) -> None:
    plain, _, _ = _trained(clips, tmp_path / "plain", ParallelTable(), Ranks())
    for mode, ranks in (("none", Ranks()), ("fsdp", alone)):
        table = ParallelTable.model_validate({"mode": mode})
        told, weights, system = _trained(clips, tmp_path / mode, table, ranks, bf16=True)
        assert told == pytest.approx(plain, rel=0.03) and told != plain
        assert {value.dtype for value in weights.values()} == {torch.float32}
        assert {p.dtype for p in system.video.parameters()} == {torch.bfloat16}
        assert system.video.final_table.grad is None
        assert system.vae.latent_mean.dtype == torch.float32


def test_muon_wants_whole_matrices(alone: Ranks) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    shard = distribute_tensor(torch.randn(64, 64), init_device_mesh("cpu", (1,)), [Shard(0)])
    with pytest.raises(ValueError, match="whole matrices"):
        Optimiser({"w": torch.nn.Parameter(shard)}, OptimConfig(muon_lr=1e-3), 10)


def test_what_is_wrong_on_all_ranks_is_told_by_one() -> None:
    for rank in ("0", "1"):
        environ = {"WORLD_SIZE": "2", "RANK": rank, "LOCAL_RANK": rank}
        wanted = InputError if rank == "0" else PeerFailed
        with pytest.raises(wanted) as told, open_ranks("none", environ):
            pass
        assert told.value.exit_code == 2
    with pytest.raises(PeerFailed), report_once({"LOCAL_RANK": "3"}):
        raise InputError("once")
