"""Hits on their way to a server."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from avlink_remote.generators import conditions_of
from avlink_remote.protocol import GenerationRequest
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.hits import Hit
from avlink.core.values import Frames, Prompt, SoundRequest

HIT = st.builds(
    Hit,
    time_s=st.fractions(0, 600, max_denominator=96000),
    duration_s=st.fractions(0, 9, max_denominator=96000),
    strength=st.floats(0, 1),
    kind=st.sampled_from(["hit", "step", "creak"]),
    words=st.text(max_size=9),
)


NOTHING: dict[str, Any] = {
    "hits": None,
    "base_hits": None,
    "known_s": None,
    "is_ambience": False,
    "material": "",
    "item": "",
}


@given(st.none() | st.lists(HIT, max_size=4).map(tuple), st.none() | st.lists(HIT, max_size=4).map(tuple))
def test_hits_arrive_as_they_were_sent(hits: tuple[Hit, ...] | None, base: tuple[Hit, ...] | None) -> None:
    frames = Frames(pixels=np.zeros((1, 2, 2, 3), np.uint8), rate=Fraction(24))
    known = None if hits is None else (Fraction(1, 3), Fraction(7))
    asked = SoundRequest(
        frames=frames,
        duration_s=Fraction(8),
        prompt=Prompt(),
        seed=1,
        hits=hits,
        base_hits=None if hits is None else base,
        known_s=known,
        is_ambience=hits is None,
        material="" if hits is None else "m",
        item="" if hits is None else "i",
    )
    sent = GenerationRequest(count=1, duration_s="8/1", seed=1, **conditions_of(asked))
    there = GenerationRequest.model_validate_json(sent.model_dump_json())
    names = ("hits", "base_hits", "known_s", "is_ambience", "material", "item")
    assert there.conditions() == {name: getattr(asked, name) for name in names}
    plain = GenerationRequest(count=1, duration_s="8/1", seed=1, **conditions_of(replace(asked, **NOTHING)))
    # A server that knows none of this takes it.
    assert set(plain.model_dump()) == {"count", "duration_s", "prompt", "negative", "seed"}
