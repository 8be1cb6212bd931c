from __future__ import annotations

import numpy as np

from avlink.evaluation.foundry_sections import (
    distance_section,
    group_section,
    onset_section,
    sole_material,
    true_events,
    with_onsets,
)
from avlink.foundry import make_clips


def test_the_truth_against_itself_is_perfect_in_every_table() -> None:
    batch = make_clips([3, 8], split="held_out")
    truth, sounds = true_events(batch.clips), batch.sound.numpy()
    (row,) = onset_section("test", truth, {"truth": truth}).to_json()["rows"]
    assert row["f1_100ms"] == row["f1_50ms"] == row["count_exact"] == 1 and row["offset_ms"] == 0
    groups = group_section("test", batch.clips, {"truth": truth}).to_json()["rows"]
    assert {group["truth"] for group in groups} == {1.0}
    # Every clip is in a group of kinds and in one of looks.
    assert sum(group["clips"] for group in groups) == 2 * sum(bool(clip.events) for clip in batch.clips)
    condition = with_onsets("truth", sounds, 16000)
    assert len(condition.onsets_s) == 2 and all(np.all(np.diff(times) > 0) for times in condition.onsets_s)
    (row,) = distance_section("test", sounds, [condition], 16000).to_json()["rows"]
    assert row["mr_stft"] == row["log_mel_db"] == 0


def test_one_material_is_named_and_air_is_none() -> None:
    assert sole_material(["wood", "wood"]) == "wood"
    assert [sole_material(names) for names in ([], ["wood", "metal"], ["air"])] == [None, None, None]
