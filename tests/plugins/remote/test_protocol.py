"""Hits on their way to a server."""

from __future__ import annotations

from fractions import Fraction

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
    )
    sent = GenerationRequest(count=1, duration_s="8/1", seed=1, **conditions_of(asked))
    there = GenerationRequest.model_validate_json(sent.model_dump_json())
    assert there.conditions() == {"hits": asked.hits, "base_hits": asked.base_hits, "known_s": asked.known_s}
    if hits is None:
        # A server that knows no hits takes it.
        assert set(sent.model_dump()) == {"count", "duration_s", "prompt", "negative", "seed"}
