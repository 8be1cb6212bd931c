"""The plan of shards: whole, stable, and the same for whoever makes it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from avlink.training.data.plan import SHARD_CLIPS, by_key, load_plan, make_plan, save_plan
from avlink.training.data.source_clips import SourceClip

KEYS = st.lists(st.integers(0, 400).map(str), unique=True, max_size=400)


@given(before=KEYS, after=KEYS)
def test_each_clip_has_one_place_and_keeps_it(before: list[str], after: list[str]) -> None:
    first = make_plan({"train": before, "held_out": []})
    second = make_plan({"train": after, "held_out": []}, first)
    assert second == make_plan({"train": after, "held_out": []}, first)
    for plan, keys in ((first, before), (second, after)):
        places = [key for shard in plan["train"] for key in shard.keys]
        assert len(places) == len(set(places)) and set(keys) <= set(places)
        assert len({shard.name for shard in plan["train"]}) == len(plan["train"])
        assert [shard.name for shard in plan["train"]] == sorted(shard.name for shard in plan["train"])
    old = {key: (shard.name, row) for shard in first["train"] for row, key in enumerate(shard.keys)}
    new = {key: (shard.name, row) for shard in second["train"] for row, key in enumerate(shard.keys)}
    assert all(new[key] == place for key, place in old.items() if key in after)


def test_few_clips_lie_in_small_shards_and_many_in_large_ones(tmp_path: Path) -> None:
    plan = make_plan({"train": [str(number) for number in range(10_000)], "held_out": ["a", "b"]})
    assert {len(shard.keys) for shard in plan["train"]} == {SHARD_CLIPS}
    save_plan(tmp_path, plan)
    assert load_plan(tmp_path) == plan
    assert len(make_plan({"train": [str(number) for number in range(10)], "held_out": []})["train"]) == 2
    assert load_plan(tmp_path / "none") is None


def test_a_file_that_is_named_twice_is_two_clips() -> None:
    clips = [
        SourceClip(path=Path("a.mp4"), label="a.mp4", size=1, caption=caption) for caption in ("one", "two", "one")
    ]
    named = by_key(clips)
    assert list(named.values()) == clips and len(set(named)) == 3
