"""Default names of results: beside the input, and never one name for the results of two inputs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from avlink.core.outputs import Outputs
from avlink.core.paths import namesakes


def result_base(
    path: Path,
    suffixes: Collection[str],
    named: Callable[[Path], Path],
    outputs: Outputs,
    *,
    plain: Collection[str] = (),
) -> Path:
    """Return the path that names of results begin with: the input without its suffix, or with it.

    It keeps its suffix where another input of that name lies beside it: results of shot.mov and shot.mp4 are then those
    of "shot.mov" and "shot.mp4", whichever is first. `suffixes`, without dots, are those of inputs. Inputs with a
    `plain` suffix go without it all the same, and so does one whose result, `named` so, is there already.
    """
    short = path.with_name(path.stem)
    if path.suffix.lower() in plain or not _has_rivals(path, suffixes):
        return short
    made = outputs.receipt(named(short))
    return short if made is not None and made.source == str(path.resolve()) else path


def _has_rivals(path: Path, suffixes: Collection[str]) -> bool:
    known = {suffix.lower().lstrip(".") for suffix in suffixes}
    others = (one for one in namesakes(path) if one.suffix.lower().lstrip(".") in known)
    # A name in other letters may be that of the same file.
    return any(not (one.exists() and path.exists() and one.samefile(path)) for one in others)
