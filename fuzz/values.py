"""Texts and numbers that programs trip over."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


def seldom(odd: st.SearchStrategy[Any], common: st.SearchStrategy[Any], one_in: int = 12) -> st.SearchStrategy[Any]:
    """Return a strategy of common values, and of odd ones once in so many."""
    # Hypothesis prefers small numbers, which are the common case here.
    return st.integers(1, one_in).flatmap(lambda number: odd if number == one_in else common)


TRAPS = (
    "",
    " ",
    "a/b",
    "..",
    "con",
    "=1+1",
    "%00",
    "%s %d {0} {clip.name}",
    "nul\0byte",
    "line\nbreak\r\ttab",
    "\x1b]0;title\x07\x1b[31m",
    "\u202eright to left\u2066",
    "\ufeffmark",
    "e\u0301 \u00e9",
    "\ud800",
    "\U0001f3ac",
    "'\"`",
    "<a>&amp;]]>",
    "x" * 300,
)
"""Texts with a meaning somewhere."""

names = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
    st.sampled_from(TRAPS),
)
"""Names of clips, tracks and markers."""

plain_names = st.text(st.sampled_from("abcdefgh XYZ012-_."), min_size=1, max_size=10).map(str.strip).filter(bool)
"""Names that every format can carry."""

urls = st.one_of(
    st.sampled_from(["a.mp4", "b.mov", "c d.mp4", "c%20d.mp4", "voice.wav", "./a.mp4", "file:a.mp4"]),
    st.sampled_from(
        [
            "gone.mov",
            "../../../../etc/passwd",
            "file:///etc/passwd",
            "file://localhost/gone.mov",
            "file://server/share/a.mp4",
            "C:\\media\\a.mp4",
            "file:///C:/media/a.mp4",
            "http://127.0.0.1:9/a.mp4",
            "concat:a.mp4|b.mov",
            "data:video/mp4;base64,AAAA",
            "/dev/zero",
            "/dev/stdin",
            "pipe:0",
            "/proc/self/mem",
            ".",
            "/",
            "%",
            "%ff%fe.mp4",
            "a.%04d.png",
            "a.png",
            "list.ffconcat",
        ]
    ),
    names,
)
"""Addresses of media."""

odd_numbers = st.one_of(
    st.sampled_from([0, -1, 1, 0.0, -0.0, 0.5, 1e-9, 1e-300, 1e18, 1e300, 2**31, 2**53 + 1, 2**63, -(2**63), 2**64]),
    st.sampled_from([float("nan"), float("inf"), float("-inf")]),
    st.integers(-(10**6), 10**6),
    st.floats(),
)
"""Numbers from the edges of what numbers are."""

number_texts = st.one_of(
    odd_numbers.map(str),
    st.sampled_from(
        ["", "-", "1e999", "1e99999999", "9" * 5000, "1/0", "0/0", "1/3s", "-1/25s", "0x10", "١٢", "1_000"]
    ),
)
"""Numbers as texts, and texts in the place of numbers."""

odd_values: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    odd_numbers,
    names,
    st.sampled_from([[], {}, [[]], {"OTIO_SCHEMA": "Nothing.1"}, {"": None}]),
)
"""Values of any type of JSON and TOML."""
