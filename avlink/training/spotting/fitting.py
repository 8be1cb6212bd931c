"""Fits of heads: each by the training loop, kept under a name of all it depends on, and resumed after a kill."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from avlink.core.hashing import JsonValue, bytes_digest, derive_seed, digest
from avlink.core.motion_config import SpotterConfig
from avlink.core.paths import atomic_write
from avlink.engine.learned_spotter import RATE, new_head
from avlink.engine.nn.hit_head import HitHead
from avlink.engine.train.loop import LoopConfig, train_stage
from avlink.engine.train.optim import OptimConfig
from avlink.training.spotting.crossing import StudyClip
from avlink.training.spotting.stage import HitLesson, HitStage
from avlink.training.spotting.ways import HEADS

FOLDER = ".learning"
"""The folder within that of the new spotter that holds fits until all are done."""

_VERSION = 1
_BATCH = 8
_CHECKPOINT_EVERY = 50
_MOST_STEPS, _LEAST_STEPS = 200, 10
_STEPS_A_MINUTE = 2400
"""Steps of heads in a minute of two usual CPU cores. A constant: equal settings give equal weights on any machine."""

OnStep = Callable[[int], None]


def steps_of(minutes: float, fits: int) -> int:
    """Return the number of steps of each of some fits that take about so many minutes; more than 200 gain nothing."""
    return int(min(_MOST_STEPS, max(_LEAST_STEPS, minutes * _STEPS_A_MINUTE / fits)))


class Fitter:
    """Fits heads in a folder. `on_step` gets the number of steps that were done since it was called last.

    Clips are those of one run: `weights` is the digest of the bundle whose stem has read them.
    """

    def __init__(
        self, folder: Path, stem: SpotterConfig, *, weights: str, seed: int, steps: int, on_step: OnStep
    ) -> None:
        self.folder, self.stem, self.steps = folder, stem, steps
        self._weights, self._seed, self._on_step = weights, seed, on_step

    def __call__(self, name: str, clips: Sequence[StudyClip], late_s: float) -> HitHead:
        """Return heads of the configuration `name`, fitted to clips whose hits are heard `late_s` after they are seen.

        A fit that is done is read, and one that was killed goes on from its last checkpoint.
        """
        config, lessons = HEADS[name], [_lesson(clip, late_s) for clip in clips]
        marks: list[JsonValue] = [
            self._weights,
            config.model_dump(),
            self._seed,
            self.steps,
            [_identity(one) for one in lessons],
        ]
        key = digest(["fit", _VERSION, *marks])[:20]
        head = new_head(config, self.stem, derive_seed(self._seed, name))
        done = self.folder / f"{key}.safetensors"
        if _load(head, done):
            self._on_step(self.steps)
            return head
        stage = HitStage(f"heads-{key}", head, lessons)
        loop = LoopConfig(
            steps=self.steps,
            batch=_BATCH,
            optim=OptimConfig(lr=3e-3, weight_decay=0.02, warmup_steps=20),
            ema=0.99,
            checkpoint_every=_CHECKPOINT_EVERY,
            seed=self._seed,
        )
        before = 0

        def on_train(_: str, step: int, total: int, figures: dict[str, float]) -> None:
            nonlocal before
            self._on_step(step - before)
            before = step

        with _one_thread():
            train_stage(stage, loop, self.folder, on_train)
        with atomic_write(done) as path:
            save_file({name: value.clone() for name, value in head.state_dict().items()}, path)
        shutil.rmtree(self.folder / "checkpoints" / stage.name, ignore_errors=True)
        return head


def _lesson(clip: StudyClip, late_s: float) -> HitLesson:
    bins = clip.reading.inputs.curves.shape[1]
    return HitLesson(
        inputs=clip.reading.inputs,
        true_s=np.asarray(clip.true_s, np.float64) + clip.before_s - late_s,
        first=min(bins, round(clip.before_s * RATE)),
        last=min(bins, round((clip.before_s + clip.seen_s) * RATE)),
    )


def _identity(lesson: HitLesson) -> str:
    """Return a digest of all that is learned from a clip."""
    arrays = (lesson.inputs.curves, lesson.inputs.tokens, lesson.true_s)
    return bytes_digest(b"".join(part.tobytes() for part in arrays) + f"{lesson.first} {lesson.last}".encode())


def _load(head: HitHead, path: Path) -> bool:
    """Load a fit that is done; return False where there is none, or it is damaged."""
    try:
        head.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError):
        return False
    head.requires_grad_(False).eval()
    return True


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread: sums are then the same on any number of cores, and two gain nothing at this size."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
