"""What a stage notes while it trains: a line of JSON for every step, and event files for TensorBoard where wanted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from avlink.core.errors import InputError

_HEARD = 4
"""Pictures and sounds of each judgement that go to TensorBoard."""


def import_tensorboard() -> Any:
    """tensorboardX, which writes event files without TensorBoard; raises InputError where it is not installed."""
    try:
        import tensorboardX
    except ImportError:
        raise InputError(
            "log.tensorboard = true needs tensorboardX, which is not installed; pip install 'avlink[train]', or "
            "leave it out with -s log.tensorboard=false"
        ) from None
    return tensorboardX


class Journal:
    """The notes of one stage from step `start` on; what was noted beyond it, by a run that was killed, is dropped."""

    def __init__(self, folder: Path, stage: str, start: int, *, tensorboard: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.stage = folder / f"{stage}.jsonl", stage
        kept = []
        if self.path.is_file():
            for line in self.path.read_text("utf-8").splitlines():
                # A kill can cut the last line short.
                if line.endswith("}") and json.loads(line)["step"] <= start:
                    kept.append(line + "\n")
        self.path.write_text("".join(kept), "utf-8")
        self.events: Any = None
        if tensorboard:
            made = import_tensorboard().SummaryWriter
            self.events = made(str(folder / "tensorboard" / stage), purge_step=start + 1, write_to_disk=True)
        self._shown: dict[Path, int] = {}

    def write(self, step: int, figures: Mapping[str, float], samples_per_second: float) -> None:
        """Note the figures of a step; what is no number is left out, for JSON has no word for it."""
        numbers = {name: value for name, value in figures.items() if math.isfinite(value)}
        # Learning rates are small: they keep digits that count, not decimals.
        rounded = {name: round(v, 6) if abs(v) >= 0.01 else float(f"{v:.5g}") for name, v in numbers.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step} | rounded) + "\n")
        if self.events is not None:
            for name, value in (numbers | {"samples_per_second": samples_per_second}).items():
                self.events.add_scalar(f"{self.stage}/{name}", value, step)

    def show(self, step: int, folder: Path) -> None:
        """Put the pictures and sounds that a judgement left in `folder` beside its figures."""
        if self.events is None or not folder.is_dir():
            return
        new = [path for path in sorted(folder.iterdir()) if self._shown.get(path) != path.stat().st_mtime_ns]
        for suffix, put in ((".png", self._picture), (".wav", self._sound)):
            for path in [path for path in new if path.suffix == suffix][:_HEARD]:
                put(path, step)
        self._shown |= {path: path.stat().st_mtime_ns for path in new}
        self.events.flush()

    def _picture(self, path: Path, step: int) -> None:
        from PIL import Image

        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        self.events.add_image(f"{self.stage}/{path.stem}", pixels, step, dataformats="HWC")

    def _sound(self, path: Path, step: int) -> None:
        import soundfile

        samples, rate = soundfile.read(path, dtype="float32")
        self.events.add_audio(f"{self.stage}/{path.stem}", samples.clip(-1, 1), step, sample_rate=rate)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.events is not None:
            self.events.close()
