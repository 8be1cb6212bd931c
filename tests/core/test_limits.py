"""Limits: what is refused is told with its value, the limit and advice; the table of the documentation is theirs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from avlink.core.errors import TimelineError
from avlink.core.limits import LIMITS, PROJECT_BYTES, TRACKS, Limit, amount, levels

ROOT = Path(__file__).resolve().parents[2]


def test_the_most_is_read_and_one_more_is_refused() -> None:
    TRACKS.check(TRACKS.most, "cut.otio")
    with pytest.raises(TimelineError) as told:
        TRACKS.check(TRACKS.most + 1, "cut.otio", TimelineError)
    said = str(told.value)
    assert said.startswith("cut.otio ") and "10,001 tracks of at most 10,000 tracks" in said
    assert said.endswith("; split the project, or export the timeline alone")


@pytest.mark.parametrize(
    "value, unit, words",
    [
        (999, "bytes", "999 bytes"),
        (28_057, "bytes", "28.06 kB"),
        (200 * 10**6, "bytes", "200 MB"),
        (3 * 10**9, "bytes", "3 GB"),
        (10_000, "tracks", "10,000 tracks"),
        (0.5, "s", "0.500 s"),
        (10**18, "s", "1e+18 s"),
    ],
)
def test_amounts_are_short(value: float, unit: str, words: str) -> None:
    assert amount(value, unit) == words


def test_documentation_lists_every_limit() -> None:
    page = (ROOT / "docs" / "robustness.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", page.partition("## Limits")[2], re.MULTILINE)
    assert rows[0] == ("limit", "most")
    assert [row for row in rows[1:] if row[0] != "---"] == [
        (limit.subject, amount(limit.most, limit.unit)) for limit in LIMITS
    ]


def test_levels_count_mappings_and_lists() -> None:
    deep: object = 1
    for depth in range(5):
        assert levels(deep, 10) == depth
        deep = {"a": [], "b": deep} if depth % 2 else [deep, "text"]
    assert levels(deep, 3) == 4


def test_levels_end_at_a_value_that_holds_itself() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert levels(endless, 100) == 101


def test_real_work_is_far_below_the_limits() -> None:
    assert isinstance(PROJECT_BYTES, Limit) and PROJECT_BYTES.most >= 200 * 10**6
    assert TRACKS.most >= 1000
