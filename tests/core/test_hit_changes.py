"""Changes of hits: all of them together lead from one list to the other, and groups lie apart."""

from __future__ import annotations

import itertools
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from avlink.core.hit_changes import hit_changes
from avlink.core.hits import Hit

HITS = st.lists(
    st.builds(
        Hit,
        time_s=st.integers(0, 300).map(lambda tenths: Fraction(tenths, 10)),
        strength=st.sampled_from([0.25, 0.5]),
        kind=st.sampled_from(["hit", "step"]),
    ),
    max_size=8,
    unique_by=lambda hit: hit.time_s,
).map(lambda hits: sorted(hits, key=lambda hit: hit.time_s))


@given(HITS, HITS)
def test_all_changes_lead_from_one_list_to_the_other(before: list[Hit], after: list[Hit]) -> None:
    changes = hit_changes(before, after, apart_s=2.0)
    both = set(before) & set(after)
    for change in changes:
        # A change leaves alone what is the same in both lists, and what belongs to other changes.
        assert both <= set(change.hits) <= set(before) | set(after)
    added = {hit for change in changes for hit in change.hits} - set(before)
    removed = {hit for hit in before if any(hit not in change.hits for change in changes)}
    assert (set(before) - removed) | added == set(after)


@given(HITS, HITS)
def test_groups_lie_apart_and_hold_all_that_differs(before: list[Hit], after: list[Hit]) -> None:
    changes = hit_changes(before, after, apart_s=2.0)
    for one, other in itertools.pairwise(changes):
        assert other.first_s - one.last_s >= 2.0 - 1e-9
    for hit in set(before) ^ set(after):
        assert any(change.first_s <= float(hit.time_s) <= change.last_s for change in changes)
    assert hit_changes(before, before, apart_s=2.0) == ()
