"""What a finishing run is asked for, and where its results go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from avlink import InputError, OutputError, SonifyRecipe
from avlink_genvideo.animated_images import is_animated

Existing: TypeAlias = Literal["refuse", "replace", "mix"]

# Containers that keep texts of any name, and the picture as it is.
_KEPT = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm"})
# Others become Matroska, which takes any picture but this one's.
_INSTEAD = {".3gp": ".mov"}
_MARK = ".finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishRequest:
    """`inputs` are videos or animated images. `output` is a file for one of them or a folder; None means beside each.

    `prompt` overrides the one found in a file, `use_prompt=False` ignores that. `lufs` None leaves the loudness as the
    model made it. Animated images are encoded without loss if `lossless`. `existing` says what becomes of sound that
    a video has. `force` makes anew what is finished already; `dry_run` looks and writes nothing.
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
    dry_run: bool = False


def output_paths(request: FinishRequest) -> tuple[Path, ...]:
    """The file that each input becomes.

    Raises InputError for wishes that exclude each other, OutputError where two would become one file.
    """
    if not request.inputs:
        raise InputError("there is nothing to finish; name a video")
    if request.in_place and request.output is not None:
        raise InputError("--in-place and -o exclude each other: one writes over the input, the other does not")
    folder = _folder(request)
    found = tuple(_output(path, request, folder) for path in request.inputs)
    _refuse_clashes(request.inputs, found)
    return found


def _folder(request: FinishRequest) -> Path | None:
    """The folder for the results, if `output` is one: there already, or with no suffix, or for several inputs."""
    output = request.output
    if output is None:
        return None
    if output.is_dir() or (not output.exists() and not output.suffix):
        return output
    if len(request.inputs) > 1:
        raise OutputError(f"{output} is one file, for {len(request.inputs)} videos; give a folder with -o")
    return None


def _output(path: Path, request: FinishRequest, folder: Path | None) -> Path:
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
    suffix = path.suffix.lower()
    if suffix not in _KEPT:
        suffix = ".mp4" if is_animated(path) else _INSTEAD.get(suffix, ".mkv")
    if folder is not None and not _same(folder, path.parent):
        return folder / f"{path.stem}{suffix}"
    return path.with_name(f"{path.stem}{_MARK}{suffix}")


def _refuse_clashes(inputs: Sequence[Path], outputs: Sequence[Path]) -> None:
    seen: dict[Path, Path] = {}
    for path, output in zip(inputs, outputs, strict=True):
        other = seen.setdefault(output.resolve(), path)
        if other.resolve() != path.resolve():
            raise OutputError(f"{other} and {path} would both become {output}; finish them one by one")


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
