"""The request of a finishing run: its inputs, options and loudness target, and the paths of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from avlink import InputError, OutputError, SonifyRecipe, namesakes
from avlink_genvideo.animated_images import is_animated

Existing: TypeAlias = Literal["refuse", "replace", "mix"]

LOUDNESS_TARGETS: dict[str, tuple[float | None, float]] = {
    "ebu": (-23.0, -1.0),
    "atsc": (-24.0, -2.0),
    "netflix": (-27.0, -2.0),
    "youtube": (-14.0, -1.0),
    "spotify": (-14.0, -1.0),
    "apple": (-16.0, -1.0),
    "none": (None, -1.0),
}
"""Integrated loudness in LUFS and true peak in dBTP: EBU R 128, ATSC A/85, and the platforms' own pages. "none" leaves
the loudness as the model made it."""

_QUIETEST_LUFS, _LOUDEST_LUFS = -70.0, -5.0
# Containers that keep metadata of any key, and the coded picture as it is.
_KEPT = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm"})
_VIDEOS = _KEPT | {".avi", ".wmv", ".mpg", ".ts", ".mts", ".m2ts", ".flv", ".mxf", ".3gp"}
# All others become Matroska, except this one, whose codecs Matroska does not take.
_INSTEAD = {".3gp": ".mov"}
# Beside the input the output needs another name; in another folder it keeps the name.
_MARK = ".finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishRequest:
    """`inputs` are videos or animated images. `output` is a file for one of them or a folder; None means beside each.

    `prompt` overrides the one found in a file, `use_prompt=False` ignores that. `lufs` None leaves the loudness as the
    model made it. Animated images are encoded without loss if `lossless`. `existing` is the treatment of sound that a
    video has already. `force` repeats what is finished already; `overwrite` writes over files
    that AVLink did not write, and keeps them as `.bak`; `dry_run` reads and writes nothing.
    """

    inputs: tuple[Path, ...]
    recipe: SonifyRecipe
    output: Path | None = None
    in_place: bool = False
    prompt: str | None = None
    use_prompt: bool = True
    negative: str | None = None
    lufs: float | None = -23.0
    peak_dbtp: float = -1.0
    channels: int = 2
    existing: Existing = "refuse"
    lossless: bool = False
    device: str = "auto"
    force: bool = False
    overwrite: bool = False
    dry_run: bool = False


def parse_loudness(text: str) -> tuple[float | None, float]:
    """Return (LUFS, dBTP) for a platform's name, or for a number of LUFS with a peak of -1 dBTP. Raises InputError."""
    known = LOUDNESS_TARGETS.get(text.strip().lower())
    if known is not None:
        return known
    try:
        lufs = float(text)
    except ValueError:
        lufs = 0.0
    # Written so that NaN is refused, too.
    if not _QUIETEST_LUFS <= lufs <= _LOUDEST_LUFS:
        names = ", ".join(LOUDNESS_TARGETS)
        raise InputError(
            f"--loudness {text}: it is one of {names}, or a number of LUFS from {_QUIETEST_LUFS:g} to {_LOUDEST_LUFS:g}"
        )
    return lufs, -1.0


def output_paths(request: FinishRequest) -> tuple[Path, ...]:
    """Return the output of each input.

    Raises InputError for options that exclude each other, OutputError where two inputs would become one file.
    """
    if not request.inputs:
        raise InputError("there is nothing to finish; name a video")
    if request.in_place and request.output is not None:
        raise InputError("--in-place and -o exclude each other: one writes over the input, the other does not")
    folder = _output_folder(request)
    outputs = tuple(_output_path(path, request, folder) for path in request.inputs)
    _refuse_collisions(request.inputs, outputs)
    return outputs


def _output_folder(request: FinishRequest) -> Path | None:
    """Return `output` if it is a folder: an existing one, a name without a suffix, or the output of several inputs."""
    output = request.output
    if output is None:
        return None
    if output.is_dir() or (not output.exists() and not output.suffix):
        return output
    if len(request.inputs) > 1:
        raise OutputError(f"{output} is one file, for {len(request.inputs)} videos; give a folder with -o")
    return None


def _output_path(path: Path, request: FinishRequest, folder: Path | None) -> Path:
    if request.in_place:
        if is_animated(path):
            raise OutputError(
                f"{path} cannot be finished in place: an animated image holds no sound; leave --in-place out"
            )
        if path.suffix.lower() not in _KEPT:
            raise OutputError(f"{path} cannot be finished in place: {path.suffix} keeps no notes; leave --in-place out")
        return path
    if request.output is not None and folder is None:
        if request.output.suffix.lower() not in _KEPT:
            raise OutputError(
                f"{request.output} cannot be the output: a finished video is one of {', '.join(sorted(_KEPT))}"
            )
        return request.output
    suffix = _output_suffix(path)
    base = path.name if _has_rivals(path, suffix) else path.stem
    if folder is not None and not _same(folder, path.parent):
        return folder / f"{base}{suffix}"
    return path.with_name(f"{base}{_MARK}{suffix}")


def _output_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in _KEPT:
        return suffix
    return ".mp4" if is_animated(path) else _INSTEAD.get(suffix, ".mkv")


def _has_rivals(path: Path, suffix: str) -> bool:
    """Return whether a video beside this one would get the same name: shot.avi becomes shot.avi.finished.mkv then.

    A video that keeps its suffix keeps its plain name.
    """
    if path.suffix.lower() == suffix:
        return False
    videos = (one for one in namesakes(path) if one.suffix.lower() in _VIDEOS or is_animated(one))
    return any(_output_suffix(one) == suffix for one in videos)


def _refuse_collisions(inputs: Sequence[Path], outputs: Sequence[Path]) -> None:
    first: dict[Path, Path] = {}
    for path, output in zip(inputs, outputs, strict=True):
        other = first.setdefault(output.resolve(), path)
        if not _same(other, path):
            raise OutputError(f"{other} and {path} would both become {output}; finish them one by one")


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
