"""Contact sheets: clips as strips of frames above their waveforms, with the events marked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from avlink.foundry.clip import CLIP_S, ClipBatch


def contact_sheet(batch: ClipBatch, path: Path, *, every: int = 4, scale: int = 2, columns: int = 31) -> None:
    """Write a PNG with a strip per clip: means of `every` frames, caption, waveform, events."""
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
