"""Damages of a file: a flipped bit, a lost end, zeros in the place of bytes."""

from __future__ import annotations

from pathlib import Path


def flip(path: Path) -> None:
    """Flip a bit of the last byte."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """Cut off the last four bytes."""
    path.write_bytes(path.read_bytes()[:-4])


def clear(path: Path) -> None:
    """Put zeros in the place of all bytes."""
    path.write_bytes(bytes(path.stat().st_size))


def empty(path: Path) -> None:
    """Leave a file of no bytes."""
    path.write_bytes(b"")
