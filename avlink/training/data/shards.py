"""Shards of training data: folders that appear whole or not at all; an interrupted store goes on at its next one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path


def find_shards(root: Path) -> list[Path]:
    """The shards of a store in order; none where there is no store."""
    return sorted(path for path in root.glob("shard-*") if path.is_dir()) if root.is_dir() else []


def shard_path(root: Path, number: int) -> Path:
    """Where shard `number` of a store lies, or will."""
    return root / f"shard-{number:05d}"


def put_shard(root: Path, number: int, fill: Callable[[Path], None]) -> None:
    """Let `fill` write into a hidden folder, and move that into place; one that is there already stays."""
    root.mkdir(parents=True, exist_ok=True)
    hidden = root / f".shard-{number:05d}-{os.getpid()}"
    shutil.rmtree(hidden, ignore_errors=True)
    hidden.mkdir()
    fill(hidden)
    final = shard_path(root, number)
    if final.exists():
        shutil.rmtree(hidden)
    else:
        os.replace(hidden, final)
