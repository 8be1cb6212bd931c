"""Takes of a project's stems: list them, and choose the one that is heard. Nothing is generated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import opentimelineio as otio

from avlink.core.errors import InputError
from avlink.core.outputs import Outputs
from avlink.edit.project import check_holds, check_project, moved_to, write_back
from avlink.timeline.item import KEY, table
from avlink.timeline.item_metadata import choice_of, stem_id
from avlink.timeline.metadata import take_number
from avlink.timeline.place import activate_take
from avlink.timeline.read import TimelineFile, read_timeline
from avlink.timeline.timebase import Timebase, timebase
from avlink.timeline.write import check_output


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One take of a stem as the project names it."""

    take: int
    url: str
    seed: int | None
    prompt: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the take's entry in the report."""
        return {"take": self.take, "media": self.url, "seed": self.seed, "prompt": self.prompt}


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """The takes of one stem, by number; `heard` is the number of the one that plays."""

    id: str
    clip: str
    track: str
    timeline_start_s: float | None
    timeline_start_tc: str | None
    heard: int
    takes: tuple[Take, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the stem's entry in the report."""
        return {
            "id": self.id,
            "clip": self.clip,
            "track": self.track,
            "timeline_start_s": self.timeline_start_s,
            "timeline_start_tc": self.timeline_start_tc,
            "heard": self.heard,
            "takes": [take.to_json() for take in self.takes],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TakesReport:
    """The stems after the command. `output` is the file that was written, None if takes were only listed."""

    input: Path
    output: Path | None
    changed: int
    stems: tuple[Takes, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints, without "format" and "command"."""
        return {
            "input": str(self.input),
            "output": None if self.output is None else str(self.output),
            "changed": self.changed,
            "stems": [stem.to_json() for stem in self.stems],
        }


def list_takes(project: Path, clips: Sequence[str] = ()) -> TakesReport:
    """Return the takes of all stems, or of some clips, by id or by a pattern for their names.

    Raises InputError for a project that cannot be read or has no stems, and for clips that are not there.
    """
    file = read_timeline(project)
    counted = timebase(file.timeline, file.drop_frame)
    stems = tuple(_takes(track, stem, counted) for track, stem in _chosen(file.timeline, project, clips))
    return TakesReport(input=project, output=None, changed=0, stems=stems)


def use_take(
    project: Path,
    take: int,
    clips: Sequence[str] = (),
    output: Path | None = None,
    *,
    outputs: Outputs | None = None,
) -> TakesReport:
    """Make take number `take` the heard one, of all stems that have it or of some clips.

    A project named `.foley`, as `avlink sonify` writes it, is replaced; of any other project a copy of such a name
    is written beside it. Either is written as a whole or not at all. A project that people changed is kept as `.bak`.

    Raises InputError as `list_takes`, for a take that is not there, and for an output that AVLink did not write.
    """
    outputs = outputs or Outputs()
    file = read_timeline(project)
    output = output or _default_output(file)
    is_ours = project.stem.lower().endswith(".foley") and project.suffix.lower() == output.suffix.lower()
    check_output(output, inputs=() if is_ours else (project,))
    check_holds(file, output)
    if not is_ours:
        check_project(output, outputs)
    timeline = file.timeline
    chosen = _chosen(timeline, project, clips)
    lacking = [stem for _, stem in chosen if take not in _by_number(stem)]
    if lacking and (clips or len(lacking) == len(chosen)):
        numbers = ", ".join(str(number) for number in sorted(_by_number(lacking[0])))
        raise InputError(
            f"the stem of '{lacking[0].name}' in {project} has no take {take}; it has: {numbers}; "
            "more are made by `avlink sonify --takes N`"
        )
    changed = sum(activate_take(stem, take) for _, stem in chosen)
    write = partial(outputs.write, source=project, keep=is_ours)
    write_back(moved_to(file, output), file, output, {}, write=write)
    counted = timebase(timeline, file.drop_frame)
    stems = tuple(_takes(track, stem, counted) for track, stem in chosen)
    return TakesReport(input=project, output=output, changed=changed, stems=stems)


def chosen_takes(timeline: otio.schema.Timeline) -> frozenset[str]:
    """Return the sounds that are heard and are not take 1, as `choice_of` names them."""
    heard = (table(stem.media_reference.metadata, KEY) for _, stem in _stems(timeline))
    return frozenset(choice_of(made) for made in heard if made.get("take", 1) != 1)


def _default_output(file: TimelineFile) -> Path:
    suffix = ".otio" if file.bundle is None else ".otioz"
    name = file.path.stem if file.path.stem.lower().endswith(".foley") else f"{file.path.stem}.foley"
    return file.path.with_name(f"{name}{suffix}")


def _chosen(timeline: otio.schema.Timeline, project: Path, clips: Sequence[str]) -> list[tuple[str, otio.schema.Clip]]:
    stems = list(_stems(timeline))
    if not stems:
        raise InputError(f"{project} has no stems of AVLink; `avlink sonify` makes some")
    for wanted in clips:
        if not any(_is(stem, wanted) for _, stem in stems):
            names = ", ".join(dict.fromkeys(stem.name for _, stem in stems))
            raise InputError(f"{project} has no stem of a clip '{wanted}'; there are: {names}, and their ids")
    return [(track, stem) for track, stem in stems if not clips or any(_is(stem, wanted) for wanted in clips)]


def _stems(timeline: otio.schema.Timeline) -> Iterator[tuple[str, otio.schema.Clip]]:
    for track in timeline.audio_tracks():
        if KEY in track.metadata:
            for stem in track.find_clips():
                yield track.name, stem


def _is(stem: otio.schema.Clip, wanted: str) -> bool:
    said = table(stem.metadata, KEY)
    return wanted in (said.get("id"), stem_id(said)) or fnmatchcase(stem.name.casefold(), wanted.casefold())


def _plain_of(made: Mapping[str, Any], key: str, kind: type) -> Any:
    """Return a value of metadata of its kind; None for any other, which people or programs may have left there."""
    value = made.get(key)
    return value if isinstance(value, kind) and not isinstance(value, bool) else None


def _by_number(stem: otio.schema.Clip) -> dict[int, otio.core.MediaReference]:
    return {take_number(ref): ref for ref in stem.media_references().values()}


def _takes(track: str, stem: otio.schema.Clip, counted: Timebase) -> Takes:
    said = table(stem.metadata, KEY)
    start, rate = said.get("start_samples"), said.get("sample_rate")
    start_s = Fraction(start, rate) if isinstance(start, int) and isinstance(rate, int) and rate else None
    takes = []
    for number, ref in sorted(_by_number(stem).items()):
        made = table(ref.metadata, KEY)
        url = getattr(ref, "target_url", "") or ""
        takes.append(
            Take(take=number, url=url, seed=_plain_of(made, "seed", int), prompt=_plain_of(made, "prompt", str))
        )
    return Takes(
        id=stem_id(said),
        clip=stem.name,
        track=track,
        timeline_start_s=None if start_s is None else round(float(start_s), 6),
        timeline_start_tc=None if start_s is None else counted.timecode(start_s),
        heard=take_number(stem.media_reference),
        takes=tuple(takes),
    )
