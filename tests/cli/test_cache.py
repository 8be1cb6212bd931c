from __future__ import annotations

import os
from pathlib import Path

import pytest


def test_the_cache_is_shown_and_emptied(avlink, tone, movie: Path, own_cache: Path) -> None:
    assert avlink("cache").out.splitlines()[0] == str(own_cache)
    made = avlink("sonify", movie, *tone)
    assert made.code == 0, made.err
    shown = avlink("cache", "--json").json
    assert (shown["command"], shown["folder"]) == ("cache", str(own_cache))
    assert shown["kinds"]["sounds"]["entries"] == 1
    assert shown["bytes"] == sum(kind["bytes"] for kind in shown["kinds"].values()) > 0
    assert "generated sounds" in avlink("cache").out

    fresh = avlink("cache", "prune", "--max-size", "0B", "--json").json
    assert (fresh["removed"]["entries"], fresh["in_use"]) == (0, shown["entries"])
    for file in own_cache.rglob("*.meta.json"):
        os.utime(file, (1e9, 1e9))
    plan = avlink("cache", "prune", "--dry-run")
    assert plan.code == 0 and f"would remove {shown['entries']}, " in plan.out
    done = avlink("cache", "prune", "--older-than", "30d", "--json").json
    assert (done["command"], done["removed"]["entries"], done["left"]["entries"]) == (
        "cache prune",
        shown["entries"],
        0,
    )
    # Receipts stay, so that what AVLink wrote is not taken for a file of somebody else.
    again = avlink("sonify", movie, *tone, "--json")
    assert (again.code, again.json["counts"]["generated"]) == (0, 1)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--older-than", "soon", "'soon' is not a length of time"), ("--max-size", "10", "'10' is not a size")],
)
def test_what_is_no_age_or_size_is_2(avlink, option: str, value: str, said: str) -> None:
    ran = avlink("cache", "prune", option, value)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert avlink("cache", "prune", option, value, "--json").json["command"] == "cache prune"
