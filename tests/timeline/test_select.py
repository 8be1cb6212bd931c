"""Clips that are seen: laws over generated tracks, and the choice of tracks by name."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.errors import TimelineError
from avlink.core.recipe.schema import SelectTable
from avlink.timeline.markers import Marker
from avlink.timeline.media_refs import MediaRef
from avlink.timeline.select import select_clips
from avlink.timeline.values import ClipRef, Skip
from avlink.timeline.walk import item_id

Layers = list[list[tuple[int, int, bool]]]


def clip(start: Fraction | int, duration: Fraction | int, *, layer: int = 0, url: str = "a.mp4") -> ClipRef:
    return ClipRef(
        id=item_id(layer, Fraction(start), Fraction(duration)),
        name=f"c{start}",
        track=f"T{layer}",
        layer=layer,
        timeline_start_s=Fraction(start),
        timeline_duration_s=Fraction(duration),
        source_start_s=Fraction(100),
        media=(MediaRef(key="DEFAULT_MEDIA", kind="file", url=url),),
    )


layers = st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5), st.booleans()), max_size=4), max_size=4)


def _clips(drawn: Layers) -> list[ClipRef]:
    found = []
    for layer, row in enumerate(drawn):
        at = 0
        for gap, length, opaque in row:
            found.append(clip(at + gap, length, layer=layer, url="a.mp4" if opaque else "title.png"))
            at += gap + length
    return found


@given(layers)
def test_every_moment_of_a_clip_is_seen_unless_something_opaque_lies_above(drawn: Layers) -> None:
    clips = _clips(drawn)
    seen = [item for item in select_clips(clips) if isinstance(item, ClipRef)]
    for moment in range(40):
        at = Fraction(2 * moment + 1, 2)
        above = [one.layer for one in clips if one.opaque and one.timeline_start_s <= at < one.timeline_end_s]
        expected = {
            one.layer
            for one in clips
            if one.timeline_start_s <= at < one.timeline_end_s and one.layer >= max(above, default=0)
        }
        assert {one.layer for one in seen if one.timeline_start_s <= at < one.timeline_end_s} == expected


@given(layers)
def test_every_clip_is_named_once_at_least_and_parts_keep_their_media_in_place(drawn: Layers) -> None:
    clips = _clips(drawn)
    items = select_clips(clips)
    assert {(item.layer, item.name) for item in items} == {(one.layer, one.name) for one in clips}
    whole = {(one.layer, one.name): one for one in clips}
    for item in items:
        if isinstance(item, ClipRef):
            origin = whole[item.layer, item.name]
            assert item.source_start_s - origin.source_start_s == item.timeline_start_s - origin.timeline_start_s
    assert len({item.id for item in items}) == len(items)


@given(layers, st.randoms())
def test_the_order_of_clips_does_not_matter(drawn: Layers, random: object) -> None:
    clips = _clips(drawn)
    mixed = list(clips)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert {item.id for item in select_clips(mixed)} == {item.id for item in select_clips(clips)}


def test_a_hidden_clip_is_a_skip_that_names_what_hides_it() -> None:
    hidden, _ = select_clips([clip(1, 2), clip(0, 5, layer=1)])[::-1]
    assert isinstance(hidden, Skip) and "hidden by the picture on T1" in hidden.reason


def test_an_overlay_splits_what_lies_under_it() -> None:
    items = [item for item in select_clips([clip(0, 10), clip(4, 2, layer=1)]) if item.layer == 0]
    assert [(item.timeline_start_s, item.timeline_duration_s) for item in items] == [(0, 4), (6, 4)]


def test_chosen_tracks_are_done_whole() -> None:
    items = select_clips([clip(0, 10), clip(4, 2, layer=1), clip(0, 1, layer=2)], ["T0", "V2"])
    assert [(item.layer, item.timeline_duration_s) for item in items] == [(0, 10), (1, 2)]


def test_an_unknown_track_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TimelineError, match=r"no video track 'V9' with clips; it has: T0, T1"):
        select_clips([clip(0, 1), clip(0, 1, layer=1)], ["V9"])


def _marked(name: str, *, comment: str = "", own: bool = True, colour: str = "RED") -> Marker:
    return Marker(name=name, colour=colour, comment=comment, start_s=Fraction(0), duration_s=Fraction(0), own=own)


def test_wishes_by_name_marker_and_colour_must_all_hold() -> None:
    door = replace(clip(0, 2), name="Door_03.mov", colour="ORANGE", markers=(_marked("SFX: slam"),))
    step = replace(clip(2, 2), name="steps.mov", markers=(_marked("note", comment="sfx later", own=False),))
    plain = replace(clip(4, 2), name="door_04.mov")
    items = [door, step, plain]

    def chosen(**wanted: object) -> list[str]:
        return [item.name for item in select_clips(items, wanted=SelectTable(**wanted))]  # type: ignore[arg-type]

    assert chosen() == ["Door_03.mov", "steps.mov", "door_04.mov"]
    assert chosen(clips=("door*",)) == ["Door_03.mov", "door_04.mov"]
    assert chosen(clips=("steps*", "*04*")) == ["steps.mov", "door_04.mov"]
    assert chosen(markers=("sfx*",)) == ["Door_03.mov", "steps.mov"]
    assert chosen(colours=("orange",)) == chosen(colours=("red",)) == ["Door_03.mov"]
    assert chosen(clips=("door*",), markers=("SFX*",)) == ["Door_03.mov"]
    with pytest.raises(TimelineError, match=r"clips = cat\*; markers = SFX\*\); there are: Door_03.mov, steps.mov"):
        chosen(clips=("cat*",), markers=("SFX*",))


def test_what_is_seen_too_shortly_is_a_skip() -> None:
    items = select_clips([clip(0, 10), clip(Fraction(1, 4), 9, layer=1)], wanted=SelectTable(min_duration_s=0.5))
    assert [(type(item), item.timeline_duration_s) for item in items] == [
        (Skip, Fraction(1, 4)),
        (ClipRef, 9),
        (ClipRef, Fraction(3, 4)),
    ]
    assert isinstance(items[0], Skip) and "less than 0.5 s" in items[0].reason


def test_only_the_tracks_that_hide_a_clip_are_named() -> None:
    items = select_clips([clip(0, 2), clip(0, 3, layer=1), clip(5, 3, layer=2)])
    hidden = next(item for item in items if isinstance(item, Skip))
    assert hidden.reason == "is hidden by the picture on T1"
