"""Training on several ranks as its users start it: torchrun, gloo on the CPU, real kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from avlink.testing.footage import make_movie

sys.path.insert(0, str(Path(__file__).parent))
from tiny_recipe import FOUNDRY, MODEL, MOTION

TABLE = """
[stages.{name}]
steps = {steps}
batch = 4
micro_batch = 2
lr = 1e-3
warmup_steps = 1
checkpoint_every = 2
validate_every = {steps}
"""
CLIPS = FOUNDRY.replace("clips = 4", "clips = 6").replace("stills = 40", "stills = 0")

SHARE = """
import json, os
import torch.distributed as dist
from avlink.core.errors import PeerFailed
from avlink.engine.train.ranks import Ranks, share_out, sharing

dist.init_process_group("gloo")
rank, calls = int(os.environ["RANK"]), []


def work(number):
    calls.append(number)
    return number * number


def broken(number):
    if rank == 1:
        raise ValueError("it is broken")
    return number


with sharing(Ranks(index=rank, count=3, wait_group=dist.group.WORLD)):
    results, error = share_out(7, work), ""
    try:
        share_out(3, broken)
    except (ValueError, PeerFailed) as caught:
        error = type(caught).__name__
assert share_out(2, lambda number: number) == [0, 1]
# One write: three processes share the pipe, and `print` writes the end of the line apart.
os.write(1, (json.dumps([rank, calls, results, error]) + os.linesep).encode())
dist.barrier()
# Threads of gloo may outlive the interpreter, which aborts then.
os._exit(0)
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc for the ranks")


def _write(folder: Path, names: str, steps: int) -> Path:
    recipe = folder / "tiny.toml"
    recipe.write_text(CLIPS + MODEL + MOTION + "".join(TABLE.format(name=n, steps=steps) for n in names.split()))
    return recipe


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one rank, its recipe beside it: eight steps of the video backbone."""
    from avlink.core.recipe import load_recipe
    from avlink.training.train import train

    folder = tmp_path_factory.mktemp("whole")
    train(load_recipe(_write(folder, "video", 8), "train"), folder / "out")
    return folder / "out"


def _command(recipe: Path, out: Path, ranks: int, *settings: str) -> list[str]:
    torchrun = ["torch.distributed.run", "--standalone", f"--nproc_per_node={ranks}", "-m"] if ranks > 1 else []
    words = [word for setting in settings for word in ("-s", setting)]
    return [sys.executable, "-m", *torchrun, "avlink", "train", str(recipe), "-o", str(out), *words]


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def _run(command: list[str], more: Mapping[str, str] = MappingProxyType({})) -> subprocess.CompletedProcess[str]:
    environment = _environment() | more
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=600)


def _beside(whole: Path, out: Path) -> Path:
    """A folder for a run on the clips that are there."""
    out.mkdir()
    (out / "clips").symlink_to(whole / "clips")
    return out


def _rows(out: Path, stage: str = "video") -> list[dict[str, float]]:
    lines = (out / f"{stage}.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines if line.endswith("}")]


def _same(one: Path, other: Path, stage: str = "video") -> None:
    """Losses, gradient norms, and the averaged weights that both runs export, but for the order of sums."""
    first, second = _rows(one, stage), _rows(other, stage)
    assert [row["step"] for row in first] == [row["step"] for row in second]
    for a, b in zip(first, second, strict=True):
        assert b == pytest.approx(a, rel=2e-4, abs=1e-5)
    files = sorted((one / "weights").glob(f"{stage}.*"))
    assert [f.name for f in files] == [f.name for f in sorted((other / "weights").glob(f"{stage}.*"))]
    for file in files:
        mine, theirs = load_file(file), load_file(other / "weights" / file.name)
        assert mine.keys() == theirs.keys()
        for key, value in mine.items():
            torch.testing.assert_close(theirs[key], value, rtol=1e-3, atol=1e-4, msg=f"{file.name} {key}")


def _said(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("avlink:")]


def test_two_ranks_with_shards_learn_what_one_rank_learns(whole: Path, tmp_path: Path) -> None:
    out = _beside(whole, tmp_path / "out")
    settings = ("parallel.mode=fsdp", "parallel.activation_checkpointing=true", "parallel.async_save=true")
    done = _run(_command(whole.parent / "tiny.toml", out, 2, *settings))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("video: done") == 1 and done.stdout.count("wrote ") == 1
    _same(whole, out)
    kept = out / "checkpoints" / "video" / "step-000000008"
    assert len(list(kept.glob("*.safetensors"))) == 2
    environment: list[dict[str, Any]] = json.loads((out / "environment.json").read_text())
    assert environment[0]["ranks"] == 2 and environment[0]["torch"] == torch.__version__


def test_the_work_of_a_validation_is_divided_and_every_rank_gets_all_of_it(tmp_path: Path) -> None:
    script = tmp_path / "share.py"
    script.write_text(SHARE)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=3", str(script)]
    done = _run(command)
    assert done.returncode == 0, done.stderr
    told = sorted(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
    # Seven calls for three ranks: three each, the last one of those that have none twice.
    assert [calls for _, calls, _, _ in told] == [[0, 3, 6], [1, 4, 6], [2, 5, 6]]
    assert all(results == [n * n for n in range(7)] for _, _, results, _ in told)
    # An error of one rank ends the work of all.
    assert [error for _, _, _, error in told] == ["PeerFailed", "ValueError", "PeerFailed"]


def test_a_mistake_is_told_by_one_rank(whole: Path, tmp_path: Path) -> None:
    recipe = whole.parent / "tiny.toml"
    settings = ("parallel.mode=ddp", "data={source='folder',folder='nowhere'}")
    done = _run(_command(recipe, _beside(whole, tmp_path / "out"), 2, *settings))
    assert done.returncode != 0
    assert _said(done) == ["avlink: the manifest nowhere/manifest.csv cannot be read: No such file or directory"]


def _ranks_of(launcher: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(launcher)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="blocks are compiled by a C++ compiler")
def test_compiled_blocks_learn_what_others_learn(whole: Path, tmp_path: Path) -> None:
    # In a process of its own: types that are checked at run time cannot be compiled. Nothing compiled before is taken.
    recipe, environment = _write(tmp_path, "video", 2), {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    plain, compiled = (_beside(whole, tmp_path / name) for name in ("plain", "compiled"))
    for out, settings in ((plain, ()), (compiled, ("parallel.compile=true",))):
        assert not any((tmp_path / "cache").rglob("*.so"))
        done = _run(_command(recipe, out, 1, *settings), environment)
        assert done.returncode == 0, done.stderr
    assert any((tmp_path / "cache").rglob("*.so"))
    for one, other in zip(_rows(plain), _rows(compiled), strict=True):
        assert other == pytest.approx(one, abs=1e-4)
    assert _rows(compiled)[-1]["val_total"] > 0


@pytest.mark.slow
def test_two_ranks_train_a_whole_recipe_and_its_bundle_makes_sound(tmp_path: Path) -> None:
    recipe, out = tmp_path / "tiny.toml", tmp_path / "out"
    names = "vae vocoder appearance motion audio video fusion_v2a fusion_a2v"
    tables = "".join(TABLE.format(name=name, steps=2) for name in names.split())
    recipe.write_text(FOUNDRY.replace("held_out = 1", "held_out = 2") + MODEL + MOTION + tables)
    done = _run(_command(recipe, out, 2, "parallel.mode=ddp"))
    assert done.returncode == 0, done.stderr
    for name in names.split():
        assert done.stderr.count(f"{name}: done") == 1
        rows = _rows(out, name)
        assert [row["step"] for row in rows] == [1, 2] and all(np.isfinite(row["total"]) for row in rows)
    assert _rows(out, "fusion_a2v")[-1]["val_frechet_rgb-cells"] > 0
    film = make_movie(tmp_path / "film.mp4", seconds=2, flashes=(24,))
    command = [sys.executable, "-m", "avlink", "sonify", str(film), "-o", str(tmp_path / "film.wav")]
    done = _run([*command, "-s", f"backend.options.model={out / 'bundle'}"])
    assert done.returncode == 0, done.stderr
    samples, rate = soundfile.read(tmp_path / "film.wav")
    assert len(samples) == 2 * rate and np.isfinite(samples).all() and np.ptp(samples) > 0


@pytest.mark.slow
def test_a_killed_rank_ends_the_run_which_goes_on_on_any_number_of_ranks(whole: Path, tmp_path: Path) -> None:
    recipe, killed = whole.parent / "tiny.toml", _beside(whole, tmp_path / "killed")
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            _command(recipe, killed, 2, "parallel.mode=ddp"), stdout=said, stderr=said, env=_environment()
        )
    log, patience = killed / "video.jsonl", time.monotonic() + 240
    while time.monotonic() < patience and (not log.is_file() or len(log.read_text().splitlines()) < 5):
        time.sleep(0.002)
    os.kill(_ranks_of(process.pid)[1], signal.SIGKILL)
    assert process.wait(timeout=120) != 0
    lines = [line for line in (tmp_path / "said").read_text().splitlines() if line.startswith("avlink:")]
    assert len(lines) <= 1 and all("lost another process of this training" in line for line in lines)
    assert 5 <= len(_rows(killed)) < 8
    sharded = Path(shutil.copytree(killed, tmp_path / "sharded", symlinks=True))
    done = _run(_command(recipe, killed, 1))
    assert done.returncode == 0, done.stderr
    _same(whole, killed)
    done = _run(_command(recipe, sharded, 2, "parallel.mode=fsdp"))
    assert done.returncode == 0, done.stderr
    _same(whole, sharded)


@pytest.mark.slow
def test_a_kill_in_the_middle_of_a_save_leaves_the_checkpoint_before(whole: Path, tmp_path: Path) -> None:
    out = _beside(whole, tmp_path / "out")
    recipe = _write(tmp_path, "video", 40)
    command = _command(recipe, out, 1, "stages.video.checkpoint_every=1", "parallel.async_save=true")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment())
    place, patience = out / "checkpoints" / "video", time.monotonic() + 240
    while time.monotonic() < patience:
        names = [path.name for path in place.glob("*")]
        if len([name for name in names if not name.endswith(".part")]) == 2 and any(n.endswith(".part") for n in names):
            break
    process.kill()
    process.wait()
    newest = max(path.name for path in place.glob("step-*") if path.suffix != ".part")
    recipe = _write(tmp_path, "video", int(newest.removeprefix("step-")) + 2)
    done = _run(_command(recipe, out, 1))
    assert done.returncode == 0, done.stderr
    assert not list(place.glob("*.part")) and len(list(place.iterdir())) == 2
    assert [row["step"] for row in _rows(out)] == list(range(1, int(newest.removeprefix("step-")) + 3))
