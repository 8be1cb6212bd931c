"""Image sequences as timelines name them, and the files that they mean."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

from avlink.core.values import ImageSequence
from avlink.timeline.values import ImageNames

# "shot.%04d.exr", "shot.####.exr", and Resolve's "shot.[0001-0100].exr".
_PATTERN = re.compile(r"%0?(?P<digits>\d*)d|(?P<hashes>#{2,})|\[(?P<first>\d+)-(?P<last>\d+)\]")

# Eleven hours of film. A broken project may ask for any number.
_MOST_IMAGES = 1_000_000


def is_pattern(url: str) -> bool:
    """Whether a path stands for many images."""
    return _PATTERN.search(url, max(url.rfind("/"), url.rfind("\\")) + 1) is not None


def names_of_pattern(
    url: str, rate: Fraction, *, first: int | None, num_images: int | None
) -> tuple[str, ImageNames] | None:
    """Folder and names for a path that stands for many images; None for one that is a path.

    `first` and `num_images` are what the timeline says; what the pattern itself says of them wins.
    """
    cut = max(url.rfind("/"), url.rfind("\\")) + 1
    found = _PATTERN.search(url, cut)
    if found is None:
        return None
    padding = len(found["first"] or found["hashes"] or "") or int(found["digits"] or 0)
    if found["first"] is not None:
        first, num_images = int(found["first"]), int(found["last"]) - int(found["first"]) + 1
    names = ImageNames(
        prefix=url[cut : found.start()],
        suffix=url[found.end() :],
        first=first,
        step=1,
        padding=padding,
        rate=rate,
        num_images=num_images,
        missing="error",
    )
    return url[:cut], names


def image_name(names: ImageNames, number: int) -> str:
    """The name of the file with that number."""
    return f"{names.prefix}{'-' if number < 0 else ''}{abs(number):0{names.padding}d}{names.suffix}"


def find_images(names: ImageNames, folder: Path, listing: Collection[str]) -> ImageSequence | None:
    """The sequence in a folder of which `listing` has the names of all files; None if there is none of its images.

    Where the timeline does not say where it starts or ends, it is as long as the files go.
    """
    first, count = names.first, names.num_images
    if first is None or count is None:
        numbers = _numbers(names, listing)
        first = min(numbers, default=0) if first is None else first
        count = count or (max(numbers, default=first) - first) // names.step + 1
    found = (image_name(names, first + index * names.step) for index in range(min(count, _MOST_IMAGES)))
    files = tuple(folder / name if name in listing else None for name in found)
    if not any(files):
        return None
    return ImageSequence(files=files, rate=names.rate, black=names.missing == "black")


def missing_images(names: ImageNames, images: ImageSequence, start_s: Fraction, end_s: Fraction) -> str:
    """The numbers of the images between two media times that are not there, as "5-7, 12"; empty if all are."""
    first = names.first if names.first is not None else _numbers(names, [images.first.name])[0]
    begin = max(0, floor(start_s * images.rate))
    end = min(len(images.files), max(ceil(end_s * images.rate), begin + 1))
    return _runs(first + index * names.step for index in range(begin, end) if images.files[index] is None)


def _numbers(names: ImageNames, listing: Iterable[str]) -> list[int]:
    form = re.compile(re.escape(names.prefix) + r"(-?\d+)" + re.escape(names.suffix))
    return [int(found[1]) for name in listing if (found := form.fullmatch(name))]


def _runs(numbers: Iterable[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    shown = ["-".join(map(str, run)) for run in runs]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
