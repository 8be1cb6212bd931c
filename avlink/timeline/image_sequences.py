"""Image sequences: the names that timelines give them, and the files behind these names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Literal, TypeAlias

from avlink.core.limits import IMAGE_DIGITS, IMAGES
from avlink.core.text import first_names
from avlink.core.values import ImageSequence

# "shot.%04d.exr", "shot.####.exr", and Resolve's "shot.[0001-0100].exr".
_PATTERN = re.compile(r"%0?(?P<digits>\d*)d|(?P<hashes>#{2,})|\[(?P<first>\d+)-(?P<last>\d+)\]")

# A broken project may ask for any number of images behind the last that there is.
_MOST_MISSING = 100_000

MissingImage: TypeAlias = Literal["error", "hold", "black"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageNames:
    """File names of an image sequence; the `url` of its reference is its folder.

    `first` and `num_images` are None where the timeline does not state them: then the files in the folder count.
    """

    prefix: str
    suffix: str
    first: int | None
    step: int
    padding: int
    rate: Fraction
    num_images: int | None
    missing: MissingImage


def is_pattern(url: str) -> bool:
    """Return whether a path stands for many images."""
    return _PATTERN.search(url, max(url.rfind("/"), url.rfind("\\")) + 1) is not None


def names_of_pattern(
    url: str, rate: Fraction, *, first: int | None, num_images: int | None
) -> tuple[str, ImageNames] | None:
    """Return folder and names of a path that stands for many images; None for a path of one file.

    `first` and `num_images` are those of the timeline; those of the pattern itself win. Raises ValueError for numbers
    of more digits than the limit.
    """
    cut = max(url.rfind("/"), url.rfind("\\")) + 1
    found = _PATTERN.search(url, cut)
    if found is None:
        return None
    if max(len(text or "") for text in found.group("digits", "first", "last")) > IMAGE_DIGITS.most:
        raise ValueError(IMAGE_DIGITS.refusal(f"more than {IMAGE_DIGITS.most}", "the name of its image sequence"))
    padding = len(found["first"] or found["hashes"] or "") or int(found["digits"] or 0)
    check_padding(padding)
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


def check_padding(digits: int) -> None:
    """Raise ValueError where names would have numbers of more digits than the limit."""
    if digits > IMAGE_DIGITS.most:
        raise ValueError(IMAGE_DIGITS.refusal(digits, "the name of its image sequence"))


def image_name(names: ImageNames, number: int) -> str:
    """Return the name of the file with a number."""
    return f"{names.prefix}{'-' if number < 0 else ''}{abs(number):0{names.padding}d}{names.suffix}"


def find_images(names: ImageNames, folder: Path, listing: Collection[str]) -> ImageSequence | None:
    """Return the sequence in a folder whose file names are in `listing`; None if none of its images is there.

    Where the timeline does not state its first image or its length, it is as long as the files go.
    """
    numbers = [number for number in _numbers(names, listing) if image_name(names, number) in listing]
    first = min(numbers, default=0) if names.first is None else names.first
    last = (max(numbers, default=first) - first) // names.step
    count = min(names.num_images or last + 1, max(last, 0) + _MOST_MISSING, IMAGES.most)
    files: list[Path | None] = [None] * max(0, count)
    for number in numbers:
        index, off = divmod(number - first, names.step)
        if not off and 0 <= index < count:
            files[index] = folder / image_name(names, number)
    # A folder that holds another sequence is no reason to render black.
    if not any(files):
        return None
    return ImageSequence(files=tuple(files), rate=names.rate, black=names.missing == "black")


def missing_images(names: ImageNames, images: ImageSequence, start_s: Fraction, end_s: Fraction) -> str:
    """Return the numbers of the images that are missing between two media times, as "5-7, 12"; empty if none is."""
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
    return first_names(["-".join(map(str, run)) for run in runs], most=8)
