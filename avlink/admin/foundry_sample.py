"""`avlink foundry sample`: a few generated clips as movies with sound, to look at and listen to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import numpy as np

from avlink.core.errors import InputError
from avlink.core.outputs import Outputs
from avlink.core.paths import Writer, atomic_write, make_folder
from avlink.core.values import Frames, Waveform
from avlink.foundry.clip import CLIP_S, FRAME_RATE, SAMPLE_RATE, ClipBatch, ClipInfo, Split
from avlink.foundry.generate import make_clips
from avlink.media.movie import write_video

_SCALE = 8
# Names of the splits for people, with those of the foundry.
_SPLITS: Mapping[str, Split] = {**{name: name for name in get_args(Split)}, "test": "held_out"}


def sample(out: Path, *, count: int = 8, seed: int = 0, split: str = "train") -> tuple[Path, ...]:
    """Write `count` clips into the folder `out`, with `captions.json` and a contact sheet; return the files.

    The clips are those of seeds `seed`, `seed + 1`, ... of a split: train, held_out (or test) or transfer.
    Raises InputError for an unknown split, OutputError if the folder cannot be written or holds other files of these
    names.
    """
    if split not in _SPLITS:
        raise InputError(f"the foundry has no split '{split}'; it has {', '.join(_SPLITS)}")
    make_folder(out)
    outputs = Outputs()
    files: list[Path] = []
    truths: dict[str, Any] = {}
    clips = make_clips(range(seed, seed + count), split=_SPLITS[split])
    for row, info in enumerate(clips.clips):
        path = out / f"{info.kind}_{info.seed}.mp4"
        write_clip(clips, row, path, scale=_SCALE, write=outputs.write)
        files.append(path)
        truths[path.name] = truth(info)
    captions = out / "captions.json"
    with outputs.write(captions) as temporary:
        temporary.write_text(json.dumps(truths, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    sheet = _sheet(clips, out / "sheet.png", outputs)
    return (*files, captions, *sheet)


def write_clip(
    clips: ClipBatch,
    row: int,
    path: Path,
    *,
    scale: int,
    smooth: bool = False,
    silent: bool = False,
    write: Writer = atomic_write,
) -> None:
    """Write one clip of a batch as a movie, each side `scale` times as large. Raises OutputError."""
    frames = Frames(pixels=clips.frames[row].cpu().numpy(), rate=FRAME_RATE)
    sound = Waveform(samples=clips.sound[row].cpu().numpy()[None], sample_rate=SAMPLE_RATE)
    with write(path) as temporary:
        write_video(temporary, frames, sound=None if silent else sound, scale=scale, smooth=smooth)


def truth(info: ClipInfo) -> dict[str, Any]:
    """Return the ground truth of a clip as JSON values: caption, kind, and every event with its time."""
    return {
        "seed": info.seed,
        "split": info.split,
        "kind": info.kind,
        "style": info.style,
        "materials": list(info.materials),
        "caption": info.caption,
        "events": [
            {"time_s": round(event.time_s, 4), "material": event.material, "strength": round(event.strength, 4)}
            for event in info.events
        ],
    }


def _sheet(clips: ClipBatch, path: Path, outputs: Outputs) -> tuple[Path, ...]:
    """Write the contact sheet if Pillow, which draws it, is installed; return the files written."""
    if find_spec("PIL") is None:
        return ()
    with outputs.write(path) as temporary:
        contact_sheet(clips, temporary)
    return (path,)


def contact_sheet(batch: ClipBatch, path: Path, *, every: int = 4, scale: int = 2, columns: int = 31) -> None:
    """Write a PNG with a strip per clip: means of `every` frames, caption, waveform, events.

    Raises ImportError without Pillow.
    """
    from PIL import Image, ImageDraw

    frames = batch.frames.cpu().numpy()
    sound = batch.sound.cpu().numpy()
    num_clips, num_frames, height, width = frames.shape[:4]
    shown = min(columns, num_frames // every)
    cell_w, cell_h, wave_h, text_h = width * scale, height * scale, 28, 12
    row_h = cell_h + wave_h + text_h
    sheet = Image.new("RGB", (shown * cell_w, num_clips * row_h), (20, 20, 20))
    pen = ImageDraw.Draw(sheet)
    for row in range(num_clips):
        info, top = batch.clips[row], row * row_h
        bars = " bars" if (frames[row, :, 0].max() == 0) else ""
        pen.text(
            (2, top),
            f"{info.seed} {info.kind}/{info.style}{bars} {'narrow ' if info.narrow else ''}"
            f"{'recoloured ' if info.recoloured else ''}{','.join(info.materials)}: {info.caption}",
            fill=(255, 255, 255),
        )
        for k in range(shown):
            mean = frames[row, k * every : (k + 1) * every].astype(np.float32).mean(0).astype(np.uint8)
            cell = Image.fromarray(mean).resize((cell_w - 1, cell_h), Image.Resampling.NEAREST)
            sheet.paste(cell, (k * cell_w, top + text_h))
        wide = shown * cell_w
        seconds = shown * every / num_frames * CLIP_S
        part = sound[row, : int(len(sound[row]) * seconds / CLIP_S)]
        peaks = np.maximum.reduceat(np.abs(part), np.arange(wide) * len(part) // wide)
        middle = top + text_h + cell_h + wave_h // 2
        for x, peak in enumerate(peaks):
            pen.line((x, middle - peak * wave_h / 2, x, middle + peak * wave_h / 2), fill=(120, 200, 120))
        for event in info.events:
            x = event.time_s / seconds * wide
            pen.line((x, top + text_h + cell_h - 6, x, top + row_h), fill=(255, 60, 60))
    sheet.save(path)
