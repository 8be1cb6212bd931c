"""Limits on what is read: sizes, depths and counts, far above real projects and far below what stops a machine.

Checked before a parser, OpenTimelineIO or a regular expression sees the input. `LIMITS` is the table of
docs/robustness.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from avlink.core.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most of something that is read: `most`, in `unit`. `advice` says what to do where there is more."""

    subject: str
    most: int
    unit: str
    advice: str

    def check(self, found: float, where: object, error: type[InputError] = InputError) -> None:
        """Raise `error` with place, value, limit and advice if `found` is more than the limit."""
        if found > self.most:
            raise error(self.refusal(found, where))

    def refusal(self, found: float | str, where: object) -> str:
        """Return the sentence for a value above the limit; `found` is a text where it is not known exactly."""
        said = found if isinstance(found, str) else amount(found, self.unit)
        most = amount(self.most, self.unit)
        return f"{where} is beyond a limit of what is read, {self.subject}: {said} of at most {most}; {self.advice}"


def amount(value: float, unit: str) -> str:
    """Return a number with its unit, such as "200 MB", "1,000 levels", "24 h"."""
    if unit == "bytes":
        for name, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
            if value >= size:
                return f"{value / size:.4g} {name}"
    if abs(value) >= 10**15:
        return f"{value:.3g} {unit}"
    shown = f"{value:,.0f}" if value == int(value) else f"{value:,.3f}"
    return f"{shown} {unit}"


_SPLIT = "split the project, or export the timeline alone"
_FLATTEN = "flatten nested sequences, or export the timeline alone"
_EXPORT = "export it again"

PROJECT_BYTES = Limit(subject="size of a project file", most=200 * 10**6, unit="bytes", advice=_SPLIT)
PROJECT_VALUES = Limit(
    subject="lists and objects, or elements, of a project file", most=5_000_000, unit="values", advice=_SPLIT
)
PROJECT_DEPTH = Limit(subject="nesting of JSON or XML in a project file", most=400, unit="levels", advice=_FLATTEN)
SEQUENCES_DEPTH = Limit(subject="nesting of tracks and stacks", most=128, unit="levels", advice=_FLATTEN)
ITEMS = Limit(
    subject="items of a timeline, those of nested sequences counted at each use",
    most=100_000,
    unit="items",
    advice=_SPLIT,
)
TRACKS = Limit(subject="tracks of a timeline or a nested sequence", most=10_000, unit="tracks", advice=_SPLIT)
MARKERS = Limit(subject="markers of a timeline", most=100_000, unit="markers", advice="remove those of no use")
REFERENCES = Limit(subject="media references of a clip", most=1_000, unit="references", advice="remove unused ones")
RATES = Limit(subject="different rates of a timeline", most=200, unit="rates", advice="conform the clips to fewer")
SPEED = Limit(subject="speed of a clip", most=10_000, unit="times", advice="render the clip")
TIME_S = Limit(subject="a time in a timeline", most=10**8, unit="s", advice=_EXPORT)
NUMBER_DIGITS = Limit(subject="digits of a whole number", most=4_300, unit="digits", advice=_EXPORT)
IMAGES = Limit(subject="images of a sequence", most=1_000_000, unit="images", advice="render a movie of it")
IMAGE_DIGITS = Limit(
    subject="digits or padding of the numbers of an image sequence", most=18, unit="digits", advice="rename the images"
)
CLIP_S = Limit(subject="length of a clip", most=24 * 3600, unit="s", advice="cut it into shorter clips")
BUNDLE_MEMBERS = Limit(subject="files in a bundle", most=200_000, unit="files", advice="leave the media outside")
BUNDLE_RATIO = Limit(
    subject="bytes in a bundle for a byte of its file", most=100, unit="bytes", advice="pack it without compression"
)
RECIPE_BYTES = Limit(subject="size of a recipe", most=10**6, unit="bytes", advice="use `extends`")
TABLE_DEPTH = Limit(subject="nesting of a recipe, a bundle or a configuration", most=32, unit="levels", advice=_EXPORT)
TABLE_BYTES = Limit(
    subject="size of a JSON file of a bundle, a configuration or a data set",
    most=100 * 10**6,
    unit="bytes",
    advice="copy it again",
)
SHEET_BYTES = Limit(subject="size of a cue sheet", most=64 * 10**6, unit="bytes", advice="split the sheet")
GRAPH_NODES = Limit(
    subject="nodes of a ComfyUI graph, those of subgraphs counted at each use",
    most=20_000,
    unit="nodes",
    advice="give the prompt with --prompt",
)
GRAPH_DEPTH = Limit(
    subject="nodes between the sampler of a ComfyUI graph and its text",
    most=200,
    unit="nodes",
    advice="give the prompt with --prompt",
)
PICTURE_PIXELS = Limit(
    subject="pixels of a picture", most=16_384 * 8_192, unit="pixels", advice="render it in a smaller size"
)
STREAMS = Limit(subject="streams of a media file", most=1_000, unit="streams", advice="convert it")
SECONDS_A_KILOBYTE = Limit(
    subject="length that a media file of more than 10 minutes claims for each 1000 bytes of it",
    most=36,
    unit="s",
    advice="its header is wrong, so convert it, or copy it again",
)

LIMITS: tuple[Limit, ...] = tuple(value for value in dict(globals()).values() if isinstance(value, Limit))
"""All limits, in the order of the documentation."""


def levels(value: Any, most: int) -> int:
    """Return how deep dicts and lists are nested, 0 for a plain value; `most` + 1 where it is deeper than `most`."""
    depth, row = 0, [value] if type(value) in NESTED else []
    while row and depth <= most:
        row = nested_in(row)
        depth += 1
    return depth


NESTED = (dict, list)
"""Types of parsed values that hold others. Parsers give no subclasses, and `isinstance` takes three times as long."""


def nested_in(row: Iterable[Any]) -> list[Any]:
    """Return the dicts and lists that some dicts and lists hold, in order."""
    return [inner for one in row for inner in (one.values() if type(one) is dict else one) if type(inner) in NESTED]
