"""Free space on disks, compared with what a run is going to write before it begins."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from avlink.core.errors import OutputError
from avlink.core.limits import amount

MARGIN_BYTES = 500 * 10**6
"""Space that stays free: a system with a full disk does more than end a run."""
_SMALL_BYTES = 100 * 10**6


def check_space(needed: Mapping[Path, int], subject: str) -> None:
    """Compare `needed` bytes by folder with the free space of their disks. Folders need not exist yet.

    Raises OutputError if a disk has less than that and `MARGIN_BYTES`; `subject` names what is written. Less than
    100 MB is not refused, for `needed` is an estimate: if the disk is full, its writer says so. A disk that does not
    tell its free space is taken to have enough.
    """
    disks: dict[int, tuple[Path, int]] = {}
    for folder, size in needed.items():
        place = _existing(folder)
        try:
            device = place.stat().st_dev
        except OSError:
            continue
        disks[device] = (place, size + disks.get(device, (place, 0))[1])
    for place, size in disks.values():
        try:
            free = shutil.disk_usage(place).free
        except OSError:
            continue
        if size > max(_SMALL_BYTES, free - MARGIN_BYTES):
            raise OutputError(
                f"{subject} would take {amount(size, 'bytes')} on the disk of {place}, which has "
                f"{amount(free, 'bytes')} free, and {amount(MARGIN_BYTES, 'bytes')} of it stay free; make room, or "
                "choose other clips or places"
            )


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    path = folder.absolute()
    return next((place for place in (path, *path.parents) if place.exists()), path)
