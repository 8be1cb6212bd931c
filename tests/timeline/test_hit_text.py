"""Names and notes of hits: what is written is read as the same hit, and what editors write otherwise is no hit."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.hits import KNOWN_KINDS, Hit
from avlink.timeline.hit_text import hit_name, hit_note, hit_of_text, is_hit_text

shares = st.integers(0, 100).map(lambda hundredths: hundredths / 100)
words = st.text(st.sampled_from("abz Äß日-'9"), max_size=14).map(lambda text: " ".join(text.split()))


@st.composite
def hits(draw: st.DrawFn) -> Hit:
    """Hits of any kind with words that are no kind themselves; a kind without words may be any word."""
    said = draw(words)
    said = "" if said.casefold() in KNOWN_KINDS or said.isdigit() else said
    kind = draw(st.sampled_from([*KNOWN_KINDS, "bark", "door hinge"]))
    source = draw(st.sampled_from(["picture", "guide", "marker"]))
    return Hit(
        time_s=Fraction(0),
        duration_s=Fraction(draw(st.integers(0, 5_000_000)), 1_000_000),
        strength=draw(shares),
        kind=kind,
        confidence=draw(shares),
        place=draw(st.none() | st.tuples(shares, shares)),
        words=said,
        source=source,
        heard=draw(st.booleans()),
    )


@given(hits())
def test_a_name_and_a_note_tell_all_of_a_hit(hit: Hit) -> None:
    name, note = hit_name(hit), hit_note(hit, with_duration=True)
    assert is_hit_text(name, note)
    assert hit_of_text(name, note) == hit


@given(hits())
def test_a_name_alone_tells_kind_words_and_strength(hit: Hit) -> None:
    name = hit_name(hit)
    assert is_hit_text(name)
    read = hit_of_text(name)
    assert (read.strength, read.source, read.confidence) == (hit.strength, "marker", 1.0)
    if hit.words and hit.words.split()[0].casefold() not in KNOWN_KINDS:
        assert (read.kind, read.words) == ("hit", hit.words)
    if not hit.words and hit.kind in KNOWN_KINDS:
        assert (read.kind, read.words) == (hit.kind, "")


@pytest.mark.parametrize(
    ("name", "note", "kind", "said", "strength"),
    [
        ("step", "", "step", "", 0.5),
        ("Step 0.8", "", "step", "", 0.8),
        ("door slam .6", "", "hit", "door slam", 0.6),
        ("door slam 0,6", "", "hit", "door slam", 0.6),
        ("slide on gravel 40 %", "", "slide", "slide on gravel", 0.4),
        ("HIT: door slam", "", "hit", "door slam", 0.5),
        ("hit:step 1", "", "step", "", 1.0),
        ("HIT:", "strength 0.25", "hit", "", 0.25),
        ("door slam", "confidence 0.91, heard", "hit", "door slam", 0.5),
        ("step", "confidence 0.91, 0.7", "step", "", 0.7),
        ("", "drop 0.3", "drop", "", 0.3),
    ],
)
def test_what_people_write_is_a_hit(name: str, note: str, kind: str, said: str, strength: float) -> None:
    assert is_hit_text(name, note)
    hit = hit_of_text(name, note)
    assert (hit.kind, hit.words, hit.strength) == (kind, said, strength)


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("FOLEY: step 0.8", ""),
        ("AMB: wind", "confidence 0.9"),
        ("step 0.8", "foley: boots"),
        ("hit 3", "5.1 dB"),
        ("take 2", ""),
        ("flash frame, fix", ""),
        ("step up the grade here", ""),
        ("v1.0", ""),
        ("opacity 100", ""),
        ("12.5", ""),
        ("", ""),
        ("reel change", "ask about the hit at 0.8 s"),
    ],
)
def test_other_comments_of_editors_are_none(name: str, note: str) -> None:
    assert not is_hit_text(name, note)


def test_the_strength_of_a_name_counts_before_that_of_a_note() -> None:
    assert hit_of_text("step 0.8", "strength 0.2").strength == 0.8
    assert hit_of_text("step", "strength 0.2").strength == 0.2


@given(hits(), st.text(st.sampled_from("ab 0.5%heard"), max_size=30))
def test_other_words_in_a_note_change_nothing(hit: Hit, more: str) -> None:
    read = hit_of_text(hit_name(hit), f"{hit_note(hit)}, ask {more}")
    assert replace(read, duration_s=hit.duration_s) == hit
