"""The journal of a stage: one line of JSON per step, its curves as a picture, and event files for TensorBoard."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from avlink.core.disk import disk_full
from avlink.core.errors import InputError
from avlink.core.paths import atomic_write, make_folder, write_text

_MAX_SHOWN = 4
"""Pictures and sounds of each validation that go to TensorBoard."""

_WIDTH, _HEIGHT, _MARGIN = 960, 480, 56
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")


def import_tensorboard() -> Any:
    """Return tensorboardX, which writes event files without TensorBoard. Raises InputError where it is missing."""
    try:
        import tensorboardX
    except ImportError:
        raise InputError(
            "log.tensorboard = true needs tensorboardX, which is not installed; pip install 'avlink[train]', or "
            "leave it out with -s log.tensorboard=false"
        ) from None
    return tensorboardX


class Journal:
    """The rows of one stage from step `start` on; rows after it, of a run that was killed, are dropped."""

    def __init__(self, folder: Path, stage: str, start: int, *, tensorboard: bool = False) -> None:
        make_folder(folder)
        self.path, self.stage = folder / f"{stage}.jsonl", stage
        kept = []
        if self.path.is_file():
            for line in self.path.read_text("utf-8").splitlines():
                # A killed process can leave a partial last line.
                if line.endswith("}") and json.loads(line)["step"] <= start:
                    kept.append(line + "\n")
        write_text(self.path, "".join(kept))
        self.events: Any = None
        self._event_errors: list[OSError] = []
        if tensorboard:
            writer = import_tensorboard().SummaryWriter
            self.events = writer(str(folder / "tensorboard" / stage), purge_step=start + 1, write_to_disk=True)
            self._event_errors = _collect_errors(self.events)
        self._shown: dict[Path, int] = {}

    def write(self, step: int, figures: Mapping[str, float], samples_per_second: float) -> None:
        """Write the figures of a step; infinities and NaN are left out, as JSON has neither.

        Raises DiskFull, and leaves no part of a line.
        """
        numbers = {name: value for name, value in figures.items() if math.isfinite(value)}
        # Significant digits for small values such as learning rates, decimals for the rest.
        rounded = {name: round(v, 6) if abs(v) >= 0.01 else float(f"{v:.5g}") for name, v in numbers.items()}
        self._append(json.dumps({"step": step} | rounded) + "\n")
        for error in self._event_errors:
            raise disk_full(error, self.path.parent, subject="a file of events for TensorBoard") or error
        if self.events is not None:
            for name, value in (numbers | {"samples_per_second": samples_per_second}).items():
                self.events.add_scalar(f"{self.stage}/{name}", value, step)

    def _append(self, line: str) -> None:
        before = self.path.stat().st_size
        try:
            # Without a buffer: what is left in one is written when the file is closed, after an error too.
            with self.path.open("ab", buffering=0) as file:
                written, data = 0, line.encode("utf-8")
                while written < len(data):
                    written += file.write(data[written:])
        except OSError as error:
            with contextlib.suppress(OSError):
                os.truncate(self.path, before)
            raise disk_full(error, self.path.parent, subject=str(self.path)) or error from error

    def show(self, step: int, folder: Path) -> None:
        """Send the pictures and sounds that a validation left in `folder` to TensorBoard."""
        if self.events is None or not folder.is_dir():
            return
        # By modification time: each validation overwrites its samples.
        new = [path for path in sorted(folder.iterdir()) if self._shown.get(path) != path.stat().st_mtime_ns]
        for suffix, add in ((".png", self._picture), (".wav", self._sound)):
            for path in [path for path in new if path.suffix == suffix][:_MAX_SHOWN]:
                add(path, step)
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
            with contextlib.suppress(OSError):
                self.events.close()


def _collect_errors(events: Any) -> list[OSError]:
    """Return a list that gets the errors of the thread that writes event files.

    They would end that thread with a traceback, and the training would then wait for it for ever.
    """
    errors: list[OSError] = []
    file = events.file_writer.event_writer._ev_writer

    def guarded(method: Callable[..., Any]) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            if errors:
                return
            try:
                method(*arguments)
            except OSError as error:
                errors.append(error)

        return call

    file.write_event, file.flush = guarded(file.write_event), guarded(file.flush)
    return errors


def read_journal(path: Path) -> list[dict[str, float]]:
    """Return the rows of a stage's journal; a partial last line, of a killed process, is skipped."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.endswith("}")]


def draw_curves(journal: Path, picture: Path) -> None:
    """Draw the smoothed losses of a stage's journal as lines and its validation figures as dots."""
    from PIL import Image, ImageDraw

    rows = read_journal(journal)
    if not rows:
        return
    skip = {"step", "seconds", "grad_norm", "lr", "skipped"}
    names = [name for name in dict.fromkeys(key for row in rows for key in row) if name not in skip]
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    canvas = ImageDraw.Draw(image)
    last = max(row["step"] for row in rows)
    values = [row[name] for row in rows for name in names if name in row and math.isfinite(row[name])]
    # The first steps of a loss can be so high that nothing else would be visible.
    top = float(np.quantile(values, 0.99)) * 1.1 + 1e-9
    box = (_MARGIN, 16, _WIDTH - 16, _HEIGHT - 32)

    def place(step: float, value: float) -> tuple[float, float]:
        x = box[0] + (box[2] - box[0]) * step / max(1, last)
        return x, box[3] - (box[3] - box[1]) * min(max(value / top, 0.0), 1.0)

    for part in range(5):
        y = place(0, top * part / 4)[1]
        canvas.line((box[0], y, box[2], y), fill="#dddddd")
        canvas.text((4, y - 6), f"{top * part / 4:.3g}", fill="black")
    canvas.text((box[0], _HEIGHT - 24), f"0 .. {last} steps", fill="black")
    for number, name in enumerate(names):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [(row["step"], row[name]) for row in rows if name in row]
        canvas.text((box[2] - 150, box[1] + 14 * number), f"{name} {points[-1][1]:.4g}", fill=colour)
        if name.startswith("val_"):
            for step, value in points:
                x, y = place(step, value)
                canvas.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour)
            continue
        # A window of a fortieth of the steps smooths noise, and keeps trends.
        window = max(1, len(points) // 40)
        smooth = np.convolve([v for _, v in points], np.ones(window) / window, "valid")
        steps = [step for step, _ in points][window - 1 :]
        line = [place(s, v) for s, v in zip(steps, smooth, strict=True)]
        if len(line) > 1:
            canvas.line(line, fill=colour, width=2)
    with atomic_write(picture, flush=False) as hidden:
        image.save(hidden, "PNG")
