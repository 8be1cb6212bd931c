"""SHA-256 sums of what was written, in files that `sha256sum -c` checks."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from avlink import write_text
from avlink.hooks import RunProject, RunStem

STEMS_FILE = "SHA256SUMS"
_CHUNK_BYTES = 1 << 22


def add_stem(stem: RunStem) -> None:
    """Add a stem to the sums in its folder. Sums of files that do not exist any more are removed."""
    path = stem.path.with_name(STEMS_FILE)
    known = _read(path)
    known[stem.path.name] = _sha256(stem.path)
    _write(path, {name: known[name] for name in known if (path.parent / name).is_file()})


def write_project(project: RunProject) -> None:
    """Write the sums of the outputs and of their stems beside the first output."""
    if not project.outputs:
        return
    path = project.outputs[0].with_name(f"{project.outputs[0].name}.sha256")
    files: Iterable[Path] = dict.fromkeys((*project.outputs, *project.stems))
    _write(path, {Path(os.path.relpath(file, path.parent)).as_posix(): _sha256(file) for file in files})


def _read(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines) if name}


def _write(path: Path, sums: dict[str, str]) -> None:
    write_text(path, "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))


def _sha256(path: Path) -> str:
    content = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            content.update(chunk)
    return content.hexdigest()
