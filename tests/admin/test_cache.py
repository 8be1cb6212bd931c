"""The cache: what it holds, making room, and readers and writers beside another process that makes room."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from avlink.admin.cache import GRACE_S, look_at_cache, parse_age, parse_size, prune_cache, size_text
from avlink.core.errors import InputError
from avlink.core.hashing import digest
from avlink.core.store import Store

DAY_S = 86400.0


def fill(folder: Path, **ages_s: float) -> Store:
    """Entries of 1000 bytes and a sidecar, last used so long ago."""
    store = Store(folder)
    for name, age_s in ages_s.items():
        path = store.put_file(digest(name), ".wav", lambda path: path.write_bytes(bytes(1000)) and None)
        used_s = time.time() - age_s
        os.utime(path.with_name(f"{digest(name)[2:]}.meta.json"), (used_s, used_s))
    return store


def left(store: Store, *names: str) -> list[str]:
    return [name for name in names if store.get(digest(name)) is not None]


def test_an_empty_cache_is_empty(tmp_path: Path) -> None:
    report = look_at_cache(tmp_path / "none")
    assert (report.total.entries, report.total.size_bytes) == (0, 0)
    assert prune_cache(tmp_path / "none", max_bytes=0).total.entries == 0
    assert not (tmp_path / "none").exists()


def test_all_kinds_are_counted_to_the_byte(tmp_path: Path) -> None:
    store = fill(tmp_path, a=0, b=0)
    for suffix in (".npy", ".json", ".txt", ".odd"):
        store.put_file(digest(suffix), suffix, lambda path: path.write_bytes(b"12") and None)
    (tmp_path / "finished").mkdir()
    (tmp_path / "finished" / "x.wav").write_bytes(bytes(7))
    (tmp_path / "bundles" / "one" / "media").mkdir(parents=True)
    (tmp_path / "bundles" / "one" / "media" / "a.mov").write_bytes(bytes(9))
    report = look_at_cache(tmp_path)
    counts = {kind: amount.entries for kind, amount in report.kinds.items()}
    assert counts == {
        "sounds": 2, "pictures": 1, "notes": 1, "digests": 1, "other": 1, "finished": 1, "bundles": 1
    }  # fmt: skip
    assert report.total.size_bytes == sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())


def test_what_was_not_used_for_long_goes(tmp_path: Path) -> None:
    store = fill(tmp_path, new=DAY_S, old=40 * DAY_S)
    assert prune_cache(tmp_path, older_than_s=2 * DAY_S, dry_run=True).total.entries == 1
    assert prune_cache(tmp_path).total.entries == 1
    assert left(store, "new", "old") == ["new"]


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    store = fill(tmp_path, c=3 * DAY_S, a=DAY_S, b=2 * DAY_S)
    one = next(store.entries()).size_bytes
    report = prune_cache(tmp_path, max_bytes=2 * one)
    assert (report.total.entries, report.left.size_bytes) == (1, 2 * one)
    assert left(store, "a", "b", "c") == ["a", "b"]


def test_what_a_run_may_need_at_once_stays(tmp_path: Path) -> None:
    store = fill(tmp_path, used=GRACE_S / 2, old=GRACE_S * 2)
    report = prune_cache(tmp_path, max_bytes=0)
    assert (report.total.entries, report.in_use) == (1, 1)
    assert left(store, "used", "old") == ["used"]


def test_a_bundle_goes_as_a_whole_but_not_on_the_day_it_was_used(tmp_path: Path) -> None:
    place = tmp_path / "bundles" / "one"
    (place / "media").mkdir(parents=True)
    (place / "media" / "a.mov").write_bytes(bytes(9))
    os.utime(place, (time.time() - DAY_S / 2,) * 2)
    assert prune_cache(tmp_path, max_bytes=0).in_use == 1
    os.utime(place, (time.time() - 2 * DAY_S,) * 2)
    assert prune_cache(tmp_path, max_bytes=0).total.entries == 1
    assert not place.exists()


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", 2592000), ("12h", 43200), ("45min", 2700), ("2w", 1209600), (" 1.5 D ", 129600)]
)
def test_ages(text: str, seconds: float) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("10GB", 10**10), ("500mb", 5 * 10**8), ("2GiB", 2**31), ("1.5k", 1500), ("0B", 0)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "30", "d", "-3d", "3y", "1e3GB", "nan GB", "10 GBB"])
def test_what_is_no_age_and_no_size_is_told(text: str) -> None:
    with pytest.raises(InputError, match="is not a length of time, such as 30d"):
        parse_age(text)
    with pytest.raises(InputError, match="is not a size, such as 10GB"):
        parse_size(text)


def test_sizes_are_said_as_they_are_typed() -> None:
    said = [size_text(size) for size in (0, 999, 1000, 99_500, 999_600, 10**10)]
    assert said == ["0 B", "999 B", "1.0 kB", "100 kB", "1.0 MB", "10.0 GB"]


@contextlib.contextmanager
def emptied_all_the_time(folder: Path) -> Iterator[None]:
    """Another process removes everything in the cache again and again, however new it is."""
    code = (
        "import sys, time; from pathlib import Path; from avlink.admin.cache import prune_cache\n"
        "print('on', flush=True)\n"
        # A breath between, or on a quick machine nobody would ever find anything.
        "while True: prune_cache(Path(sys.argv[1]), max_bytes=0, grace_s=0.0); time.sleep(0.003)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None and other.stdout.readline() == "on\n"
        yield
        assert other.poll() is None, "it ended by itself"
    finally:
        other.kill()
        other.communicate()


def test_readers_and_writers_beside_one_who_removes_see_whole_objects_or_none(tmp_path: Path) -> None:
    store, key, content = Store(tmp_path), digest("x"), b"0123456789" * 1000
    seen = {"whole": 0, "none": 0}
    with emptied_all_the_time(tmp_path):
        began = time.monotonic()
        while (took := time.monotonic() - began) < 3 or (took < 60 and not all(seen.values())):
            store.put_file(key, ".txt", lambda path: path.write_bytes(content) and None)
            for _ in range(20):
                text = store.get_text(key)
                assert text is None or text.encode() == content
                seen["none" if text is None else "whole"] += 1
    assert all(seen.values()), seen
