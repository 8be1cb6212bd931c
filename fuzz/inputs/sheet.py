"""Cue sheets as spreadsheets save them, after people have edited them."""

from __future__ import annotations

import csv
import io
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from avlink.timeline.walk import item_id
from fuzz.case import Case
from fuzz.cut import Cut, CutClip, Rate
from fuzz.damage import damaged_text, json_text
from fuzz.inputs.otio_values import of_cut
from fuzz.values import names, number_texts

_CUT = Cut(
    rate=Rate(24.0, Fraction(24)),
    start=86400,
    clips=(
        CutClip(name="door", media="a.mp4", gap=0, first=0, frames=24),
        CutClip(name="steps", media="b.mov", gap=12, first=24, frames=18),
        CutClip(name="rain", media="a.mp4", gap=0, first=48, frames=30),
    ),
)
_COLUMNS = ("id", "mode", "prompt", "negative", "seed", "gain_db")
_IDS = tuple(item_id(0, place.start_s, place.duration_s) for place in _CUT.places())
_NUMERIC = {"seed", "gain_db"}
_DELIMITERS = {",": ",", ";": ";", "tab": "\t"}

_words = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp", "Cf")), min_size=1, max_size=9
)
_good = {
    "mode": st.sampled_from(["sync", "ambience", "off"]),
    "prompt": _words,
    "negative": _words,
    "seed": st.integers(0, 2**63 - 1),
    "gain_db": st.integers(-60, 60),
}


@st.composite
def files(draw: st.DrawFn) -> Case:
    """Return a case of a sheet for a timeline that lies beside it."""
    kind = draw(st.sampled_from(["good", "good", "odd", "text"]))
    wanted = {id: draw(_requests()) for id in draw(st.lists(st.sampled_from(_IDS), unique=True, min_size=1))}
    rows = [
        {"id": _as_sheet(id), **{name: _cell(name, value) for name, value in row.items()}} for id, row in wanted.items()
    ]
    if kind == "odd":
        for row in rows:
            for column in draw(st.lists(st.sampled_from(_COLUMNS), max_size=2)):
                row[column] = draw(number_texts | names)
    text = _csv(rows, _DELIMITERS[draw(st.sampled_from(sorted(_DELIMITERS)))])
    encoded = text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])), "replace")
    if kind == "text":
        encoded = draw(damaged_text(encoded))
    return Case(
        format="sheet",
        files={"cut.otio": json_text(of_cut(_CUT)), "sheet.csv": encoded},
        commands=(
            ("import-cues", "cut.otio", "sheet.csv", "-o", "named.otio"),
            ("sonify", "named.otio"),
            ("export", "named.otio", "--to", "csv", "-o", "again.csv"),
        ),
        requests={id: row for id, row in wanted.items()} if kind == "good" else None,
    )


@st.composite
def _requests(draw: st.DrawFn) -> dict[str, Any]:
    chosen = draw(st.sets(st.sampled_from(sorted(_good))))
    return {name: draw(_good[name]) for name in sorted(chosen)}


def _as_sheet(id: str) -> str:
    return f"c{id}" if id[:1].isdigit() else id


def _cell(name: str, value: Any) -> str:
    # Spreadsheets keep long numbers, and texts that look like formulas, behind an apostrophe.
    text = str(value)
    if (name not in _NUMERIC and text.startswith(("=", "+", "-", "@", "'"))) or (text.isdigit() and len(text) > 15):
        return f"'{text}"
    return text


def _csv(rows: list[dict[str, str]], delimiter: str) -> str:
    sheet = io.StringIO(newline="")
    writer = csv.DictWriter(sheet, _COLUMNS, delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return sheet.getvalue()
