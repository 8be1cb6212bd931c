"""`avlink foundry sample --physics`: a few clips of the physics foundry as movies, with a mark at each true hit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlink.core.errors import InputError
from avlink.core.outputs import Outputs
from avlink.core.paths import make_folder
from avlink.core.values import Frames, Waveform
from avlink.foundry.clip import SAMPLE_RATE
from avlink.foundry.physics import PhysicsClip, Split, make_clip
from avlink.foundry.physics.sound import clip_sound
from avlink.media.movie import write_video
from avlink.timeline.hit_markers import hit_colour
from avlink.timeline.marker_colours import marker_rgb

_SCALE = 4
_SPLITS: dict[str, Split] = {"train": "train", "held_out": "held_out", "test": "held_out"}
_MARK_S, _MARK_PX = 0.16, 6
_STRIP = 8
"""Pictures of each clip in the contact sheet."""


def sample_physics(
    out: Path, *, count: int = 8, seed: int = 0, split: str = "train", families: Sequence[str] = ()
) -> tuple[Path, ...]:
    """Write `count` clips into the folder `out`, with `hits.json` and a contact sheet; return the files.

    Pictures have a square about each hit for 0.16 s from its time on, in the colour of its kind. Raises InputError for
    an unknown split or family and where MuJoCo is missing, OutputError if the folder cannot be written or holds other
    files of these names.
    """
    if split not in _SPLITS:
        raise InputError(f"the physics foundry has no split '{split}'; it has {', '.join(_SPLITS)}")
    # Made before anything is written: what is missing is told first.
    clips = [make_clip(seed + k, split=_SPLITS[split], families=families) for k in range(count)]
    make_folder(out)
    outputs, files, truths = Outputs(), [], {}
    for clip in clips:
        path = out / f"{clip.family}_{clip.seed}.mp4"
        pictures = Frames(pixels=marked(clip), rate=Fraction(clip.fps))
        sound = Waveform(samples=clip_sound(clip)[None], sample_rate=SAMPLE_RATE)
        with outputs.write(path) as temporary:
            write_video(temporary, pictures, sound=sound, scale=_SCALE)
        files.append(path)
        truths[path.name] = physics_truth(clip)
    hits, sheet = out / "hits.json", out / "sheet.png"
    with outputs.write(hits) as temporary:
        temporary.write_text(json.dumps(truths, indent=2) + "\n", encoding="utf-8", newline="\n")
    with outputs.write(sheet) as temporary:
        physics_sheet(clips, temporary)
    return (*files, hits, sheet)


def physics_truth(clip: PhysicsClip) -> dict[str, Any]:
    """Return the ground truth of a clip as JSON values: family, caption, and every hit with its time and place."""
    return {
        "seed": clip.seed,
        "split": clip.split,
        "family": clip.family,
        "caption": clip.caption,
        "hits": [
            {
                "time_s": round(event.time_s, 4),
                "duration_s": round(event.duration_s, 4),
                "strength": round(event.strength, 4),
                "kind": event.kind,
                "material": event.material,
                "place": [round(value, 4) for value in event.place],
            }
            for event in clip.events
        ],
    }


def marked(clip: PhysicsClip) -> NDArray[np.uint8]:
    """Return the pictures of a clip with a square about each hit."""
    frames = clip.frames.copy()
    height, width = frames.shape[1:3]
    for event in clip.events:
        x, y = (round(value * (side - 1)) for value, side in zip(event.place, (width, height), strict=True))
        left, right = max(0, x - _MARK_PX), min(width - 1, x + _MARK_PX)
        top, bottom = max(0, y - _MARK_PX), min(height - 1, y + _MARK_PX)
        first = int(event.time_s * clip.fps)
        shown = frames[first : first + max(1, round(_MARK_S * clip.fps))]
        colour = marker_rgb(hit_colour(event.kind))
        shown[:, top, left : right + 1] = shown[:, bottom, left : right + 1] = colour
        shown[:, top : bottom + 1, left] = shown[:, top : bottom + 1, right] = colour
    return frames


def physics_sheet(clips: Sequence[PhysicsClip], path: Path) -> None:
    """Write a PNG with a strip per clip: the frames of some hits and those 0.12 s before, then others."""
    from PIL import Image, ImageDraw

    height, width = clips[0].frames.shape[1:3]
    row_h = height + 14
    sheet = Image.new("RGB", (_STRIP * (width + 2), row_h * len(clips)), (20, 20, 20))
    pen = ImageDraw.Draw(sheet)
    for row, clip in enumerate(clips):
        frames, last = marked(clip), len(clip.frames) - 1
        chosen: list[int] = []
        for event in clip.events[:: max(1, len(clip.events) // 3)][:3]:
            at = min(int(event.time_s * clip.fps), last)
            chosen += [max(0, at - round(0.12 * clip.fps)), at]
        chosen += np.linspace(0, last, _STRIP - len(chosen)).astype(int).tolist()
        pen.text((2, row * row_h), f"{clip.seed} {clip.family}: {clip.caption}", fill=(255, 255, 255))
        for column, number in enumerate(chosen):
            sheet.paste(Image.fromarray(frames[number]), (column * (width + 2), row * row_h + 12))
    sheet.save(path, format="PNG")
