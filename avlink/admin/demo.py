"""`avlink demo`: a small project of generated clips, sonified by the same code as any other, and evaluated.

Four clips that the model was not trained on, cut with a trim, a gap and one clip at another frame rate. Their true
event times are known, so the demo reports how well the sounds match them. The sounds are those of the model, or of a
small library that is made for it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import opentimelineio as otio

from avlink.admin.demo_sounds import LIBRARY, make_demo_library
from avlink.core.events import Listener, ignore
from avlink.core.outputs import Outputs
from avlink.core.paths import make_folder
from avlink.core.recipe import load_recipe
from avlink.core.values import Frames
from avlink.edit.report import Item, SonifyReport
from avlink.edit.sonify import SonifyRequest, sonify
from avlink.foundry.clip import FRAME_RATE, ClipInfo
from avlink.foundry.generate import make_clips, plan
from avlink.media.audio import read_audio
from avlink.media.movie import write_video
from avlink.session import Session, open_session
from avlink.timeline.write import write_timeline

_GROUPS = ("strike", "bounce", "flash", "step")
_FIRST_SEED = 500
_SCALE = 10
_TIMELINE_RATE = 24
_WINDOW_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shot:
    """One clip of the project: its file, its ground truth, and the frames of it that the edit uses."""

    path: Path
    info: ClipInfo
    rate: Fraction
    first_frame: int
    num_frames: int


def run_demo(
    out: Path,
    session: Session | None = None,
    *,
    listener: Listener = ignore,
    recipe: str = "foley",
    library: bool = False,
) -> list[str]:
    """Make the project in the folder `out`, sonify it, write a preview, and return lines for the user.

    With `library`, a library of sounds is made as well, added to the index, and laid on the hits that are seen.

    Raises OutputError if the folder cannot be written, BundleError if the built-in model is missing.
    """
    session = open_session(listener=listener) if session is None else session
    make_folder(out / "media")
    # Foreign files of these names are kept as `.bak`: a first look must not end with a question.
    outputs = session.outputs(overwrite=True)
    shots = _film(out / "media", outputs)
    timeline = out / "demo.otio"
    write_timeline(_edit(shots, prompts=library), timeline, write=outputs.write)
    settings, credits = ["write.preview=true"], None
    if library:
        name = make_demo_library(out / "sounds", outputs, listener)
        recipe, credits = "library", out / "demo.credits.txt"
        settings.append(f'backend.options.libraries=["{name}"]')
    request = SonifyRequest(
        input=timeline,
        recipe=load_recipe(recipe, "sonify", settings),
        device=session.device,
        overwrite=True,
        credits=credits,
    )
    report = sonify(request, session)
    with outputs.write(out / "demo.report.json") as temporary:
        text = json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n"
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return _lines(out, report, shots, credits)


def _film(folder: Path, outputs: Outputs) -> list[_Shot]:
    """Write the clips as silent movies; the third has 25 frames per second."""
    clips = make_clips(_seeds(), split="held_out")
    shots = []
    cuts = ((0, 0, 124), (1, 12, 100), (2, 0, 120), (3, 24, 96))
    for row, first_frame, num_frames in cuts:
        info = clips.clips[row]
        pixels = clips.frames[row].cpu().numpy()
        rate = FRAME_RATE
        if row == 2:
            rate = Fraction(25)
            pixels = pixels[(np.arange(len(pixels) * 25 // 24) * 24) // 25]
        path = folder / f"{row + 1}_{info.kind}.mp4"
        with outputs.write(path) as temporary:
            write_video(temporary, Frames(pixels=pixels, rate=rate), scale=_SCALE, smooth=True)
        shots.append(_Shot(path=path, info=info, rate=rate, first_frame=first_frame, num_frames=num_frames))
    return shots


def _seeds() -> list[int]:
    """Return the first seeds from `_FIRST_SEED` on that give a clip of each group with three events or more.

    Only plain scenes, since a first example should let people see the events. Clips are chosen by this alone, and not
    by the results of the model.
    """
    found: dict[str, int] = {}
    for seed in range(_FIRST_SEED, _FIRST_SEED + 400):
        info = plan(seed, "held_out")[2]
        enough = len(info.events) >= (1 if info.group == "flash" else 3)
        if info.group in _GROUPS and info.group not in found and enough and info.narrow:
            found[info.group] = seed
        if len(found) == len(_GROUPS):
            break
    return [found[group] for group in _GROUPS]


def _edit(shots: Sequence[_Shot], *, prompts: bool) -> otio.schema.Timeline:
    """Return the cut: four shots, a second of black before the third, from 01:00:00:00 on as in Resolve.

    With `prompts` a marker on each clip says what is seen.
    """
    timeline = otio.schema.Timeline("demo")
    timeline.global_start_time = otio.opentime.RationalTime(3600 * _TIMELINE_RATE, _TIMELINE_RATE)
    track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    for index, shot in enumerate(shots):
        rate = float(shot.rate)
        used = otio.opentime.TimeRange(
            otio.opentime.RationalTime(shot.first_frame, rate), otio.opentime.RationalTime(shot.num_frames, rate)
        )
        whole = otio.opentime.TimeRange(
            otio.opentime.RationalTime(0, rate), otio.opentime.RationalTime(124 * rate // float(FRAME_RATE), rate)
        )
        media = otio.schema.ExternalReference(f"media/{shot.path.name}", whole)
        if index == 2:
            track.append(otio.schema.Gap(duration=otio.opentime.RationalTime(_TIMELINE_RATE, _TIMELINE_RATE)))
        clip = otio.schema.Clip(shot.path.stem, media, used)
        if prompts:
            clip.markers.append(otio.schema.Marker(f"FOLEY: {shot.info.caption}", used))
        track.append(clip)
    timeline.tracks.append(track)
    return timeline


def _lines(out: Path, report: SonifyReport, shots: Sequence[_Shot], credits: Path | None) -> list[str]:
    scores = [_measured(item, shot) for item, shot in zip(report.items, shots, strict=True)]
    more = []
    if credits is not None:
        more = [
            f"browse     {out / 'sounds'}  (the library; avlink library search wood, avlink library remove {LIBRARY})",
            f"credit     {credits}",
        ]
    return [
        "",
        *scores,
        "",
        f"watch      {report.preview}",
        f"open       {report.output}  (the project with a FOLEY track)",
        f"listen to  {out / 'demo.stems'}  (48 kHz Broadcast Wave, one file a clip)",
        f"read       {out / 'demo.report.json'}",
        *more,
    ]


def _measured(item: Item, shot: _Shot) -> str:
    """Return a line on how well the sounds of a clip match its true events."""
    head = f"{shot.path.stem:<12} {shot.info.caption}"
    if not item.stems:
        return f"{head}: {item.status}: {item.reason}"
    from avlink.metrics.onsets import detect_onsets

    begin_s = float(shot.first_frame / shot.rate)
    end_s = begin_s + float(shot.num_frames / shot.rate)
    seen = [event.time_s - begin_s for event in shot.info.events if begin_s <= event.time_s < end_s]
    sound = read_audio(item.stems[0].path, sample_rate=16000, mono=True)
    heard = detect_onsets(sound.samples[0], sound.sample_rate).times_s
    try:
        from avlink.metrics.sync import match_onsets
    except ImportError:
        return f"{head}: {len(seen)} events seen, {len(heard)} onsets heard"
    f1 = match_onsets(seen, heard, _WINDOW_S).f1
    return f"{head}: {len(seen)} events seen, {len(heard)} onsets heard, F1 at {_WINDOW_S * 1000:.0f} ms {f1:.2f}"
